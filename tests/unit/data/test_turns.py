"""Whose turn an episode is, and that an episode is a function of (seed, split, number)."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from drawn import seeds
from hypothesis import given
from hypothesis import strategies as st
from tiny import Letters, Lines, Tables, keys, same

from tlml import EpisodeView, PairView
from tlml.data import draw_episode, draw_task, keyed_rng
from tlml.data.turns import ALL_CLASSES, FEW_TASKS, NumberedEpisodes
from tlml.metrics.intervals import LEAST_UNITS

ONE_POOL = {"source": [9] * 4, "validation": [9] * 3, "target": [9] * 3}
later = st.sampled_from(["validation", "target"])


def numbered(domain: Any, seed: int = 0, split: Any = "target", **asked: Any) -> NumberedEpisodes:
    counts = {"ways": None, "shots": 2, "queries": 3, **asked}
    return NumberedEpisodes(domain, split, seed=seed, **counts)


@given(seeds, later, st.integers(1, 12), st.integers(0, 3))
def test_as_many_episodes_as_tasks_meet_all_of_them(seed, split, tasks, rounds):
    episodes = numbered(Tables(number=tasks), seed, split)
    first = [episodes.turn(rounds * tasks + i).task for i in range(tasks)]
    assert sorted(first) == sorted(f"{split} {n}" for n in range(tasks))
    for i in range(tasks):
        drawn = episodes[rounds * tasks + i]
        assert drawn.task.name == first[i]


@given(seeds, st.integers(1, 4), st.integers(0, 3), st.integers(1, 4), st.booleans())
def test_queries_of_few_tasks_are_disjoint_until_parts_run_out(seed, tasks, shots, queries, tested):
    domain = Tables(number=tasks, train=20, test=15 if tested else 0)
    episodes = numbered(domain, seed, shots=shots, queries=queries)
    parts = (15 if tested else 20) // queries
    seen: dict[str, list[tuple[float, ...]]] = {}
    for number in range(tasks * parts):
        turn, drawn = episodes.turn(number), episodes[number]
        assert (turn.part, turn.parts) == (number // tasks, parts)
        support, query = keys(drawn.episode.support.x), keys(drawn.episode.query.x)
        assert (len(support), len(query)) == (shots, queries)
        assert not set(support) & set(query)
        seen.setdefault(turn.task, []).extend(query)
    assert all(len(set(own)) == len(own) == parts * queries for own in seen.values())
    assert episodes.turn(tasks * parts).part == 0


@given(seeds, st.integers(1, 3), st.integers(1, 3))
def test_parts_of_classes_hold_each_class(seed, shots, queries):
    domains: list[Any] = [
        Tables(classes=3, number=2, train=30), Tables(classes=3, number=2, train=12, test=30),
        Letters(ONE_POOL),
    ]  # fmt: skip
    for domain in domains:
        ways = 3 if isinstance(domain, Letters) else None
        episodes = numbered(domain, seed, ways=ways, shots=shots, queries=queries)
        tasks = 1 if ways else 2
        seen = Counter(
            example
            for number in range(tasks * episodes.turn(0).parts)
            for example in keys(episodes[number].episode.query.x)
        )
        assert set(seen.values()) == {1}
        support, query = episodes[0].episode
        assert torch.bincount(query.y).tolist() == [queries] * 3
        assert torch.bincount(support.y).tolist() == [shots] * 3
        assert not set(keys(support.x)) & set(keys(query.x))


def test_a_pool_is_one_task_where_an_episode_has_all_its_classes():
    assert numbered(Letters(ONE_POOL), ways=3).turn(4)[:3] == (ALL_CLASSES, 1, 3)
    assert numbered(Letters(ONE_POOL), ways=2).turn(4) is None
    assert numbered(Letters(ONE_POOL), ways=(2, 3)).turn(4) is None
    assert numbered(Letters({**ONE_POOL, "target": [9] * 5})).turn(0)[:3] == (ALL_CLASSES, 0, 3)
    assert numbered(Lines()).turn(4) is None


def test_labels_of_all_classes_are_still_drawn_anew():
    drawn = [numbered(Letters(ONE_POOL), ways=3)[i].task.classes for i in range(20)]
    assert len(set(drawn)) > 3


@pytest.mark.parametrize("domain", [Letters(), Lines(), Tables(number=3), Tables(number=9)])
def test_source_tasks_are_drawn_as_ever(domain):
    ways = 3 if isinstance(domain, Letters) else None
    for number in range(6):
        rng = keyed_rng(7, "source", number)
        expected = draw_episode(draw_task(domain, "source", rng, ways), 2, 3, rng, ways)
        assert same(numbered(domain, 7, "source", ways=ways)[number].episode, expected)
        assert numbered(domain, 7, "source", ways=ways).turn(number) is None


def test_endless_tasks_of_a_short_list_have_a_part_for_each_visit():
    class Two(Lines):
        draw = Tables.draw

        def tasks(self, split):
            return [Lines().draw(split, keyed_rng(0, split, n)) for n in range(2)]

    episodes = numbered(Two())
    assert [episodes.turn(i)[1:3] for i in range(6)] == [(n // 2, None) for n in range(6)]
    assert not same(episodes[0].episode, episodes[2].episode)


def test_tasks_of_one_name_are_told_apart():
    class Alike(Tables):
        def _table(self, split, number):
            made = super()._table(split, number)
            return type(made)("same" if number < 2 else "other", *list(vars(made).values())[1:])

    turns = [numbered(Alike(number=5)).turn(i).task for i in range(5)]
    assert sorted(turns) == ["other (2)", "other (3)", "other (4)", "same (0)", "same (1)"]


@given(seeds, st.integers(0, 30), st.booleans(), st.integers(1, 9))
def test_views_of_pairs_and_of_episodes_meet_the_same_episode(seed, number, tested, tasks):
    domain = Tables(number=tasks, train=12, test=9 if tested else 0)
    view = PairView(domain, shots=2, queries=3, episode=number, episode_seed=seed)
    drawn = view.drawn()
    assert same(
        drawn.episode, EpisodeView(domain, shots=2, queries=3, seed=seed).dataset("target")[number]
    )
    assert drawn.task.name == EpisodeView(domain, queries=3, seed=seed).turn(number).task


def test_queries_of_a_series_are_runs_in_the_order_of_time():
    domain = Tables(number=1, train=20, test=23)
    domain.blocks = 2
    (task,) = domain.tasks("target")
    place = {key: number for number, key in enumerate(keys(task.split("test").x))}
    for number, first in enumerate([0, 5, 11, 17]):
        query = numbered(domain, queries=5)[number].episode.query
        assert [place[key] for key in keys(query.x)] == list(range(first, first + 5))


def test_queries_of_classes_in_time_are_in_its_order():
    domain = Tables(classes=2, number=1, train=20, test=24)
    domain.blocks = 2
    (task,) = domain.tasks("target")
    place = {key: number for number, key in enumerate(keys(task.split("test").x))}
    query = numbered(domain, queries=4)[1].episode.query
    assert [place[key] for key in keys(query.x)] == list(range(8, 16))


def test_blocks_change_nothing_where_tasks_are_enough():
    plain, blocked = Tables(number=5), Tables(number=5)
    blocked.blocks = 2
    assert same(numbered(plain)[3].episode, numbered(blocked)[3].episode)


def test_tasks_are_few_where_they_are_too_few_for_an_interval() -> None:
    assert FEW_TASKS == LEAST_UNITS  # reports take tasks for units from the number that turns do
