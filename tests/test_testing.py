"""The checks for authors of plugins find what is wrong, and say what to mend."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from distributions import Site, declare, plugin_module, site_on_path
from gymnasium.spaces import Box, Discrete
from torch import Tensor, nn

import tlml
import tlml.testing
from tlml import Batch, Examples, GradientLearner, Learner, Spec, Strategy, gradient
from tlml.plugin import HEAVY
from tlml.registry import Registry, default_registry
from tlml.task import Params, Part, Split
from tlml.testing import CheckFailed, check_domain, check_learner, check_plugin, check_strategy
from tlml.testing.randomness import global_state, without_global_draws
from tlml.testing.toys import Clouds, Descent, Drawn, LearnedRates, Nearest, Planes, Point, Walk, Walks

FINITE = frozenset({"pair", "episodes", "stream", "finite", "regression"})


def spec(*gives: str, needs: tuple[str, ...] = ()) -> Spec:
    return Spec("made", "no:No", "made up", gives=frozenset(gives), needs=needs)


def failure(check: Callable[..., None], *given: Any, **options: Any) -> str:
    with pytest.raises(CheckFailed) as error:
        check(*given, **options)
    text = str(error.value)
    assert "\n" not in text
    return text


# Domains


class Endless(Planes):
    """Draws without end: it has no tasks()."""

    tasks = tlml.Domain.tasks

    def draw(self, split: Split, rng: np.random.Generator) -> Any:
        return Slope(float(rng.normal()))


@dataclass(frozen=True)
class Slope:
    slope: float
    name: str = "slope"

    def sample(self, n: int, rng: np.random.Generator) -> Batch:
        x = torch.from_numpy(rng.standard_normal((n, 3)).astype(np.float32))
        return Batch(x, self.slope * x[:, :2])


class Dice(Endless):
    def draw(self, split: Split, rng: np.random.Generator) -> Any:
        return Slope(np.random.normal())


class Remembering(Endless):
    def __init__(self) -> None:
        super().__init__()
        self.rng = np.random.default_rng(0)

    def draw(self, split: Split, rng: np.random.Generator) -> Any:
        return Slope(float(self.rng.normal()))


class Unpicklable(Planes):
    def __init__(self) -> None:
        super().__init__()
        self.turn = lambda x: x


class Few(Endless):
    def draw(self, split: Split, rng: np.random.Generator) -> Any:
        return FewSlope(1.0)


class FewSlope(Slope):
    def sample(self, n: int, rng: np.random.Generator) -> Batch:
        return super().sample(n - 1, rng)


class Leaking(Planes):
    def tasks(self, split: Split) -> list[Drawn]:
        first = self._task("source", 0)
        return [*super().tasks(split)[1:], replace(first, name=f"{split} plane 0")]


class SameTasks(Planes):
    def tasks(self, split: Split) -> list[Drawn]:
        return list(super().tasks("source"))


class Overlapping(Planes):
    def tasks(self, split: Split) -> list[Drawn]:
        return [OneBag(task.name, task.x, task.y) for task in super().tasks(split)]


class OneBag(Drawn):
    def split(self, part: Part) -> Examples:
        return Examples(self.x, self.y)


class Wrong(Planes):
    """Holds values that its spaces don't."""

    def __init__(self, x: Any = None, y: Any = None, values: str = "") -> None:
        super().__init__()
        self.x, self.y, self.values = x or self.x, y or self.y, values

    def _task(self, split: Split, number: int) -> Drawn:
        task = super()._task(split, number)
        if self.values == "nan":
            task.x[3] = torch.nan
        if self.values == "double":
            return replace(task, x=task.x.double())
        return task


class Floating(Clouds):
    def _task(self, split: Split, number: int) -> Drawn:
        task = super()._task(split, number)
        return replace(task, y=task.y.int())


class TwoClasses(Clouds):
    def __init__(self) -> None:
        super().__init__()
        self.y = Discrete(2)


class DicedWalks(Walks):
    def draw(self, split: Split, rng: np.random.Generator) -> Walk:
        walk = super().draw(split, rng)
        return DicedWalk(walk.name, walk.goal)


class DicedWalk(Walk):
    def make(self, seed: int) -> Point:
        return Point((float(np.random.normal()), 0.0), seed)


class FourActions(Walks):
    def __init__(self) -> None:
        super().__init__()
        self.y = Discrete(4)


@pytest.mark.parametrize(
    ("domain", "gives", "text"),
    [
        (
            Endless,
            {"stream", "regression"},
            "domain made: spec gives 'stream' but tasks('source') is not there; write tasks() or "
            "drop 'stream' from gives",
        ),
        (
            Endless,
            {"episodes", "regression", "finite"},
            "domain made: spec gives 'finite' but tasks('source') is not there; write it, or drop "
            "'finite' from gives",
        ),
        (
            Endless,
            {"env", "control"},
            "domain made: spec gives 'env' but its tasks have no make(); write make() or drop "
            "'env' from gives",
        ),
        (
            Planes,
            {"episodes", "classification"},
            "domain made: spec gives 'classification' but y is a Box space; make it a Discrete or "
            "drop 'classification' from gives",
        ),
        (
            Clouds,
            {"episodes", "regression"},
            "domain made: spec gives 'regression' but y is a Discrete space; make it a Box or drop "
            "'regression' from gives",
        ),
        (
            Planes,
            {"regression"},
            "domain made: spec gives none of env, episodes, pair, stream, so no learner can use "
            "it; say which views can be made of it",
        ),
        (
            Planes,
            {"episodes"},
            "domain made: spec gives none of classification, control, regression; say what its "
            "targets are",
        ),
        (
            Dice,
            {"episodes", "regression"},
            "domain made: drawing from split 'source' draws from the global random state of NumPy; "
            "draw from the generator that is passed, or make one from a seed",
        ),
        (
            Remembering,
            {"episodes", "regression"},
            "domain made: two draws from split 'source' with equal generators differ; draw() and "
            "sample() must be functions of the split and the rng that they are given only",
        ),
        (
            Unpicklable,
            FINITE,
            "domain made: pickling it: AttributeError: Can't pickle local object "
            "'Unpicklable.__init__.<locals>.<lambda>'; loader processes need it: no lambdas, no "
            "open files, no local classes",
        ),
        (
            Few,
            {"episodes", "regression"},
            "domain made, split 'source': task 'slope': sample(3) gives 2 inputs and 2 targets; "
            "return n of each",
        ),
        (
            SameTasks,
            FINITE,
            "domain made: task 'source plane 0' is in split 'source' and in split 'validation'; "
            "put it in one",
        ),
        (
            Leaking,
            FINITE,
            "domain made: 24 examples of split 'source' are in split 'validation' too; divide the "
            "data by task (or call check_domain with shared=, for data of few values)",
        ),
        (
            Overlapping,
            FINITE,
            "domain made: task 'source plane 0': 24 examples of part 'train' are in part 'val' "
            "too; divide them",
        ),
        (
            Floating,
            {"episodes", "classification"},
            "domain made: spec gives 'episodes' but the support of a source task: y is torch.int32 "
            "of shape [3]; classes are int64 [n]",
        ),
        (
            TwoClasses,
            {"pair", "classification"},
            "domain made: spec gives 'pair' but the source: y has classes 0 to 2, its space 0 to 1",
        ),
        (
            DicedWalks,
            {"env", "control"},
            "domain made: drawing from split 'source' draws from the global random state of NumPy; "
            "draw from the generator that is passed, or make one from a seed",
        ),
        (
            FourActions,
            {"env", "control"},
            "domain made: spec gives 'env' but an environment of split 'source' has the space "
            "Discrete(5), and y is Discrete(4); make them equal",
        ),
    ],
)
def test_a_domain_that_lies_is_found_out(domain: type, gives: frozenset[str], text: str) -> None:
    assert failure(check_domain, domain, spec(*gives)) == text


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"x": Box(-9, 9, (4,))}, "x has the shape [3], its space [4]"),
        (
            {"x": Box(-1, 1, (3,))},
            "x goes from -1.56168 to 1.19298, beyond its space (-1 to 1); widen the space or mend "
            "the values",
        ),
        ({"values": "double"}, "x is float64, its space float32; make them equal"),
    ],
)
def test_values_beyond_the_spaces_are_found(options: dict[str, Any], text: str) -> None:
    found = failure(check_domain, Wrong, spec(*FINITE), options=options)
    start = "domain made: spec gives 'episodes' but the support of a source task: "
    assert found == start + text


def test_values_that_are_no_numbers_are_found() -> None:
    assert failure(check_domain, Wrong, spec(*FINITE), options={"values": "nan"}) == (
        "domain made, split 'source': task 'source plane 0': task source plane 0: x of 1 of 12 "
        "examples is NaN or infinite; remove or fill these examples in the domain"
    )


def test_a_share_of_common_examples_may_be_allowed() -> None:
    check_domain(Leaking, spec(*FINITE), shared=0.5)


@pytest.mark.parametrize(
    ("domain", "gives"),
    [
        (Planes, FINITE),
        (Clouds, FINITE - {"regression"} | {"classification"}),
        (Walks, {"env", "control"}),
        (Endless, {"pair", "episodes", "regression"}),
    ],
)
def test_domains_that_keep_their_word_pass(domain: type, gives: frozenset[str]) -> None:
    check_domain(domain, spec(*gives))
    check_domain(domain(), spec(*gives))


# Strategies


class Twice(Descent):
    def steps(self, loss: Any, params: Params, support: Any) -> Iterator[Params]:
        for params in super().steps(loss, params, support):
            loss(params, support)
            yield params


class Late(Descent):
    def steps(self, loss: Any, params: Params, support: Any) -> Iterator[Params]:
        yield from super().steps(loss, params, support)
        loss(params, support)


class InPlace(Descent):
    def steps(self, loss: Any, params: Params, support: Any) -> Iterator[Params]:
        slope = gradient(loss, params, support)
        with torch.no_grad():
            for name, value in params.items():
                value -= self.lr * slope[name]
        yield params


class Noisy(Descent):
    def steps(self, loss: Any, params: Params, support: Any) -> Iterator[Params]:
        for params in super().steps(loss, params, support):
            yield {name: p + 0.1 * torch.randn_like(p) for name, p in params.items()}


class Autograd(Descent):
    def steps(self, loss: Any, params: Params, support: Any) -> Iterator[Params]:
        names = list(params)
        slope = torch.autograd.grad(loss(params, support), list(params.values()))
        yield {n: params[n] - self.lr * g for n, g in zip(names, slope, strict=True)}


class Partial(Descent):
    def steps(self, loss: Any, params: Params, support: Any) -> Iterator[Params]:
        for params in super().steps(loss, params, support):
            yield {name: p for name, p in params.items() if "head" in name}


class Exploding(Descent):
    def steps(self, loss: Any, params: Params, support: Any) -> Iterator[Params]:
        for params in super().steps(loss, params, support):
            yield {name: p / 0 for name, p in params.items()}


class Detached(Descent):
    batched = False

    def steps(self, loss: Any, params: Params, support: Any) -> Iterator[Params]:
        slope = gradient(loss, params, support)
        yield {name: p - self.lr * slope[name].detach() for name, p in params.items()}


class Unbatched(Descent):
    def rate(self, name: str) -> Any:
        return self.lr

    def steps(self, loss: Any, params: Params, support: Any) -> Iterator[Params]:
        for params in super().steps(loss, params, support):
            if any(float(p.abs().max()) > 1e6 for p in params.values()):
                return
            yield params


class Holding(Descent):
    def __init__(self, decide: Any = abs) -> None:
        super().__init__()
        self.decide = decide


class Promiscuous(Descent):
    def claim(self, network: nn.Module | None) -> Strategy:
        return self


class NoPhase(Strategy):
    def phases(self, names: Any) -> Any:
        return (tlml.Phase(1.0, (tlml.Group("heads.*"),)),)


class Vector(Strategy):
    def terms(self, context: Any) -> Mapping[str, Tensor]:
        return {"gap": context.features_source.mean(0) - context.features_target.mean(0)}


class Cut(Strategy):
    def terms(self, context: Any) -> Mapping[str, Tensor]:
        return {"gap": context.features_source.detach().sum()}


class Negative(Strategy):
    def weigh_samples(self, source_x: Tensor, target_x: Tensor) -> Tensor:
        return source_x[:, 0]


class Flat(Strategy):
    def estimate(self, support: Any, x: Tensor) -> Tensor:
        return torch.zeros(len(x))


class Grown(Descent):
    def __init__(self) -> None:
        super().__init__()
        self.extra = {"tensor": torch.ones(2)}

    def get_extra_state(self) -> Any:
        return Slope(1.0)

    def set_extra_state(self, state: Any) -> None:
        pass


@pytest.mark.parametrize(
    ("strategy", "gives", "text"),
    [
        (
            Twice,
            set(),
            "strategy made: after inner step 1 the loss was called 2 times; call it once in a step "
            "and at no other time (on environments a call collects rollouts)",
        ),
        (
            Late,
            set(),
            "strategy made: after inner step 3 the loss was called 4 times; call it once in a step "
            "and at no other time (on environments a call collects rollouts)",
        ),
        (
            InPlace,
            set(),
            "strategy made: steps() changes 'blocks.hidden.0.weight' of the parameters that it "
            "starts from; yield new tensors",
        ),
        (
            Noisy,
            set(),
            "strategy made: steps() draws from the global random state of torch; draw from the "
            "generator that is passed, or make one from a seed",
        ),
        (
            Autograd,
            set(),
            "strategy made: adapting in inference mode, as a test does: RuntimeError: element 0 of "
            "tensors does not require grad and does not have a grad_fn; take gradients by "
            "tlml.gradient",
        ),
        (
            Partial,
            set(),
            "strategy made: inner step 1 does not give the parameters it was given: "
            "['blocks.hidden.0.bias', 'blocks.hidden.0.weight', 'blocks.hidden.1.bias', "
            "'blocks.hidden.1.weight']",
        ),
        (
            Exploding,
            set(),
            "strategy made: inner step 1 makes 'blocks.hidden.0.weight' NaN or infinite",
        ),
        (
            Strategy,
            {"differentiable"},
            "strategy made: spec gives 'differentiable' but the meta-gradient fails: RuntimeError: "
            "element 0 of tensors does not require grad and does not have a grad_fn; take "
            "gradients by tlml.gradient and detach nothing, or drop 'differentiable' from gives",
        ),
        (
            Holding,
            set(),
            "strategy made: option 'decide' is builtins.builtin_function_or_method, which no "
            "checkpoint can hold; take a number, a text, a list or a dict",
        ),
        (
            Promiscuous,
            set(),
            "strategy made: it lets two learners have it; leave claim() as it is and write "
            "attach()",
        ),
        (
            NoPhase,
            set(),
            "strategy made: phases(): pattern 'heads.*' matches no parameter; did you mean "
            "head.bias?",
        ),
        (
            Descent,
            {"weighs"},
            "strategy made: spec gives 'weighs' but weigh_samples() is not there; write "
            "weigh_samples() or drop 'weighs' from gives",
        ),
        (
            Vector,
            set(),
            "strategy made: it has terms() but its spec does not give 'aligns', so nothing would "
            "call it; add 'aligns' to gives",
        ),
        (
            Cut,
            {"aligns"},
            "strategy made: terms() gives losses without gradient, so that they align nothing; "
            "detach less",
        ),
        (
            Negative,
            {"weighs"},
            "strategy made: weigh_samples(): strategy Negative: weigh_samples must return 18 finite "
            "weights ≥ 0, one for each source example; it gave shape (18,)",
        ),
        (
            Flat,
            {"estimates"},
            "strategy made: estimate() gives the shape [6] for 6 inputs, must be [6, 2]: values "
            "[n, d], or scores [n, classes] where targets are classes",
        ),
        (
            Descent,
            {"loss"},
            "strategy made: gives 'loss', which is no word for a strategy; did you mean unlabelled?",
        ),
    ],
)
def test_a_strategy_that_lies_is_found_out(strategy: type, gives: set[str], text: str) -> None:
    assert failure(check_strategy, strategy, spec(*gives)) == text


def test_a_meta_gradient_that_is_cut_off_is_compared_with_finite_differences() -> None:
    found = failure(check_strategy, Detached, spec("differentiable"))
    start = "strategy made: spec gives 'differentiable' but along 'network.blocks.hidden.0.weight' "
    assert found.startswith(start + "the meta-gradient is -")
    assert found.endswith("detach nothing, or drop 'differentiable' from gives")
    check_strategy(Detached, spec())


def test_terms_must_be_scalars() -> None:
    found = failure(check_strategy, Vector, spec("aligns"))
    assert found.startswith("strategy made: terms() gives as 'gap' tensor([")
    assert found.endswith("; return a finite scalar tensor")


def test_a_strategy_that_says_it_is_batched_must_run_under_vmap() -> None:
    found = failure(check_strategy, Unbatched, spec("differentiable"))
    assert found.startswith("strategy made: meta_loss() of all tasks together, by vmap: RuntimeError")
    Unbatched.batched = False
    check_strategy(Unbatched, spec("differentiable"))


def test_a_state_that_is_not_plain_is_found() -> None:
    found = failure(check_strategy, Grown, spec())
    assert found.startswith("strategy made: loading its state into a new one: UnpicklingError:")


@pytest.mark.parametrize(
    ("strategy", "gives"),
    [
        (Descent, {"differentiable"}),
        (LearnedRates, {"differentiable"}),
        (Nearest, {"estimates"}),
        (Strategy, set()),
    ],
)
def test_strategies_that_keep_their_word_pass(strategy: type, gives: set[str]) -> None:
    check_strategy(strategy, spec(*gives))
    check_strategy(strategy(), spec(*gives))


# Learners


class Plain(GradientLearner):
    """Trains through adaptation, as MAML does."""

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return self.meta_loss(batch)


class Idle(Plain):
    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return 0 * super().training_step(batch, batch_idx)


class Manual(Plain):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.automatic_optimization = False

    def training_step(self, batch: Any, batch_idx: int) -> None:  # type: ignore[override]
        for p in self.parameters():
            p.data -= 0.01


class Shaky(Plain):
    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return torch.rand(()) * super().training_step(batch, batch_idx)


class Greedy(Plain):
    def adapted(self, support: Batch) -> Params:
        self.loss(self.start(), support)
        return super().adapted(support)


class Squeezed(Plain):
    def predict(self, support: Batch, x: Tensor) -> Tensor:
        return super().predict(support, x)[:, :1].expand(-1, 3)


class Wandering(Plain):
    def predict(self, support: Batch, x: Tensor) -> Tensor:
        scores = super().predict(support, x)
        with torch.no_grad():
            next(self.built().parameters()).add_(0.1)
        return scores


class Objects(Plain):
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["slope"] = Slope(1.0)


class Forgetful(Plain):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.scale = 1.0

    def on_train_batch_end(self, *_: Any) -> None:
        self.scale += 1.0

    def predict(self, support: Batch, x: Tensor) -> Tensor:
        return self.scale * super().predict(support, x)


class Locked(Plain):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.turn = lambda x: x


class Copying(Plain):
    """Adapts a copy of the parameters, which vmap's functional call does not replace."""

    def start(self) -> dict[str, Tensor]:
        kept = self.__dict__.setdefault("kept", super().start())
        return dict(kept) if self.vectorize == "vmap" else super().start()


class Blind(Learner):
    view_type = tlml.EpisodeView

    def predict(self, support: Batch, x: Tensor) -> Tensor:
        return support.y.mean(0).expand(len(x), 2) / 0


LEARNS = spec("loss", needs=("episodes", "regression", "differentiable"))
STEPS = {"strategy": Descent()}


@pytest.mark.parametrize(
    ("learner", "text"),
    [
        (
            Idle,
            "learner made on Planes: two batches change nothing of it; does the loss depend on its "
            "parameters, and does configure_optimizers() hold them?",
        ),
        (
            Manual,
            "learner made on Planes: after two batches global_step is 0; step one optimiser in "
            "each batch, or max_steps and checkpoints see no progress",
        ),
        (
            Shaky,
            "learner made on Planes: two fits with equal seeds differ in "
            "'network.blocks.hidden1.0.weight'; draw from generators keyed by the seed, not from "
            "the global random states",
        ),
        (
            Greedy,
            "learner made on Planes: adapted() calls the loss 4 times in 3 inner steps; once in a "
            "step is enough (on environments a call collects rollouts)",
        ),
        (
            Squeezed,
            "learner made on Planes: testing it: TlmlError",
        ),
        (
            Wandering,
            "learner made on Planes: predict() changes 'network.blocks.hidden1.0.weight' of the "
            "learner; adapt copies",
        ),
        (
            Forgetful,
            "learner made on Planes: loaded from its checkpoint, it predicts something else; keep "
            "all that predict() needs in options, parameters or registered buffers",
        ),
        (
            Locked,
            "learner made on Planes: pickling it: AttributeError: Can't pickle local object "
            "'Locked.__init__.<locals>.<lambda>'; no lambdas, no open files, no local classes",
        ),
    ],
)
def test_a_learner_that_misbehaves_is_found_out(learner: type, text: str) -> None:
    assert failure(check_learner, learner, LEARNS, options=STEPS) == text
