"""What all paths share: chunks, and how inner steps are differentiated."""

from __future__ import annotations

import pytest
import torch
from meta_gradients import waves

from tlml.meta.loop import LoopPath
from tlml.meta.path import split_tasks
from tlml.strategies.gradients import Adjoint, FirstOrder, SecondOrder


@pytest.mark.parametrize(("size", "sizes"), [(1, [1] * 5), (2, [2, 2, 1]), (5, [5]), (9, [5])])
def test_chunks_hold_every_task_once(size: int, sizes: list[int]) -> None:
    batch = waves(tasks=5)
    chunks = list(split_tasks(batch, size))
    assert [len(chunk.support.x) for chunk in chunks] == sizes
    for side in (0, 1):
        for part in (0, 1):
            whole = torch.cat([chunk[side][part] for chunk in chunks])
            assert torch.equal(whole, batch[side][part])


def loss(params: object, batch: object) -> torch.Tensor:
    return torch.zeros(())


def test_inner_steps_are_differentiated_as_memory_and_order_say() -> None:
    assert isinstance(LoopPath().differentiated(loss, first_order=False), SecondOrder)
    assert isinstance(LoopPath(memory="low").differentiated(loss, first_order=False), Adjoint)
    assert isinstance(LoopPath(memory="low").differentiated(loss, first_order=True), FirstOrder)
    with torch.no_grad():
        assert isinstance(LoopPath().differentiated(loss, first_order=False), FirstOrder)


def test_a_path_says_what_it_is_called_and_why() -> None:
    assert (LoopPath.name, LoopPath("as asked").why, LoopPath().tasks) == ("loop", "as asked", None)
