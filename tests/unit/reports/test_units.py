"""What is paired, what is resampled, and how that is said."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlml.reports.units import Crossed, Division, Scored, about, basis, crossed

EPISODES = [*range(6)]


def scored(seed: int = 0, **more: object) -> Scored:
    return Scored.of_row({"seed": seed, "units": EPISODES, "scores": [0.1, 0.3, 0.5] * 2, **more})


def test_units_are_the_protocols_own_where_no_task_is_told() -> None:
    division = Division.of([scored()], "episode")
    assert (division, division.named(scored())) == (Division("episode"), EPISODES)
    assert about(division) == ""
    assert Division.of([], "episode") == Division("episode")
    told = scored(tasks=["a"] * 6)
    assert Division.of([told, scored()], "episode") == Division("episode")


def test_tasks_are_the_units_where_they_repeat() -> None:
    one = scored(tasks=["a", "b", "c", "d", "e", "a"])
    division = Division.of([one], "episode")
    table = crossed([one, one._replace(seed=1)], division)
    assert division == Division("task")
    assert table.units == ["a", "b", "c", "d", "e"]
    assert table.scores[0, "a"] == pytest.approx((0.1 + 0.5) / 2)  # its two episodes
    assert table.mean == pytest.approx((0.3 + 0.3 + 0.5 + 0.1 + 0.3) / 5)
    assert basis(table, division) == "intervals over 5 tasks and 2 training seeds"


def test_parts_are_the_units_of_few_tasks() -> None:
    one = scored(tasks=["a"] * 6, parts=[0, 1, 2, 3, 4, 0])
    division = Division.of([one], "episode")
    table = crossed([one], division)
    assert about(division) == "about 1 task"
    assert basis(table, division) == "intervals over 5 parts"
    assert table.scores[0, "a/0"] == pytest.approx(0.3)
    assert table.interval().known


def test_evaluation_seeds_are_the_units_of_few_tasks_of_agents() -> None:
    one = scored(units=["a/0", "a/1", "a/2", "b/0", "b/1", "b/2"], tasks=["a"] * 3 + ["b"] * 3)
    division = Division.of([one], "pair")
    assert about(division) == "about 2 tasks"
    assert basis(crossed([one], division), division) == "intervals over 6 pairs"


@given(st.integers(1, 9), st.integers(1, 3))
def test_fewer_than_five_units_have_no_interval(units: int, seeds: int) -> None:
    scores = {(s, u): float(u + s) for s in range(seeds) for u in range(units)}
    found = Crossed(scores)
    assert found.interval().known is (units >= 5)
    assert ("no intervals" in basis(found, Division("episode"))) is (units < 5)


def test_seeds_that_met_other_units_have_no_interval() -> None:
    scores = {(0, unit): 0.5 for unit in range(6)} | {(1, unit): 0.5 for unit in range(5)}
    assert Crossed(scores).mean == pytest.approx(0.5)
    assert not Crossed(scores).interval().known


def test_units_are_in_the_order_of_numbers_and_then_of_words() -> None:
    assert Crossed({(0, unit): 1.0 for unit in ("b", 10, 2, "a")}).units == [2, 10, "a", "b"]


def series(seed: int, shift: float, blocks: int) -> Scored:
    draws = np.random.default_rng(0).normal(size=400) + shift
    return Scored(seed, [0], [shift], ["a"], [0], [blocks], [draws.tolist()])


def test_blocks_are_resampled_where_draws_were_kept() -> None:
    division = Division.of([series(0, 0.0, 6)], "episode")
    table = crossed([series(0, 0.0, 6), series(1, 1.0, 6)], division)
    assert basis(table, division) == "intervals over 6 blocks and 2 training seeds"
    alone = crossed([series(0, 0.0, 6)], division)
    stretched = 1.96 * np.sqrt(6 / 5)
    assert alone.interval().high == pytest.approx(stretched, abs=0.25)
    difference = crossed([series(0, 0.5, 6)], division).minus(alone)
    assert difference is not None
    paired = difference.interval()
    assert [paired.mean, paired.low, paired.high] == pytest.approx([0.5] * 3)


def test_fewer_than_five_blocks_have_no_interval() -> None:
    division = Division.of([series(0, 0.0, 4)], "episode")
    table = crossed([series(0, 0.0, 4)], division)
    assert not table.interval().known
    assert basis(table, division) == "4 blocks: no intervals"
    assert about(division) == "about 1 task"


def test_episodes_of_the_same_part_share_its_draws() -> None:
    one = series(0, 0.0, 6)
    twice = Scored(0, [0, 1], [0.0, 2.0], ["a"] * 2, [0] * 2, [6] * 2, [one.resampled[0]] * 2)
    division = Division.of([one], "episode")
    table = crossed([twice], division)
    assert table.number == 6
    assert table.scores == {(0, "a/0"): 1.0}
    assert table.interval().known


def test_draws_of_other_numbers_are_not_compared() -> None:
    short = series(0, 0.5, 6)._replace(resampled=[[0.5] * 9])
    division = Division.of([short], "episode")
    difference = crossed([short], division).minus(crossed([series(0, 0.0, 6)], division))
    assert difference is not None and not difference.draws
    assert crossed([short, series(1, 0.0, 6)], division).draws == {}


def test_what_has_nothing_in_common_has_no_difference() -> None:
    assert Crossed({(0, 0): 1.0}).minus(Crossed({(1, 0): 1.0})) is None


def slow_mean(table: Crossed) -> float:
    """The definition, a unit at a time."""
    own = [[score for (_, one), score in table.scores.items() if one == u] for u in table.units]
    return float(np.mean([np.mean(scores) for scores in own]))


@given(st.integers(1, 6), st.integers(1, 40), st.integers(0, 99))
def test_the_mean_of_a_table_is_that_of_its_units_to_the_last_digit(
    units: int, seeds: int, drawn: int
) -> None:
    rng = np.random.default_rng(drawn)
    scores = {(seed, unit): float(rng.normal()) for seed in range(seeds) for unit in range(units)}
    assert Crossed(scores).mean == slow_mean(Crossed(scores))
    if seeds > 1:
        del scores[0, 0]  # a seed that did not meet a unit
        assert Crossed(scores).mean == slow_mean(Crossed(scores))


@given(st.lists(st.floats(-1e3, 1e3), min_size=12, max_size=12))
def test_scores_and_differences_are_numpys_to_the_last_digit(drawn: list[float]) -> None:
    tasks, division = ["a", "b", "c", "d", "e", "a"], Division("task")
    one, other = (
        crossed([scored(tasks=tasks, scores=own)], division) for own in (drawn[:6], drawn[6:])
    )
    assert one.scores[0, "a"] == np.mean([drawn[0], drawn[5]])
    assert [one.scores[0, task] for task in "bcde"] == [np.mean([x]) for x in drawn[1:5]]
    found = one.minus(other)
    assert found is not None
    assert found.scores == {k: np.subtract(one.scores[k], other.scores[k]) for k in one.scores}


def test_two_infinities_have_no_difference() -> None:
    one = Crossed({(0, 0): float("inf"), (0, 1): 1.0})
    found = one.minus(one)
    assert found is not None
    assert np.isnan(found.scores[0, 0])
    assert found.scores[0, 1] == 0.0
