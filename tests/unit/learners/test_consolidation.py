"""The end of a task of a stream, without a Trainer's loops."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from tiny import Letters
from torch import nn

from tlml import PairView, StreamView
from tlml.learners.consolidation import BUFFER, Consolidation, stream_of

STREAM = StreamView(Letters(), ways=2, batch_size=4)


class Noting(nn.Module):
    """Notes which tasks end, in which mode, and what is drawn then."""

    seed, device = 3, torch.device("cpu")

    def __init__(self, done: int = 0) -> None:
        super().__init__()
        self.register_buffer(BUFFER, torch.tensor(done))
        self.noted: list[tuple[int, bool, float]] = []

    def consolidate(self, task: int) -> None:
        assert torch.is_grad_enabled()
        self.noted.append((task, self.training, float(torch.rand(()))))


class At:
    """A stream of which `learned` tasks are learned."""

    def __new__(cls, learned: int) -> Any:
        view = StreamView(Letters(), ways=2, batch_size=4)
        view.learned = lambda trainer: learned  # type: ignore[method-assign]
        state = SimpleNamespace(fn="fit")
        return SimpleNamespace(datamodule=view, state=state, sanity_checking=False)


def ended(learner: Noting, learned: int) -> list[int]:
    before = len(learner.noted)
    Consolidation().on_validation_start(At(learned), learner)  # type: ignore[arg-type]
    return [task for task, _, _ in learner.noted[before:]]


def test_each_task_ends_once_and_what_was_missed_is_made_up_for() -> None:
    learner = Noting()
    assert ended(learner, 1) == [0]
    assert ended(learner, 1) == []
    assert ended(learner, 3) == [1, 2]
    assert int(getattr(learner, BUFFER)) == 3


def test_it_sees_the_learner_in_evaluation_mode_with_draws_of_its_own() -> None:
    learner, again = Noting(), Noting()
    ended(learner, 2)
    torch.rand(5)
    ended(again, 2)
    assert learner.training and not any(training for _, training, _ in learner.noted)
    assert learner.noted == again.noted
    assert learner.noted[0][2] != learner.noted[1][2]


def test_an_earlier_stream_of_more_tasks_is_forgotten() -> None:
    learner = Noting(done=5)
    Consolidation().on_train_start(At(0), learner)  # type: ignore[arg-type]
    assert int(getattr(learner, BUFFER)) == 0


def test_the_sanity_check_ends_no_task() -> None:
    learner, trainer = Noting(), At(1)
    trainer.sanity_checking = True
    Consolidation().on_validation_start(trainer, learner)  # type: ignore[arg-type]
    assert learner.noted == []


def test_only_a_stream_is_one() -> None:
    assert stream_of(SimpleNamespace(datamodule=STREAM)) is STREAM  # type: ignore[arg-type]
    other = PairView(Letters())
    assert stream_of(SimpleNamespace(datamodule=other)) is None  # type: ignore[arg-type]
