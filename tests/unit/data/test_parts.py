"""Disjoint parts: they cover, share nothing, and hold as many examples as a query asks for."""

from __future__ import annotations

import numpy as np
import torch
from drawn import seeds
from hypothesis import given
from hypothesis import strategies as st
from tiny import Letters, Line, Tables

from tlml.data import Examples
from tlml.data.parts import (
    Cut,
    by_class,
    divided,
    following,
    is_ordered,
    number_of_parts,
    part_of,
)

numbers = st.integers(1, 40)


@given(seeds, numbers, st.integers(1, 9), st.booleans())
def test_parts_cover_the_examples_and_share_none(seed, total, parts, in_order):
    places = 3 * torch.arange(total)
    cuts = [Cut((seed, "target", 0), n, min(parts, total), in_order) for n in range(parts)]
    found = [cut.part(places, "a").places for cut in cuts[: min(parts, total)]]
    assert sorted(torch.cat(found).tolist()) == places.tolist()
    sizes = [len(own) for own in found]
    assert max(sizes) - min(sizes) <= 1


@given(seeds, st.integers(2, 40))
def test_classes_are_divided_by_themselves(seed, total):
    cut, places = Cut((seed, "target", 0), 0, 2), torch.arange(10 * total)
    same, again, other = (cut.part(places, name).places.tolist() for name in ("a", "a", "b"))
    assert same == again != other


def test_parts_of_a_series_are_runs():
    cut = Cut((0, "target", 0), 1, 3, in_order=True)
    assert cut.part(torch.arange(9), "").places.tolist() == [3, 4, 5]


@given(seeds, st.integers(1, 5), st.integers(1, 5), st.integers(0, 20), st.booleans())
def test_support_and_query_share_no_example_and_the_query_is_of_its_part(
    seed, shots, queries, more, in_order
):
    total = shots + queries + more
    own = torch.randperm(total, generator=torch.Generator().manual_seed(seed % 1000))
    parts = total // queries
    for number in range(parts):
        cut = Cut((seed, "target", 0), number, parts, in_order)
        may = part_of(cut, torch.arange(total))
        assert may is not None
        support, query = divided(own, None, shots, queries, may)
        assert (len(support), len(query)) == (shots, queries)
        assert not set(support.tolist()) & set(query.tolist())
        assert set(query.tolist()) <= set(may.places.tolist())
        if in_order:
            assert query.tolist() == sorted(query.tolist())


def test_without_a_cut_all_examples_may_be_queried():
    own = torch.tensor([4, 2, 0, 1, 3])
    assert part_of(None, own) is None
    support, query = divided(own, None, 2, 2, None)
    assert (support.tolist(), query.tolist()) == ([4, 2], [0, 1])
    support, query = divided(own, torch.tensor([1, 0]), 2, 2, None)
    assert (support.tolist(), query.tolist()) == ([4, 2], [1, 0])


def test_there_are_as_many_parts_as_disjoint_queries():
    (table,) = Tables(number=1, train=40).tasks("target")
    assert number_of_parts(table, 6) == 6  # of 40 examples
    assert number_of_parts(table, (2, 10)) == 4
    assert number_of_parts(table, 41) == 1
    (tested,) = Tables(number=1, train=40, test=9).tasks("target")
    assert number_of_parts(tested, 4) == 2  # of its test part
    (classes,) = Tables(classes=3, number=1, train=31).tasks("target")
    assert number_of_parts(classes, 2) == 5  # 10 examples of the rarest class
    (pool,) = Letters({"source": [8], "target": [9, 12]}).tasks("target")
    assert number_of_parts(pool, 4) == 2
    assert number_of_parts(Line("endless", 1.0), 4) is None


class InTime:
    name, ordered = "in time", True

    def __init__(self, train: int, test: int = 0) -> None:
        self.sizes = {"train": train, "val": 0, "test": test}

    def split(self, part):
        size = self.sizes[part]
        return Examples(torch.zeros(size, 1), torch.zeros(size, dtype=torch.int64))


@given(seeds, st.integers(0, 5), st.integers(1, 5), st.integers(0, 20))
def test_in_time_a_query_follows_its_support_and_parts_share_none(seed, shots, queries, more):
    total, rng = shots + queries + more, np.random.default_rng(seed)
    support, query = following(shots, queries, total, 0, None, rng)
    both = torch.cat([support, query])
    assert (len(support), len(query)) == (shots, queries)
    assert both.tolist() == list(range(int(both[0]), int(both[0]) + len(both)))
    parts = number_of_parts(InTime(total), queries, shots)
    cuts = [Cut((seed, "target", 0), number, parts) for number in range(parts)]
    found = [following(shots, queries, total, 0, cut, rng) for cut in cuts]
    asked = torch.cat([query for _, query in found]).tolist()
    assert len(set(asked)) == len(asked) == parts * queries
    for support, query in found:
        assert support.tolist() == list(range(int(query[0]) - shots, int(query[0])))


def test_in_time_a_query_of_a_part_of_its_own_follows_the_last_examples():
    rng = np.random.default_rng(0)
    support, query = following(2, 3, 10, 6, None, rng)
    assert (support.tolist(), query.tolist()) == ([8, 9], [0, 1, 2])
    second = Cut((0, "target", 0), 1, number_of_parts(InTime(10, 6), 3, 2))
    assert following(2, 3, 10, 6, second, rng)[1].tolist() == [3, 4, 5]


def test_what_is_in_time_is_not_divided_by_class():
    task = InTime(10)
    assert is_ordered(task) and not by_class(task, task.split("train"))
    assert not is_ordered(Line("a", 1.0))
    assert number_of_parts(task, 3, "all") == 1
