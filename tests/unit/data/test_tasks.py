"""Tasks and their data sets, in memory and on the disk."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import Table, Tables

from tlml import Batch, Examples
from tlml.data import (
    draw_episode,
    keyed_rng,
)


@settings(max_examples=20)
@given(st.integers(1, 3), st.integers(1, 3))
def test_examples_read_item_by_item_give_the_same_episode(shots, queries):
    class Slow(torch.utils.data.Dataset):
        def __init__(self, held):
            self.held = held

        def __len__(self):
            return len(self.held)

        def __getitem__(self, index):
            return Batch(self.held.x[index], self.held.y[index])

    class Slowly(Table):
        def split(self, part):
            return Slow(Table.split(self, part))

    table = Tables().tasks("source")[0]
    slow = Slowly(table.name, table.x, table.y, table.train)
    assert not isinstance(slow.split("train"), Examples)
    first, second = (
        draw_episode(task, shots, queries, keyed_rng(3, "source", 0)) for task in (table, slow)
    )
    assert torch.equal(first.support.x, second.support.x)
    assert torch.equal(first.query.y, second.query.y)
