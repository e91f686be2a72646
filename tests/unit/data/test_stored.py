from __future__ import annotations

import pickle
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete

from tlml import Domain, EpisodeView, Examples, PairView, StoredExamples, StreamView, TlmlError
from tlml.data import SPLITS, examples
from tlml.data.stored import join_examples, part
from tlml.data.tasks import readable

SHOWN: list[int] = []


@dataclass(frozen=True)
class Numbers:
    """Inputs that are made when they are read: row i holds first + i."""

    first: int
    count: int

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        rows = torch.arange(self.first, self.first + self.count)[index]
        SHOWN.extend(rows.tolist())
        return torch.stack([rows, rows]).T.float()


@dataclass(frozen=True)
class Task:
    name: str
    first: int
    in_memory: bool

    def split(self, part):
        first, count = self.first + 100 * ("train", "val", "test").index(part), 30
        stored = StoredExamples(Numbers(first, count), torch.arange(count) % 3)
        return examples(stored) if self.in_memory else stored


class Family(Domain[Task]):
    def __init__(self, in_memory=False):
        self.x, self.y = Box(0, 10_000, (2,)), Discrete(3)
        self.in_memory = in_memory

    def tasks(self, split):
        start = 1000 * SPLITS.index(split)
        return [Task(f"{split} {i}", start + 300 * i, self.in_memory) for i in range(2)]


@pytest.fixture(autouse=True)
def shown():
    SHOWN.clear()
    return SHOWN


def same(one, other):
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    return len(one) == len(other) and all(map(same, one, other))


def loaders(view):
    view.setup("fit")
    found = [view.train_dataloader(), view.val_dataloader(), view.test_dataloader()]
    return [loader for own in found for loader in (own if isinstance(own, list) else [own])]


@pytest.mark.parametrize(
    ("view", "options"),
    [
        (PairView, {"batch_size": 7, "shots": 2, "queries": 4, "unlabelled": True}),
        (
            PairView,
            {
                "batch_size": 7,
                "balanced": True,
                "queries": 4,
                "transductive": True,
                "unlabelled": True,
            },
        ),
        (EpisodeView, {"shots": 2, "queries": 4, "episodes": 6}),
        (EpisodeView, {"ways": 2, "shots": 2, "queries": 4, "episodes": 6, "num_workers": 1}),
        (StreamView, {"batch_size": 7}),
    ],
    ids=str,
)
def test_batches_are_those_of_memory_to_the_bit(view, options):
    stored, memory = (view(Family(in_memory), **options) for in_memory in (False, True))
    for one, other in zip(loaders(stored), loaders(memory), strict=True):
        assert same(list(one), list(other))


def test_a_batch_and_an_episode_read_no_more_than_they_hold(shown):
    pairs = PairView(Family(), batch_size=7)
    pairs.setup("fit")
    loader = pairs.train_dataloader()
    assert shown == []
    pair = next(iter(loader))
    assert sorted(shown) == sorted(pair.source.x[:, 0].int().tolist())
    shown.clear()
    episode = EpisodeView(Family(), shots=2, queries=4).dataset("target")[0]
    assert sorted(shown) == sorted(torch.cat([b.x[:, 0] for b in episode]).int().tolist())


def test_joined_data_sets_are_read_in_any_order():
    stored = [StoredExamples(Numbers(0, 3), torch.zeros(3)), Examples(torch.full((2, 2), 7.0),
              torch.ones(2)), StoredExamples(Numbers(50, 4), torch.ones(4))]  # fmt: skip
    whole = join_examples(stored, "here")
    assert isinstance(whole, StoredExamples)
    expected = torch.tensor([0, 1, 2, 7, 7, 50, 51, 52, 53])
    assert torch.equal(whole.x[:][:, 0], expected)
    assert torch.equal(whole.y, torch.tensor([0.0] * 3 + [1.0] * 6))
    rows = torch.tensor([8, 3, 0, 8, 2])
    assert torch.equal(whole.x[rows][:, 0], expected[rows])
    assert torch.equal(whole.x[expected > 7][:, 0], expected[expected > 7])
    assert whole.x[rows[:0]].shape == (0, 2)
    some = part(whole, rows)
    assert len(some) == 5
    assert torch.equal(some.x[1:3][:, 0], expected[rows[1:3]])


def test_what_is_joined_in_memory_stays_there():
    parts = [Examples(torch.ones(2, 1), torch.ones(2)), Examples(torch.zeros(1, 1), torch.ones(1))]
    assert torch.equal(join_examples(parts, "here").x, torch.tensor([[1.0], [1.0], [0.0]]))


def test_joined_data_is_checked_as_it_is_read():
    bad = Examples(torch.tensor([[0.0], [np.nan]]), torch.zeros(2))
    whole = join_examples([bad, StoredExamples(Numbers(0, 2), torch.zeros(2))], "tasks of Broken")
    with pytest.raises(TlmlError, match=r"^tasks of Broken: x of 1 of 1 examples is NaN"):
        whole.x[torch.tensor([1])]


def test_items_are_single_examples():
    data = StoredExamples(Numbers(5, 4), torch.arange(4))
    x, y = data[2]
    assert (x.tolist(), int(y), len(data)) == ([7.0, 7.0], 2, 4)
    assert readable(data) is data
    assert torch.equal(examples(data).x[:, 0], torch.tensor([5.0, 6.0, 7.0, 8.0]))


def test_a_pair_views_loader_pickles_without_inputs():
    data = PairView(Family(), batch_size=7).train_dataloader().dataset
    assert len(pickle.dumps(data)) < 5000
