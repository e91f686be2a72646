"""Tests on target tasks: what is kept of each, and what diverged."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tiny import MLP, Letters, Tables

import tlml
from tlml import Batch, Episode, EpisodeView, TlmlError
from tlml.data import KeyedSampler
from tlml.learners.adapter import adapter_for
from tlml.learners.evaluation import (
    Evaluation,
    differentiable,
    episode_number,
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
    return Evaluation(learner, adapter_for(learner, view), view, "test").records([task], [4])[0]


def test_a_record_holds_metrics_and_what_they_cost() -> None:
    record = record_of(lr=0.1, steps=3)
    assert record["episode"] == 4 and record["gradient_steps"] == 3
    assert 0 <= record["accuracy"] <= 1 and record["loss"] > 0 and record["seconds"] > 0
    assert record["cpu_seconds"] > 0


def test_a_record_is_a_function_of_the_episode() -> None:
    one, other = record_of(lr=0.1, steps=2), record_of(lr=0.1, steps=2)
    spent = {"seconds", "cpu_seconds"}
    assert {k: v for k, v in one.items() if k not in spent} == {
        k: v for k, v in other.items() if k not in spent
    }


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


def measured(number: int) -> list[dict[str, Any]]:
    cost = {"loss": 1.0, "seconds": 1.0, "cpu_seconds": 1.0, "resampled": [0.5]}
    return [{"episode": i, "accuracy": float(i), **cost} for i in range(number)]


def test_the_interval_of_a_mean_takes_five_records_and_leaves_costs_out() -> None:
    found = half_intervals(measured(9), None)
    assert set(found) == {"accuracy"}
    torch.testing.assert_close(found["accuracy"], 1.96 * torch.arange(9.0).std() / 3)
    assert half_intervals(measured(4), None) == half_intervals([], None) == {}


def test_the_interval_of_a_mean_takes_episodes_of_one_task_for_one() -> None:
    view = EpisodeView(Tables(number=9), shots=1, queries=1)
    records = measured(18)
    found = half_intervals(records, view)["accuracy"]  # tasks: the means of 0 and 9, 1 and 10, ...
    torch.testing.assert_close(found, 1.96 * torch.arange(9.0).std() / 3)
    few = EpisodeView(Tables(number=1, train=8), shots=1, queries=2)  # four parts
    assert half_intervals(records, few) == {}


def test_one_process_keeps_its_records() -> None:
    records = [{"episode": 1}, {"episode": 0}]
    assert gather_records(records) is records
