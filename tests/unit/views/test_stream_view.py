"""Streams of tasks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gymnasium.spaces import Discrete
from hypothesis import given
from hypothesis import strategies as st
from refusals import fails
from tiny import Letters, Lines, Tables, keys
from views import few, same, seeds

from tlml import StreamView, TlmlError
from tlml.views import ViewSpaces


def epochs_of(view: StreamView, count: int) -> list[list]:
    loader, found = view.train_dataloader(), []
    for epoch in range(count):
        loader.sampler.set_epoch(epoch)
        found.append(list(loader))
    return found


@few
@given(seeds, st.integers(1, 13))
def test_a_stream_shows_each_example_once_task_after_task(seed, batch_size):
    domain = Tables(classes=3, number=4, test=3)
    view = StreamView(domain, batch_size=batch_size, seed=seed)
    tasks = domain.tasks("source")
    for number, steps in enumerate(epochs_of(view, 4)):
        assert {t for step in steps for t in step.task.tolist()} == {number}
        seen = [x for step in steps for x in keys(step.batch.x)]
        assert sorted(seen) == sorted(keys(tasks[number].split("train").x))
        assert all(len(step.batch.x) == batch_size for step in steps[:-1])
        judged = list(view.val_dataloader()[number])
        assert sorted(x for step in judged for x in keys(step.batch.x)) == sorted(
            keys(tasks[number].split("test").x)
        )
        assert {t for step in judged for t in step.task.tolist()} == {number}


def test_the_order_within_a_task_is_keyed():
    first, again, other = (
        epochs_of(StreamView(Tables(test=2), batch_size=4, seed=seed), 3) for seed in (0, 0, 1)
    )
    assert same(first, again)
    assert not same(first, other)


def test_a_pool_is_divided_into_tasks_that_keep_their_labels():
    view = StreamView(Letters(), ways=2, batch_size=5)
    pool = Letters().classes("source")
    assert view.spaces == ViewSpaces(Letters().x, Discrete(6), "pool")
    for number, steps in enumerate(epochs_of(view, 3)):
        labels = torch.cat([step.batch.y for step in steps])
        assert set(labels.tolist()) <= {2 * number, 2 * number + 1}
        train = {x for step in steps for x in keys(step.batch.x)}
        judged = {x for step in view.val_dataloader()[number] for x in keys(step.batch.x)}
        own = {x for name in list(pool)[2 * number : 2 * number + 2] for x in keys(pool[name])}
        assert not train & judged
        assert train | judged == own


def test_classes_that_fill_no_task_are_left_out():
    view = StreamView(Letters(), ways=4)
    assert len(view.stream()) == 1
    assert view.spaces.y == Discrete(4)


@pytest.mark.parametrize("kind", ["tasks", "samples"])
def test_a_part_of_a_stream_can_be_taken(kind):
    view = StreamView(Tables(number=3, test=2), batch_size=4, **{kind: 2})
    steps = epochs_of(view, 2)
    assert len(view.stream()) == (2 if kind == "tasks" else 3)
    assert sum(len(step.task) for step in steps[0]) == (12 if kind == "tasks" else 2)


@pytest.mark.parametrize(
    ("domain", "options", "message"),
    [
        (Tables(), {"tasks": 4}, "tasks=4, but Tables has only 3 source tasks"),
        (Letters(), {"ways": 7}, "ways=7, but Letters has only 6 source classes"),
        (
            Tables(test=1),
            {"samples": 13},
            "samples=13, but the smallest task has only 12 examples",
        ),
        (Lines(), {}, "Lines has endless tasks: it has draw(), not tasks()"),
    ],
)
def test_streams_that_a_domain_hasnt_are_refused(domain, options, message):
    with fails(message):
        StreamView(domain, **options).train_dataloader()


def test_tasks_without_fixed_examples_are_no_stream():
    class Few(Lines):
        def tasks(self, split):
            return [self.draw(split, np.random.default_rng(0))]

    with pytest.raises(TlmlError, match=r"^task slope \S+: a stream needs tasks with split\(\)$"):
        StreamView(Few()).setup("fit")
