"""Environments as descriptions."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from tiny import Lines

from tlml import EnvView, TlmlError
from tlml.testing.toys import Walks


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
