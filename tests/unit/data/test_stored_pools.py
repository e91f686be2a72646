from __future__ import annotations

import pickle

import image_data
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box
from tiny import Letters

import tlml
from tlml import ClassPool, PairView, TlmlError
from tlml.data import StoredExamples, check_data
from tlml.data.stored import pool_examples
from tlml_vision.readers.mini_imagenet import MiniImageNet


class InMemory(MiniImageNet):
    """The same images, all of them held as floats."""

    def samples(self, split):
        return {name: own[:] for name, own in super().samples(split).items()}


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("TLML_CACHE", str(tmp_path / "cache"))
    image_data.folders(tmp_path / "data", classes=3, each=9)
    return str(tmp_path / "data")


def batches(view):
    return [
        pair
        for loader in (view.train_dataloader(), view.val_dataloader(), view.test_dataloader())
        for pair in loader
    ]


def same(one, other):
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    return len(one) == len(other) and all(map(same, one, other))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"balanced": True, "augment": "flip", "seed": 3},
        {"shots": 2, "unlabelled": True, "held_out": 0.3},
        {"num_workers": 1},
    ],
    ids=str,
)
def test_batches_read_from_the_disk_are_those_of_memory_to_the_bit(root, options):
    disk, memory = (
        PairView(kind(root, size=8), batch_size=5, ways=3, queries=3, **options)
        for kind in (MiniImageNet, InMemory)
    )
    assert isinstance(disk._pool()[0], StoredExamples)
    assert not isinstance(memory._pool()[0], StoredExamples)
    assert same(batches(disk), batches(memory))
    one, other = disk.source_examples(), memory.source_examples()
    assert same([one.x, one.y], [other.x, other.y])


def test_a_batch_reads_its_own_images_and_no_others(root, monkeypatch):
    shown = image_data.reads(monkeypatch)
    view = PairView(MiniImageNet(root, size=8), batch_size=5)
    view.setup("fit")
    loader = view.train_dataloader()
    assert sum(shown) == 0
    next(iter(loader))
    assert sum(shown) == 5


def test_copies_for_workers_hold_no_image(root):
    whole = pool_examples(MiniImageNet(root, size=8), "source")
    expected = whole.x[:]
    pickled = pickle.dumps(whole)
    assert len(pickled) < 5000 < expected.numel()
    assert torch.equal(pickle.loads(pickled).x[:], expected)


def test_the_order_is_that_of_the_task_of_all_classes(root):
    domain = MiniImageNet(root, size=8)
    whole, task = pool_examples(domain, "source"), domain.tasks("source")[0].split("train")
    rows = torch.tensor([26, 0, 9, 9, 8])
    assert torch.equal(whole.x[rows], task.x[rows])
    assert torch.equal(whole.y, task.y)


def test_pools_in_memory_stay_as_they_are():
    assert isinstance(PairView(Letters()).source_examples(), tlml.Examples)
    assert not isinstance(PairView(Letters())._pool()[0], StoredExamples)


def test_data_on_the_disk_is_checked_as_it_is_read():
    class Reader:
        x = torch.tensor([[0.0], [float("nan")]])

        def __len__(self):
            return 2

        def __getitem__(self, index):
            return self.x[index]

    class Broken(ClassPool):
        x = Box(0.0, 1.0, (1,), np.float32)

        def classes(self, split):
            return {name: own[:] for name, own in self.samples(split).items()}

        def samples(self, split):
            return {f"{split} a": Reader(), f"{split} b": Reader()}

    check_data(Broken(), "source")
    whole = pool_examples(Broken(), "source")
    assert whole.x[torch.tensor([2, 0])].tolist() == [[0.0], [0.0]]
    with pytest.raises(TlmlError, match="source classes of Broken: x of 1 of 2 examples is NaN"):
        whole.x[torch.tensor([0, 3])]
