"""The numbers of a block, whatever its protocol's units are."""

from __future__ import annotations

from typing import Any

import pytest
from presented import EPISODES, STREAM
from result_folders import id_of

from tlml.reports.block import make_block, noun
from tlml.reports.entries import Entry, Place
from tlml.suites.results import PlannedAdapt, Record

PLACE = Place("glyphs", "stream", "tasks", 3)


def entry(method: str, scores: list[float] | None, seed: int = 0, **more: Any) -> Entry:
    cell = PlannedAdapt(
        id=id_of(f"{method}{seed}"), domain="glyphs", protocol="stream", point={"tasks": 3},
        seed=seed, method=method, fits=[],
    )  # fmt: skip
    record = None
    if scores is not None:
        fields = {"units": [*range(len(scores))], "metric": "accuracy", **more}
        record = Record(point={"tasks": 3}, higher_is_better=True, scores=scores, **fields)
    return Entry(cell, {"tasks": 3}, record)


def test_tasks_of_a_stream_are_paired_as_episodes_are() -> None:
    own = [
        entry("naive", [0.2, 0.5, 0.8, 0.5, 0.5], metrics={"BTI": -0.2}, cost={"fit_seconds": 1.0}),
        entry("naive", [0.4, 0.5, 0.6, 0.5, 0.5], 1, metrics={"BTI": -0.4}, cost={"steps": 4.0}),
        entry("er", [0.3, 0.6, 0.9, 0.6, 0.6]),
        entry("er", [0.5, 0.6, 0.7, 0.6, 0.6], seed=1),
        entry("er", None, seed=2),
    ]
    block = make_block(PLACE, own, ["naive", "er", "unplanned"], "naive", STREAM)
    assert block.basis == "intervals over 5 tasks and 2 training seeds"
    assert (block.protocol, block.point, block.said) == ("stream", {"tasks": 3}, "3 tasks")
    naive, er = block.rows
    assert naive.metrics == {"BTI": pytest.approx(-0.3)}
    assert naive.cost == {"fit_seconds": 1.0, "steps": 4.0}  # of the seeds that have it
    assert er.score is not None and er.difference is not None
    assert er.score.mean == pytest.approx(0.6)
    assert [er.difference.low, er.difference.high] == pytest.approx([0.1, 0.1])
    assert (er.best, er.seeds, er.notes) == (True, 2, ("missing: 1 of 3 seeds",))


def test_unequal_budgets_are_noted_where_they_differ() -> None:
    def notes(*choices: int) -> list[tuple[str, ...]]:
        own = [entry(f"m{n}", [0.5], choices=n) for n in choices]
        made = make_block(PLACE, own, [f"m{n}" for n in choices], "m0", EPISODES)
        return [row.notes for row in made.rows]

    assert notes(0, 4, 8) == [(), ("best of 4 choices",), ("best of 8 choices",)]
    assert notes(4) == [()]
    assert notes(0) == [()]


def test_what_diverged_is_counted_in_the_protocols_units() -> None:
    own = [entry("naive", [0.5, float("nan"), 0.5])]
    (row,) = make_block(PLACE, own, ["naive"], "naive", STREAM).rows
    assert row.notes == ("1 of 3 tasks diverged",)


@pytest.mark.parametrize(
    ("paired", "short"),
    [
        ("target episode", "episode"), ("task of the stream", "task"),
        ("target task and evaluation seed", "pair"),
    ],
)  # fmt: skip
def test_a_unit_has_a_short_name(paired: str, short: str) -> None:
    assert noun(paired) == short


def test_a_title_tells_the_seeds_of_whoever_has_most() -> None:
    scores = [0.1, 0.2, 0.3, 0.4, 0.5]
    own = [entry("a", scores), entry("b", scores), entry("b", scores, 1), entry("b", scores, 2)]
    block = make_block(PLACE, own, ["a", "b"], "a", STREAM)
    assert block.basis == "intervals over 5 tasks and 3 training seeds"


def test_a_row_of_few_blocks_says_blocks() -> None:
    def series(method: str, blocks: int) -> Entry:
        return entry(method, [0.5], tasks=["a"], parts=[0], blocks=[blocks],
                     resampled=[[0.1, 0.5, 0.9]])  # fmt: skip

    rows = make_block(PLACE, [series("a", 6), series("b", 4)], ["a", "b"], "a", EPISODES).rows
    assert [row.notes for row in rows] == [(), ("4 blocks: no interval",)]
