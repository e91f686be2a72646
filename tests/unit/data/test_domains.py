"""Domains: pools of classes and families of tasks, divided into splits."""

from __future__ import annotations

import pytest
from drawn import seeds, splits
from hypothesis import given
from hypothesis import strategies as st
from refusals import fails
from tiny import Letters, keys

from tlml.data import (
    draw_episode,
    draw_task,
    keyed_rng,
)


@given(seeds, st.tuples(splits, splits).filter(lambda pair: pair[0] != pair[1]))
def test_splits_of_a_pool_share_no_class_and_no_sample(seed, pair):
    domain, found = Letters(), []
    for split in pair:
        rng = keyed_rng(seed, split, 0)
        task = draw_task(domain, split, rng, 5)
        episode = draw_episode(task, 2, 2, rng, 5)
        found.append((set(task.classes), {x for batch in episode for x in keys(batch.x)}))
    assert not found[0][0] & found[1][0]
    assert not found[0][1] & found[1][1]


@pytest.mark.parametrize("ways", [1, 7, 100])
def test_more_ways_than_classes_say_how_many_there_are(ways):
    with fails(
        f"ways: {ways} does not fit the source classes of Letters: there are 6, and at least 2 are "
        "needed"
    ):
        draw_task(Letters(), "source", keyed_rng(0, "source", 0), ways)
