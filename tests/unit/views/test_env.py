"""Environments as descriptions."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from refusals import fails
from tiny import Lines

from tlml import EnvView, TlmlError
from tlml.testing.toys import Walks
from tlml.views.contract import Place, Played


def test_environments_are_descriptions_that_make_equal_environments():
    view = EnvView(Walks(), envs=3, tasks_per_batch=2, tasks=4, seed=5)
    batch = next(iter(view.train_dataloader()))
    assert [each.index for each in batch] == [0, 1]
    again = EnvView(Walks(), envs=3, seed=5).dataset("source")[0]
    assert vars(batch[0]) == vars(again) == vars(pickle.loads(pickle.dumps(again)))
    walks = [again.make(), again.make(), again.make(rollout=1)]
    first, second, other = (walk.step(np.zeros(3, dtype=int))[0] for walk in walks)
    assert first.shape == (3, 2)
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)
    assert len({tuple(row) for row in first}) == 3


def test_environments_differ_by_seed_split_and_index_and_test_ones_are_fixed():
    view = EnvView(Walks(), tasks=3, test_tasks=2)
    tasks = [view.dataset(split)[i].task for split in ("source", "target") for i in range(3)]
    tasks += [EnvView(Walks(), seed=1).dataset("source")[0].task]
    assert len({task.goal for task in tasks}) == 7
    loader = view.train_dataloader()
    loader.sampler.set_epoch(1)
    assert [each.index for batch in loader for each in batch] == [3, 4, 5]
    loader = view.test_dataloader()
    loader.sampler.set_epoch(1)
    assert [each.index for batch in loader for each in batch] == [0, 1]


def test_only_tasks_that_can_be_acted_in_are_environments():
    with pytest.raises(TlmlError, match=r"^task slope \S+: EnvView needs tasks with make\(\)$"):
        EnvView(Lines()).setup("fit")


class Tried:
    """Plays as it is told to, before an adaptation and after each step."""

    def __init__(self, *plays: Played) -> None:
        self.told = plays

    def plays(self, environments):
        return iter(self.told)


def record(*plays: Played):
    view = EnvView(Walks(), test_tasks=1)
    (batch,) = view.test_dataloader()
    (found,) = EnvView.measure(Tried(*plays), batch, Place("test", 0, 0), view)
    (own,) = found.records
    assert own.pop("seconds") >= 0 and own.pop("cpu_seconds") >= 0
    return found.values, own


def test_a_record_tells_what_was_played_and_what_an_adaptation_took():
    once = Played([(1.0, 4), (3.0, 6)])
    values, own = record(once)
    assert values == {"return": 2.0, "length": 5.0}
    told = {"episode": 0, "return": 2.0, "length": 5.0, "env_steps": 10, "returns": [1.0, 3.0]}
    assert own == {**told, "gradient_steps": 0}
    values, own = record(
        Played([(-8.0, 5)]),
        Played([(0.0, 2)], 30, 1),
        once._replace(env_steps=50, gradient_steps=2),
    )
    assert values == {"return": 2.0, "length": 5.0, "return_before": -8.0}
    assert own == {
        **told,
        "gradient_steps": 2,
        "adapt_env_steps": 50,
        "return_before": -8.0,
        "return_by_step": [-8.0, 0.0, 2.0],
    }


def test_an_agent_learns_in_as_many_environments_as_said_and_not_where_it_is_judged():
    view = EnvView(Walks(), envs=3, test_episodes=2, test_tasks=1, vectorization="native")
    ((tested,),) = view.test_dataloader()
    assert tested.vectorization == "native"
    learned, judged = tested.places(), tested.judging()
    assert (len(learned), len(judged)) == (3, 2)
    seeds = [place.seed_of(episode) for place in (*learned, *judged) for episode in range(4)]
    assert len(set(seeds)) == 20
    assert [place.number for place in view.dataset("source")[4].places()] == [0, 1, 2]


def test_a_head_is_kept_or_new():
    with fails("head: 'old' is not one of kept, new"):
        EnvView(Walks(), head="old")
