"""`check_learner` finds what is wrong with a learner, and says what to mend."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from failing import failure, spec
from gymnasium.spaces import Box
from torch import Tensor

import tlml
import tlml.testing
from tlml import Batch, GradientLearner, Learner
from tlml.data import Params
from tlml.meta import InnerProblem
from tlml.testing import check_learner
from tlml.testing.toys import Descent, Planes


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
        return np.random.rand() * super().training_step(batch, batch_idx)


class Deaf(Plain):
    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=self.lr)


class Frank(Deaf):
    """Says that it takes no other optimiser."""

    def __init__(self, **options: Any) -> None:
        if "optimizer" in options:
            raise tlml.TlmlError("frank: steps by Adam")
        super().__init__(**options)


class GreedyProblem(InnerProblem):
    def adapted(self, support: Batch) -> Params:
        self.loss(self.start(), support)
        return super().adapted(support)


class Greedy(Plain):
    problem_type = GreedyProblem


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
        checkpoint["object"] = Box(0, 1, (1,))


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


class CopyingProblem(InnerProblem):
    """Adapts other things than parameters when all tasks run together."""

    def start(self) -> dict[str, Tensor]:
        start, together = super().start(), self.learner.vectorize == "vmap"
        return {n: p.detach() for n, p in start.items()} if together else start


class Copying(Plain):
    problem_type = CopyingProblem


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
            "'network.blocks.hidden1.linear.weight'; draw from generators keyed by the seed, not "
            "from the global random states",
        ),
        (
            Deaf,
            "learner made on Planes: given optimizer='adamw', it steps by Adam; leave the option "
            "out of its constructor, or raise TlmlError where it is given",
        ),
        (
            Greedy,
            "learner made on Planes: adapted() calls the loss 4 times in 3 inner steps; once in a "
            "step is enough (on environments a call collects rollouts)",
        ),
        (
            Squeezed,
            "learner made on Planes: fitting it for two batches: loss mse: needs equal shapes, "
            "scores are [2, 3] and targets [2, 2]",
        ),
        (
            Wandering,
            "learner made on Planes: predict() changes 'network.blocks.hidden1.linear.weight' of "
            "the learner; adapt copies",
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


def test_a_checkpoint_with_objects_is_found() -> None:
    found = failure(check_learner, Objects, LEARNS, options=STEPS)
    assert found.startswith("learner made on Planes: loading its checkpoint: ")
    assert "holds Python objects" in found
    assert found.endswith("what on_save_checkpoint() adds must be plain data and tensors")


def test_gradients_that_differ_between_loop_and_vmap_are_found() -> None:
    found = failure(check_learner, Copying, LEARNS, options=STEPS)
    start = "learner made on Planes with Descent: the meta-gradient of 'network.blocks.hidden1."
    assert found.startswith(start)
    assert "differs between loop and vmap by" in found


def test_predictions_that_are_no_numbers_are_found() -> None:
    found = failure(check_learner, Blind, spec(needs=("episodes", "regression")))
    assert found == (
        "learner made on Planes: testing it: episode 0: predictions are NaN or infinite"
    )


def test_a_learner_whose_needs_nothing_meets_is_told_so() -> None:
    impossible = spec("loss", needs=("episodes", "made:moons"))
    assert failure(check_learner, Plain, impossible) == (
        "learner made: no domain and strategy together give what it needs (episodes, made:moons); "
        "pass domain= or mend needs"
    )
    check_learner(Plain, impossible, domain=Planes(), strategy=Descent())


@pytest.mark.parametrize("given", [Plain, Plain(strategy=Descent()), lambda: Plain(strategy="sgd")])
def test_learners_that_keep_their_word_pass(given: Any) -> None:
    options = STEPS if given is Plain else None
    check_learner(given, LEARNS, options=options)


def test_records_may_hold_the_scores_of_blocks() -> None:
    class InTime(Planes):
        blocks = 2

    check_learner(Plain, LEARNS, domain=InTime(), options=STEPS)


class Fixed(Plain):
    """Passes an optimiser of its own on."""

    def __init__(self, **options: Any) -> None:
        super().__init__(optimizer="sgd", **options)


@pytest.mark.parametrize("learner", [Frank, Fixed])
def test_a_learner_may_have_no_other_optimiser(learner: type[Learner]) -> None:
    check_learner(learner, LEARNS, domain=Planes(), options=STEPS)
