"""Batches of a stream as functions of their index."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from late_tasks import LateFamily
from steps import epoch_of, shown
from tiny import Letters, keys

from tlml import StoredExamples, StreamView, TlmlError
from tlml.data import Part, Split


def test_what_is_on_the_disk_is_read_and_checked_batch_by_batch():
    rows: list[int] = []

    @dataclass(frozen=True)
    class Disk:
        count: int
        broken: bool

        def __len__(self) -> int:
            return self.count

        def __getitem__(self, index: Any) -> torch.Tensor:
            found = torch.arange(self.count)[index]
            rows.extend(found.tolist())
            x = torch.stack([found, found]).T.float()
            return torch.where(x == 7, torch.nan, x) if self.broken else x

    @dataclass(frozen=True)
    class Stored:
        name: str
        broken: bool

        def split(self, part: Part) -> StoredExamples:
            count = {"train": 9, "val": 0, "test": 5}[part]
            return StoredExamples(Disk(count, self.broken), torch.arange(count) % 3)

    class Family(LateFamily):
        broken = False

        def tasks(self, split: Split) -> Any:
            return [Stored(str(number), self.broken) for number in range(2)]

    for joint in (False, True):
        view = StreamView(Family(), batch_size=4, joint=joint)
        view.setup("fit")
        loader = view.train_dataloader()
        assert rows == []
        step = next(iter(loader))
        assert sorted(rows) == sorted(step.batch.x[:, 0].int().tolist())
        rows.clear()
        Family.broken = True
        with pytest.raises(TlmlError, match=r"the stream: x of 1 of \d examples is NaN"):
            list(StreamView(Family(), batch_size=4, joint=joint).train_dataloader())
        Family.broken = False
        rows.clear()


@pytest.mark.parametrize("joint", [False, True])
def test_loader_processes_make_tasks_of_their_own(joint):
    options = {"ways": 2, "batch_size": 4, "joint": joint, "order": "shuffled"}
    view, other = StreamView(Letters(), **options), StreamView(Letters(), num_workers=1, **options)
    alone = epoch_of(view, 1 - joint)
    assert len(pickle.dumps(view.train_dataloader().dataset)) < 3000
    assert [loader.num_workers for loader in other.val_dataloader()] == [0, 0, 0]
    for step, theirs in zip(alone, epoch_of(other, 1 - joint), strict=True):
        assert torch.equal(step.batch.x, theirs.batch.x)
        assert torch.equal(step.batch.y, theirs.batch.y)
        assert torch.equal(step.task, theirs.task)


def test_all_tasks_are_shuffled_into_one():
    stream = StreamView(Letters(), ways=2, batch_size=5, samples=7)
    joint = StreamView(Letters(), ways=2, batch_size=5, samples=7, joint=True, epochs=2)
    assert (joint.length, joint.number_of_tasks) == (2, 3)
    assert [joint.task_of(0), joint.task_of(1)] == [0, 0]
    one_by_one = [step for task in range(3) for step in epoch_of(stream, task)]
    first, second = (epoch_of(joint, epoch) for epoch in range(2))
    assert len(first) == len(one_by_one)
    own = {x: int(t) for s in one_by_one for x, t in zip(keys(s.batch.x), s.task, strict=True)}
    for steps in (first, second):
        assert sorted(shown(steps)) == sorted(own)
        found = {x: int(t) for s in steps for x, t in zip(keys(s.batch.x), s.task, strict=True)}
        assert found == own
        assert all((step.batch.y // 2 == step.task).all() for step in steps)
    assert shown(first) != shown(second)
    assert len(joint.val_dataloader()) == 3
