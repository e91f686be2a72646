"""Streams: several epochs, drawn orders, tasks that are made late, told tasks, all tasks as one."""

from __future__ import annotations

import pytest
import torch
from steps import epoch_of, shown
from tiny import Letters, Tables, keys

from tlml import StreamView, TlmlError


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
