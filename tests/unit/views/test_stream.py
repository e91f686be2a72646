"""Streams: several epochs, drawn orders, tasks that are made late, told tasks, all tasks as one."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from late_tasks import LateFamily
from tiny import Letters, Tables, keys

from tlml import PairView, StoredExamples, StreamView, TlmlError
from tlml.data import Part, Split


def epoch_of(view: StreamView, epoch: int) -> list[Any]:
    loader = view.train_dataloader()
    loader.sampler.set_epoch(epoch)
    return list(loader)


def shown(steps: list[Any]) -> list[tuple[float, ...]]:
    return [x for step in steps for x in keys(step.batch.x)]


# Epochs


def test_each_epoch_of_a_task_shows_all_its_examples_in_another_order():
    view = StreamView(Tables(classes=3, number=3, test=3), batch_size=5, epochs=4)
    assert (view.length, view.number_of_tasks) == (12, 3)
    assert [view.task_of(epoch) for epoch in range(12)] == [0] * 4 + [1] * 4 + [2] * 4
    for task in range(3):
        epochs = [epoch_of(view, epoch) for epoch in range(4 * task, 4 * task + 4)]
        assert all((step.task == task).all() for steps in epochs for step in steps)
        orders = [shown(steps) for steps in epochs]
        own = keys(view.learned_from(task).x)
        assert orders[0] == own
        assert all(sorted(order) == sorted(own) for order in orders)
        assert len({tuple(order) for order in orders}) == 4


def test_the_first_epoch_is_that_of_a_stream_of_one_epoch_a_task():
    once, often = (StreamView(Letters(), ways=2, samples=7, epochs=e) for e in (1, 3))
    for task in range(3):
        assert shown(epoch_of(once, task)) == shown(epoch_of(often, 3 * task))


# Orders


def places(view: StreamView, tables: Tables) -> list[int]:
    """Return which table each task of a stream is."""
    known = [sorted(keys(task.split("train").x)) for task in tables.tasks("source")]
    return [known.index(sorted(keys(view.stream()[t][0].x))) for t in range(view.number_of_tasks)]


def test_the_order_of_tasks_is_drawn_by_the_seed():
    tables = Tables(number=6, test=2)
    assert places(StreamView(tables, seed=3), tables) == list(range(6))
    drawn = [places(StreamView(tables, order="shuffled", seed=s), tables) for s in (0, 0, 1, 2)]
    assert drawn[0] == drawn[1]
    assert all(sorted(order) == list(range(6)) for order in drawn)
    assert len({tuple(order) for order in drawn}) == 3
    assert places(StreamView(tables, order="shuffled", tasks=2), tables) == drawn[0][:2]


def test_the_classes_of_a_pool_are_divided_in_an_order_drawn_by_the_seed():
    pool = {name: set(keys(x)) for name, x in Letters().classes("source").items()}

    def classes(seed: int) -> list[str]:
        view = StreamView(Letters(), ways=2, order="shuffled", seed=seed)
        assert view.spaces.labels == "stream"
        found = {}
        for task, (train, test) in enumerate(view.stream()):
            for data in (train, test):
                assert set(data.y.tolist()) <= set(view.classes_of(task))
                for x, y in zip(keys(data.x), data.y.tolist(), strict=True):
                    found.setdefault(y, set()).add(x)
        assert sorted(found) == list(range(6))
        return [next(name for name, own in pool.items() if own == found[y]) for y in range(6)]

    orders = [classes(seed) for seed in (0, 0, 1, 2)]
    assert orders[0] == orders[1]
    assert all(sorted(order) == sorted(pool) for order in orders)
    assert len({tuple(order) for order in orders}) == 3


def test_labels_of_a_drawn_order_are_not_those_of_the_pool():
    pairs = PairView(Letters()).spaces
    assert pairs.same_labels(StreamView(Letters(), ways=2).spaces)
    assert not pairs.same_labels(StreamView(Letters(), ways=2, order="shuffled").spaces)


# Tasks that are made late


def test_a_long_stream_is_never_in_memory_together():
    domain = LateFamily(number=100)
    view = StreamView(domain, batch_size=12, order="shuffled")
    loader = view.train_dataloader()
    for epoch in range(100):
        loader.sampler.set_epoch(epoch)
        assert sum(len(step.task) for step in loader) == 12
    for judged in view.val_dataloader():
        assert sum(len(step.task) for step in judged) == 6
    assert domain.watched.most == 2
    assert len(domain.watched.calls) == 100 * (2 + 1 + 1)


def test_bad_data_is_found_before_the_first_batch():
    class Broken(Tables):
        def tasks(self, split):
            tables = super().tasks(split)
            tables[2].x[3] = np.nan
            return tables

    with pytest.raises(TlmlError, match=r"^task 2 of the stream: x of 1 of 12 examples is NaN"):
        StreamView(Broken(test=2)).setup("fit")


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


# Scenarios


def test_scores_are_masked_to_the_classes_of_a_task_that_is_told():
    view = StreamView(Letters(), ways=2, scenario="task")
    scores = torch.arange(12.0).reshape(2, 6)
    inf = torch.inf
    assert view.masked(scores, 1).tolist() == [
        [-inf, -inf, 2, 3, -inf, -inf], [-inf, -inf, 8, 9, -inf, -inf],
    ]  # fmt: skip
    assert view.masked(scores, torch.tensor([0, 2])).tolist() == [
        [0, 1, -inf, -inf, -inf, -inf], [-inf, -inf, -inf, -inf, 10, 11],
    ]  # fmt: skip
    assert view.classes_of(1) == range(2, 4)
    untold = StreamView(Letters(), ways=2)
    assert untold.masked(scores, 1) is scores
    assert StreamView(Tables(classes=4)).classes_of(2) == range(4)


# All tasks as one


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


# What is refused


@pytest.mark.parametrize(
    ("domain", "options", "message"),
    [
        (Letters(), {"epochs": 0}, "epochs: must be greater than 0, is 0"),
        (Letters(), {"order": "random"}, "order: 'random' is not one of domain, shuffled"),
        (Letters(), {"scenario": "class"}, "scenario: 'class' is not one of task"),
        (
            Tables(classes=3),
            {"scenario": "task"},
            "scenario: 'task' limits predictions to the classes of a task, and all tasks of Tables "
            "have the same ones; leave it out, or take a pool of classes",
        ),
    ],
)
def test_options_out_of_range_are_refused(domain, options, message):
    with pytest.raises(TlmlError) as caught:
        StreamView(domain, **options)
    assert str(caught.value) == message


def test_values_have_no_classes():
    with pytest.raises(TlmlError, match="classes_of: the targets of Tables are values"):
        StreamView(Tables()).classes_of(0)


def test_a_stream_has_no_task_beyond_its_last():
    view = StreamView(Tables(number=2, test=2))
    with pytest.raises(IndexError, match="task 2 of a stream of 2 tasks"):
        view.stream()[2]
    assert len(view.stream()[:1]) == 1
    assert torch.equal(view.stream()[-1][0].x, view.stream()[1][0].x)
