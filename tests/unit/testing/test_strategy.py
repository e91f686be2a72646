"""`check_strategy` finds what is wrong with a strategy, and says what to mend."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import torch
from failing import failure, spec
from gymnasium.spaces import Box
from torch import Tensor, nn

import tlml
import tlml.testing
from tlml import Context, Strategy, gradient
from tlml.data import Params
from tlml.testing import check_strategy
from tlml.testing.toys import Descent, LearnedRates, Nearest


class Twice(Descent):
    def steps(self, loss: Any, params: Params, support: Any) -> Iterator[Params]:
        for adapted in super().steps(loss, params, support):
            loss(adapted, support)
            yield adapted


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
        for adapted in super().steps(loss, params, support):
            yield {name: p + 0.1 * torch.randn_like(p) for name, p in adapted.items()}


class Autograd(Descent):
    def steps(self, loss: Any, params: Params, support: Any) -> Iterator[Params]:
        names = list(params)
        slope = torch.autograd.grad(loss(params, support), list(params.values()))
        yield {n: params[n] - self.lr * g for n, g in zip(names, slope, strict=True)}


class Partial(Descent):
    def steps(self, loss: Any, params: Params, support: Any) -> Iterator[Params]:
        for adapted in super().steps(loss, params, support):
            yield {name: p for name, p in adapted.items() if "head" in name}


class Exploding(Descent):
    def steps(self, loss: Any, params: Params, support: Any) -> Iterator[Params]:
        for adapted in super().steps(loss, params, support):
            yield {name: p / 0 for name, p in adapted.items()}


class Detached(Descent):
    batched = False

    def steps(self, loss: Any, params: Params, support: Any) -> Iterator[Params]:
        slope = gradient(loss, params, support)
        yield {name: p - self.lr * slope[name].detach() for name, p in params.items()}


class Unbatched(Descent):
    def steps(self, loss: Any, params: Params, support: Any) -> Iterator[Params]:
        for adapted in super().steps(loss, params, support):
            if any(p.detach().abs().max().item() > 1e6 for p in adapted.values()):
                return
            yield adapted


class Looped(Unbatched):
    batched = False


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


class Regularised(Strategy):
    """Adds a loss where it adapts."""

    terms_in = "adaptation"

    def terms(self, context: Context) -> Mapping[str, Tensor]:
        return {"size": torch.stack([p.square().sum() for p in context.params.values()]).sum()}


class Peeking(Strategy):
    """Uses inputs without labels and says so in one place only."""

    unlabelled = True


class Cut(Strategy):
    def terms(self, context: Any) -> Mapping[str, Tensor]:
        return {"gap": context.features_source.detach().sum()}


class Negative(Strategy):
    def weigh_samples(self, source_x: Tensor, target_x: Tensor) -> Tensor:
        return source_x[:, 0]


class Flat(Strategy):
    def estimate(self, support: Any, x: Tensor, space: Any) -> Tensor:
        return torch.zeros(len(x))


class Misspelt(Strategy):
    """Would be benched as plain fine-tuning."""

    def step(self, loss: Any, params: Params, support: Any) -> Iterator[Params]:
        yield params


class Helped(Descent):
    """Calls what it has itself."""

    def phase(self) -> float:
        return self.lr

    def steps(self, loss: Any, params: Params, support: Any) -> Iterator[Params]:
        self.phase()
        yield from super().steps(loss, params, support)


class Blind(Strategy):
    sees = ("feature",)


class Deaf(Descent):
    def __init__(self, lr: float = 0.1, damping: float = 0.5) -> None:
        super().__init__()
        self.lr = lr


class Orphan(Strategy):
    def __init__(self, rate: float = 0.1) -> None:
        self.rate = rate


class Centring(Strategy):
    def terms(self, context: Any) -> Mapping[str, Tensor]:
        with torch.no_grad():
            context.features_source.data -= context.features_source.data.mean(0)
        return {"gap": (context.features_source.mean(0) - context.features_target.mean(0)).norm()}


class Paired(Strategy):
    def terms(self, context: Any) -> Mapping[str, Tensor]:
        return {"gap": (context.features_source - context.features_target).square().mean()}


class Returning(Descent):
    def steps(self, loss: Any, params: Params, support: Any) -> Any:
        slope = gradient(loss, params, support)
        return {name: p - self.lr * slope[name] for name, p in params.items()}


class Listing(Descent):
    def steps(self, loss: Any, params: Params, support: Any) -> Any:
        slope = gradient(loss, params, support)
        yield [p - self.lr * slope[name] for name, p in params.items()]


class Subtracting(Descent):
    def steps(self, loss: Any, params: Params, support: Any) -> Any:
        params = {name: p.requires_grad_() for name, p in params.items()}
        slope = gradient(loss, params, support)
        for name in params:
            params[name] -= self.lr * slope[name]
        yield params


class Backward(Descent):
    def steps(self, loss: Any, params: Params, support: Any) -> Any:
        params = {name: p.detach() for name, p in params.items()}
        loss(params, support).backward()
        yield {name: p - self.lr * p.grad for name, p in params.items()}


class Mapped(Strategy):
    def phases(self, names: Any) -> Any:
        return {"all": 1.0}


class Itemising(Descent):
    batched = True

    def steps(self, loss: Any, params: Params, support: Any) -> Iterator[Params]:
        for adapted in super().steps(loss, params, support):
            next(iter(adapted.values())).sum().item()
            yield adapted


class Grown(Descent):
    def __init__(self) -> None:
        super().__init__()
        self.extra = {"tensor": torch.ones(2)}

    def get_extra_state(self) -> Any:
        return Box(0, 1, (1,))

    def set_extra_state(self, state: Any) -> None:
        pass


def test_reading_values_out_of_tensors_of_all_tasks_is_mended() -> None:
    assert failure(check_strategy, Itemising, spec("differentiable")).endswith(
        "; batched = True runs all tasks at once: keep numbers as tensors, without .item(), "
        "float() or if"
    )


def test_a_method_that_a_strategy_calls_itself_may_be_called_as_it_likes() -> None:
    check_strategy(Helped, spec())


@pytest.mark.parametrize(
    ("strategy", "gives", "text"),
    [
        (
            Misspelt,
            set(),
            "strategy made: it has step(), which nothing calls; did you mean steps()?",
        ),
        (
            Blind,
            set(),
            "strategy made: sees holds ['feature'], and terms see features, logits, labels only; "
            "mend it",
        ),
        (
            Deaf,
            set(),
            "strategy made: option 'damping' is never used: __init__() takes it and does nothing "
            "with it; keep it (self.damping = damping) or leave it out",
        ),
        (
            Orphan,
            set(),
            "strategy made: attaching it to a network: strategy Orphan: its __init__() does not "
            "call super().__init__(); call it first",
        ),
        (
            Centring,
            {"aligns"},
            "strategy made: terms() changes context.features_source in place, which the learner's "
            "own loss is of; make a new tensor",
        ),
        (
            Paired,
            {"aligns"},
            "strategy made: terms() with 18 source and 13 target examples: RuntimeError: The size "
            "of tensor a (18) must match the size of tensor b (13) at non-singleton dimension 0; "
            "the sides of a batch may have different sizes; take means over each",
        ),
        (
            Returning,
            set(),
            "strategy made: steps() returns a dict; yield the parameters after each inner step, "
            "where it returns them",
        ),
        (
            Listing,
            set(),
            "strategy made: inner step 1 gives a list; yield a dict of parameters by name",
        ),
        (
            Subtracting,
            set(),
            "strategy made: steps(): RuntimeError: a leaf Variable that requires grad is being "
            "used in an in-place operation.; don't change params: yield new tensors, "
            "{n: p - self.lr * grads[n] for n, p in params.items()}",
        ),
        (
            Backward,
            set(),
            "strategy made: steps(): RuntimeError: element 0 of tensors does not require grad and "
            "does not have a grad_fn; take gradients by tlml.gradient(loss, params, support), not "
            "by .backward()",
        ),
        (
            Mapped,
            set(),
            "strategy made: phases() gives a dict; return a list of tlml.Phase",
        ),
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
            Regularised,
            {"aligns"},
            "strategy made: its terms() act in adaptation alone, so that they align nothing in "
            "training; drop 'aligns' from gives",
        ),
        (
            Peeking,
            set(),
            "strategy made: it adapts to inputs without labels but its spec does not give "
            "'unlabelled'; add 'unlabelled' to gives",
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
            "strategy made: weigh_samples(): strategy Negative: weigh_samples must return 18 "
            "finite weights ≥ 0, one for each source example; it gave shape (18,)",
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
            "strategy made: gives 'loss', which is not a word for a strategy; choose from aligns, "
            "differentiable, estimates, maps, relates, unlabelled, weighs",
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
    assert found.startswith(
        "strategy made: meta_loss() of all tasks together, by vmap: vectorize: a layer of the "
        "network, or the strategy, can't run for several tasks at once; "
    )
    check_strategy(Looped, spec("differentiable"))


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
        (Regularised, set()),
        (Peeking, {"unlabelled"}),
    ],
)
def test_strategies_that_keep_their_word_pass(strategy: type, gives: set[str]) -> None:
    check_strategy(strategy, spec(*gives))
    check_strategy(strategy(), spec(*gives))
