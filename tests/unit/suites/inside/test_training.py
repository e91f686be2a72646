"""What a fit costs: examples a second of a stream."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tlml import Batch, Step
from tlml.suites.inside import training
from tlml.suites.inside.training import Throughput

TRAINER: Any = SimpleNamespace()


def step(size: int) -> Step:
    return Step(Batch(torch.zeros(size, 1), torch.zeros(size)), torch.zeros(size))


def test_validations_between_epochs_take_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [10.0]
    monkeypatch.setattr(training.time, "perf_counter", lambda: now[0])
    counted = Throughput()
    assert counted.rate == 0.0
    for _ in range(2):  # epochs
        counted.on_train_epoch_start(TRAINER, TRAINER)
        now[0] += 2.0
        counted.on_train_batch_end(TRAINER, None, None, step(6), 0)
        now[0] += 50.0  # a validation
    assert (counted.examples, counted.seconds, counted.rate) == (12, 4.0, 3.0)


def test_a_resumed_fit_goes_on_counting() -> None:
    counted, again = Throughput(), Throughput()
    counted.examples, counted.seconds = 30, 5.0
    again.load_state_dict(counted.state_dict())
    assert again.rate == 6.0


def test_other_batches_have_no_examples_of_a_stream() -> None:
    counted = Throughput()
    counted.on_train_batch_end(TRAINER, None, None, object(), 0)
    assert counted.examples == 0
