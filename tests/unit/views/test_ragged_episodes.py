"""Episodes as a view draws them."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from gymnasium.spaces import Discrete
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import fails
from tiny import Letters, Lines, Tables, keys, same

from tlml import Episode, Episodes, EpisodeView, PairView, TlmlError
from tlml.data import tasks_of

few = settings(max_examples=30, deadline=None)


def ranges(low: int, high: int) -> st.SearchStrategy[list[int]]:
    return st.tuples(st.integers(low, high), st.integers(low, high)).map(sorted)  # type: ignore[arg-type]


@few
@given(ranges(2, 6), ranges(1, 4), ranges(1, 4), st.integers(0, 2**32), st.integers(0, 2**32))
def test_episodes_of_a_pool_stay_in_their_ranges(
    ways: list[int], shots: list[int], queries: list[int], seed: int, index: int
) -> None:
    options: Any = {"ways": ways, "shots": shots, "queries": queries, "seed": seed}
    episode, again = (EpisodeView(Letters(), **options).dataset("source")[index] for _ in range(2))
    assert same(episode, again)
    drawn = len(episode.support.y.unique())
    assert ways[0] <= drawn <= ways[1]
    for batch, (low, high) in ((episode.support, shots), (episode.query, queries)):
        assert batch.y.unique().tolist() == list(range(drawn))
        assert all(low <= count <= high for count in torch.bincount(batch.y).tolist())
    seen = keys(episode.support.x) + keys(episode.query.x)
    assert len(set(seen)) == len(seen)


@few
@given(st.booleans(), ranges(2, 4), ranges(1, 3), ranges(1, 3), st.integers(0, 2**32))
def test_episodes_of_labelled_tables_stay_in_their_ranges(
    parts: bool, ways: list[int], shots: list[int], queries: list[int], index: int
) -> None:
    domain = Tables(classes=4, train=24, test=12 if parts else 0)
    view = EpisodeView(domain, ways=ways, shots=shots, queries=queries)
    support, query = view.dataset("target")[index]
    drawn = len(support.y.unique())
    assert ways[0] <= drawn <= ways[1]
    assert support.y.unique().tolist() == query.y.unique().tolist() == list(range(drawn))
    assert all(shots[0] <= n <= shots[1] for n in torch.bincount(support.y).tolist())
    assert all(queries[0] <= n <= queries[1] for n in torch.bincount(query.y).tolist())
    assert not set(keys(support.x)) & set(keys(query.x))


@few
@given(st.booleans(), ranges(1, 5), ranges(1, 5), st.integers(0, 2**32))
def test_values_have_one_number_for_the_episode(
    endless: bool, shots: list[int], queries: list[int], index: int
) -> None:
    view = EpisodeView(Lines() if endless else Tables(), shots=shots, queries=queries)
    support, query = view.dataset("source")[index]
    assert shots[0] <= len(support.y) <= shots[1]
    assert queries[0] <= len(query.y) <= queries[1]
    assert not set(keys(support.x)) & set(keys(query.x))


def test_all_of_a_range_is_drawn_and_classes_differ() -> None:
    view = EpisodeView(Letters(), ways=[2, 5], shots=[1, 3], queries=1)
    tasks = [view.dataset("source")[i] for i in range(60)]
    assert {len(task.support.y.unique()) for task in tasks} == {2, 3, 4, 5}
    counts = [torch.bincount(task.support.y).tolist() for task in tasks]
    assert {n for some in counts for n in some} == {1, 2, 3}
    assert any(len(set(some)) > 1 for some in counts)


def test_a_range_of_one_draws_in_range_like_a_number() -> None:
    one = EpisodeView(Letters(), ways=3, shots=2, queries=4)
    other = EpisodeView(Letters(), ways=[3, 3], shots=[2, 2], queries=[4, 4])
    for view in (one, other):
        batch = next(iter(view.train_dataloader()))
        assert isinstance(batch, Episode) and batch.support.x.shape == (4, 6, 2)
    assert one.spaces == other.spaces


@pytest.mark.parametrize("workers", [0, 2])
def test_tasks_that_differ_in_size_come_apart(workers: int) -> None:
    view = EpisodeView(Letters(), ways=[2, 4], shots=[1, 4], queries=2, num_workers=workers)
    batch = next(iter(view.train_dataloader()))
    assert isinstance(batch, Episodes) and len(batch.tasks) == 4
    for i, task in enumerate(tasks_of(batch)):
        assert same(task, view.dataset("source")[i])


@pytest.mark.parametrize(
    ("domain", "ways", "classes"),
    [(Letters(), [2, 4], 4), (Letters(), None, 5), (Tables(classes=4), [2, 3], 3),
     (Tables(classes=4), None, 4)],
)  # fmt: skip
def test_spaces_have_the_most_ways(domain: Any, ways: Any, classes: int) -> None:
    view = EpisodeView(domain, ways=ways)
    assert view.spaces.y == view.test_spaces.y == Discrete(classes)
    if ways is not None:
        assert view.spaces.labels == "episode"


@pytest.mark.parametrize("domain", [Letters(), Tables(classes=4, train=40), Lines()])
def test_a_pair_view_draws_the_same_ragged_target_episode(domain: Any) -> None:
    options: Any = {"shots": [1, 4], "queries": [2, 4], "seed": 4}
    options |= {} if isinstance(domain, Lines) else {"ways": [2, 4]}
    view = PairView(domain, **options, episode=3)
    assert same(view.drawn().episode, EpisodeView(domain, **options).dataset("target")[3])
    assert view.target_spaces == EpisodeView(domain, **options).test_spaces


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ways": 1}, "ways: must be at least 2, is 1"),
        ({"ways": [1, 3]}, "ways: must be at least 2, is 1"),
        ({"ways": [4, 3]}, "ways: [4, 3] has its lower end above its upper end"),
        ({"queries": [0, 3]}, "queries: must be greater than 0, is 0"),
        ({"shots": "5"}, "shots: must be a whole number, a pair [low, high] of them, a share such "
                         "as 0.1, or all, is 5"),
        ({"ways": [2, 7]}, "ways: 7 does not fit the source classes of Letters: there are 6, and "
                           "at least 2 are needed"),
        ({"shots": [1, 6], "queries": [1, 3]},
         "class 'source 0' of Letters has 8 examples; 6 shots and 3 queries are more"),
    ],
)  # fmt: skip
def test_ranges_that_do_not_fit_are_refused_before_the_fit(
    options: dict[str, Any], message: str
) -> None:
    with fails(message):
        EpisodeView(Letters(), **{"shots": 1, "queries": 1, **options}).setup("fit")


def test_a_small_class_is_named_though_the_first_episode_lacks_it() -> None:
    domain = Letters({"source": [8] * 20 + [3], "validation": [8] * 5, "target": [8] * 5})
    with fails("class 'source 20' of Letters has 3 examples; 2 shots and 3 queries are more"):
        EpisodeView(domain, ways=2, shots=[1, 2], queries=3).setup("fit")


def test_ways_of_a_range_are_held_against_the_classes_of_a_table() -> None:
    with fails("ways=5, but Tables has only 4 classes"):
        EpisodeView(Tables(classes=4), ways=[2, 5])
    with fails("task source 0: class 0 has 2 examples; 4 shots and 3 queries are more"):
        EpisodeView(Tables(classes=6, number=1), shots=[1, 4], queries=[1, 3]).setup("fit")


@few
@given(
    st.sampled_from(["all", 0.5, 0.1, 2]), st.sampled_from(["all", 0.5, 0.1, 2]),
    st.sampled_from([0, 9]), st.integers(0, 2**32),
)  # fmt: skip
def test_all_and_shares_are_of_the_examples_of_each_class_or_of_the_task(
    shots: Any, queries: Any, test: int, index: int
) -> None:
    if shots == queries == "all" and not test:
        return
    for classes in (0, 3):
        view = EpisodeView(Tables(classes, train=24, test=test), shots=shots, queries=queries)
        task = view.domain.tasks("target")[0]
        support, query = view.dataset("target")[index]
        of_support, of_query = task.split("train"), task.split("test" if test else "train")
        groups = max(classes, 1)
        near, far = len(support.y) // groups, len(query.y) // groups
        train, whole = len(of_support) // groups, len(of_query) // groups
        for value, taken, total, other in (
            (shots, near, train, far), (queries, far, whole, near)
        ):  # fmt: skip
            all_of = total if test else total - other
            share = max(round(value * total), 1) if isinstance(value, float) else value
            assert taken == (all_of if value == "all" else share)
        assert not set(keys(support.x)) & set(keys(query.x))
    pools = EpisodeView(Letters(), ways=3, shots=shots, queries=2).dataset("target")[index]
    each = {"all": 6, 0.5: 4, 0.1: 1, 2: 2}[shots]
    assert torch.bincount(pools.support.y).tolist() == [each] * 3


def test_tasks_of_different_sizes_come_apart_and_a_pair_view_draws_the_same() -> None:
    sizes = {"source": [8, 5, 7, 6], "validation": [4, 9], "target": [8, 6, 9]}
    view = EpisodeView(Letters(sizes), ways=2, shots="all", queries=1, tasks_per_batch=6)
    batch = next(iter(view.train_dataloader()))
    assert isinstance(batch, Episodes) and len({len(task.support.y) for task in batch.tasks}) > 1
    for domain in (Tables(3, train=24), Tables(0, train=24, test=9)):
        episodes = EpisodeView(domain, shots=0.25, queries="all")
        pair = PairView(domain, shots=0.25, queries="all", episode=4)
        assert same(pair.drawn().episode, episodes.dataset("target")[4])


@pytest.mark.parametrize(
    ("domain", "options", "message"),
    [
        (Letters(), {"ways": 2, "shots": "all", "queries": "all"},
         "shots and queries are both to be all of its examples, and it has no test part that "
         "queries could be from; take a number or a share for one of them"),
        (Tables(), {"shots": "all", "queries": "all"}, "and it has no test part"),
        (Lines(), {"shots": "all"}, "shots: all needs tasks that are data sets, and task slope"),
        (Lines(), {"queries": 0.1}, "queries: a share of 0.1 needs tasks that are data sets"),
        (Tables(), {"shots": "all", "queries": 99}, "1 shots and 99 queries are more"),
    ],
)  # fmt: skip
def test_all_and_shares_that_can_not_be_are_refused_in_setup(
    domain: Any, options: dict[str, Any], message: str
) -> None:
    for stage in ("fit", "test"):
        with pytest.raises(TlmlError, match=re.escape(message)) as caught:
            EpisodeView(domain, **options).setup(stage)
        assert "\n" not in str(caught.value)
