"""Tests on target tasks: what is kept of each, and what diverged."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tiny import MLP, Letters

import tlml
from tlml import Batch, Episode, EpisodeView, TlmlError
from tlml.data import KeyedSampler
from tlml.learners.adapter import adapter_for
from tlml.learners.evaluation import (
    differentiable,
    episode_number,
    evaluate,
    gather_records,
    half_intervals,
)


def at_work(**options: Any) -> tuple[Any, EpisodeView, Episode]:
    view = EpisodeView(Letters(), ways=2, shots=2, queries=3)
    learner: Any = tlml.learner("maml", **MLP, strategy=tlml.strategy("sgd", **options))
    learner.meet(view.spaces)
    return learner, view, view.dataset("target")[4]


def record_of(**options: Any) -> dict[str, Any]:
    learner, view, task = at_work(**options)
    return evaluate(learner, adapter_for(learner, view), task, view, "test", 4)


def test_a_record_holds_metrics_and_what_they_cost() -> None:
    record = record_of(lr=0.1, steps=3)
    assert record["episode"] == 4 and record["gradient_steps"] == 3
    assert 0 <= record["accuracy"] <= 1 and record["loss"] > 0 and record["seconds"] > 0


def test_a_record_is_a_function_of_the_episode() -> None:
    one, other = record_of(lr=0.1, steps=2), record_of(lr=0.1, steps=2)
    assert {**one, "seconds": 0} == {**other, "seconds": 0}


def test_a_divergence_names_the_inner_step() -> None:
    with pytest.raises(TlmlError) as caught:
        record_of(lr=1e38, steps=5)
    text = str(caught.value)
    assert text.startswith("episode 4: adapting by Sgd diverged at inner step ")
    assert text.endswith("(NaN or infinity); lower its lr")


def test_an_episode_has_its_number_on_any_number_of_processes() -> None:
    plain: Any = SimpleNamespace(batch_size=4, sampler=None)
    assert episode_number(plain, 2, 1) == 9
    assert episode_number(None, 2, 0) == 2
    sampler = KeyedSampler.__new__(KeyedSampler)
    sampler.num_replicas, sampler.rank = 2, 1
    shared: Any = SimpleNamespace(batch_size=4, sampler=sampler)
    assert episode_number(shared, 2, 1) == 19


def test_what_inference_mode_made_can_take_part_in_gradients() -> None:
    with torch.inference_mode():
        x, y = torch.ones(2, 1), torch.zeros(2)
    plain = torch.ones(2, 1)
    task = differentiable(Episode(Batch(x, y), Batch(plain, plain)))
    assert not task.support.x.is_inference() and torch.equal(task.support.x, x)
    assert task.query.x is plain


def test_the_interval_of_a_mean_takes_two_records_and_leaves_costs_out() -> None:
    records = [{"episode": i, "accuracy": float(i), "loss": 1.0, "seconds": 1.0} for i in range(4)]
    found = half_intervals(records)
    assert set(found) == {"accuracy"}
    expected = 1.96 * torch.arange(4.0).std() / 2
    torch.testing.assert_close(found["accuracy"], expected)
    assert half_intervals(records[:1]) == half_intervals([]) == {}


def test_one_process_keeps_its_records() -> None:
    records = [{"episode": 1}, {"episode": 0}]
    assert gather_records(records) is records
