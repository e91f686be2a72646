"""Summaries: numbers against hand-computed ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from result_folders import Cells, Folder, row

from tlml.presentation import Interval, Row
from tlml.reports import report
from tlml.reports.notes import NEGATIVE


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_means_are_over_episodes_of_all_seeds(folder: Folder) -> None:
    made = report(
        folder.write({
            ("d", 1, 0, "scratch"): [0.2, 0.4, 0.6, 0.8],
            ("d", 1, 1, "scratch"): [0.4, 0.4, 0.2, 0.2],
        })
    )  # fmt: skip
    found = row(made, "scratch")
    assert found.score is not None
    assert found.score.mean == pytest.approx((2.0 + 1.2) / 8)
    # units are .3 .4 .4 .5: no resampled mean lies outside
    assert 0.3 <= found.score.low < 0.4 < found.score.high <= 0.5
    # of .2 .2 .2 .4 .4 .4 .6 .8 the middle half is .2 .4 .4 .4
    assert found.interquartile_mean == pytest.approx(0.35)
    assert (found.seeds, found.planned_seeds) == (2, 2)
    assert found.difference is None


def test_equal_episodes_have_an_interval_of_no_width(folder: Folder) -> None:
    made = report(folder.write({("d", 1, 0, "scratch"): [0.5] * 5}))
    assert row(made, "scratch").score == Interval(0.5, 0.5, 0.5)


def test_of_one_episode_the_seeds_are_resampled(folder: Folder) -> None:
    cells = {("d", 1, seed, "scratch"): [score] for seed, score in enumerate([0.2, 0.4, 0.9])}
    better = {("d", 1, seed, "full"): [score] for seed, score in enumerate([0.3, 0.5, 1.0])}
    made = report(folder.write(cells | better))
    score = row(made, "scratch").score
    assert score is not None
    assert score.mean == pytest.approx(0.5)
    assert score.low < 0.35 < 0.65 < score.high
    difference = row(made, "full").difference
    assert difference is not None
    for value in (difference.mean, difference.low, difference.high):  # paired by seed
        assert value == pytest.approx(0.1)


def test_differences_are_paired_by_seed_and_episode(folder: Folder) -> None:
    # The scores vary by .6, the differences not at all: unpaired, the interval would be wide.
    made = report(
        folder.write({
            ("d", 1, 0, "scratch"): {0: 0.2, 1: 0.5, 2: 0.8},
            ("d", 1, 1, "scratch"): {0: 0.8, 1: 0.2, 2: 0.5},
            ("d", 1, 0, "full"): {2: 0.9, 0: 0.3, 1: 0.6},
            ("d", 1, 1, "full"): {1: 0.3, 2: 0.6, 0: 0.9},
        })
    )  # fmt: skip
    difference = row(made, "full").difference
    assert difference is not None
    assert [difference.mean, difference.low, difference.high] == pytest.approx([0.1, 0.1, 0.1])
    assert not row(made, "full").worse


def test_a_difference_takes_only_the_seeds_that_both_have(folder: Folder) -> None:
    made = report(
        folder.write({
            ("d", 1, 0, "scratch"): [0.5, 0.5],
            ("d", 1, 1, "scratch"): [0.0, 0.0],
            ("d", 1, 0, "full"): [0.6, 0.6],
            ("d", 1, 1, "full"): None,
        })
    )  # fmt: skip
    found = row(made, "full")
    assert found.difference is not None
    assert found.difference.mean == pytest.approx(0.1)
    assert found.notes == ("missing: 1 of 2 seeds",)
    assert (made.planned, made.done, made.failed, made.missing) == (4, 3, 0, 1)


@pytest.mark.parametrize(
    ("higher", "scores", "worse"),
    [
        (True, [0.4, 0.4, 0.4], True),
        (True, [0.6, 0.6, 0.6], False),
        (True, [0.4, 0.5, 0.6], False),  # the interval holds 0
        (False, [0.6, 0.6, 0.6], True),
        (False, [0.4, 0.4, 0.4], False),
    ],
)
def test_negative_transfer_is_a_difference_wholly_on_the_worse_side(
    folder: Folder, higher: bool, scores: list[float], worse: bool
) -> None:
    cells: Cells = {("d", 1, 0, "scratch"): [0.5] * 3, ("d", 1, 0, "full"): scores}
    made = report(folder.write(cells, higher_is_better=higher))
    found = row(made, "full")
    assert found.worse is worse
    assert found.notes == ((NEGATIVE,) if worse else ())


def test_worse_than_a_fitted_baseline_is_no_negative_transfer(folder: Folder) -> None:
    cells: Cells = {("d", 1, 0, "full"): [0.5] * 3, ("d", 1, 0, "probe"): [0.4] * 3}
    made = report(folder.write(cells, baseline="full"))
    assert row(made, "probe").notes == ("worse",)


@pytest.mark.parametrize(("higher", "best"), [(True, "full"), (False, "scratch")])
def test_the_best_mean_of_a_block_is_marked(folder: Folder, higher: bool, best: str) -> None:
    cells: Cells = {("d", 1, 0, "scratch"): [0.4], ("d", 1, 0, "full"): [0.6]}
    made = report(folder.write(cells, higher_is_better=higher))
    assert [r.method for r in made.blocks[0].rows if r.best] == [best]


def test_costs_are_means_over_seeds(folder: Folder) -> None:
    made = report(folder.write({("d", 1, 0, "full"): [0.5], ("d", 1, 1, "full"): [0.5]}))
    cost = row(made, "full").cost
    assert cost is not None
    assert (cost["fit_seconds"], cost["adapt_seconds"]) == (10.5, 1.0)
    assert (cost["gradient_steps"], cost["labels"]) == (50, 5)


def test_blocks_go_by_the_plans_domains_and_by_shots(folder: Folder) -> None:
    made = report(
        folder.write({("b", 5, 0, "m"): [1.0], ("b", 1, 0, "m"): None, ("a", 3, 0, "m"): [1.0]})
    )
    assert [(block.domain, block.value) for block in made.blocks] == [("b", 1), ("b", 5), ("a", 3)]


def test_failures_are_listed_in_one_line_each(folder: Folder) -> None:
    cells: Cells = {("d", 1, seed, "full"): None for seed in (0, 1, 2)}
    folder.write({**cells, ("d", 1, 0, "scratch"): [0.5]})
    folder.put("fit-d-1", "failed.json", {"error": "the fit\nfailed"})
    folder.put("d-1-1-full", "failed.json", {"error": "so this did too"})
    folder.put("d-1-0-full", "failed.json", {"error": "alone"})
    fits = json.loads((folder.path / "plan.json").read_text())["fits"]
    folder.edit_plan(fits=[{**fit, "tried": {"learner.lr": 0.1}} for fit in fits])
    made = report(folder.path)
    assert [(failure.cell, failure.reason) for failure in made.failures] == [
        ("pre on d, seed 1, learner.lr=0.1", "the fit failed"),
        ("full on d, shots 1, seed 0", "alone"),
    ]
    assert (made.done, made.failed, made.missing) == (1, 2, 1)
    text = (folder.path / "report.md").read_text()
    assert "- quick: 1 of 4 results are there, 2 failed, 1 missing" in text
    assert "- failed: fit pre on d, seed 1, learner.lr=0.1: the fit failed" in text


def test_a_result_outweighs_an_older_failure(folder: Folder) -> None:
    folder.write({("d", 1, 0, "m"): [0.5]})
    folder.put("d-1-0-m", "failed.json", {"error": "the first time"})
    assert report(folder.path).failures == ()


def test_cells_that_are_not_planned_are_ignored(folder: Folder) -> None:
    folder.write({("d", 1, 0, "m"): [0.5]})
    folder.put("another", "result.json", "{")
    assert report(folder.path).done == 1


def test_refused_combinations_are_named_once_for_each_reason(folder: Folder) -> None:
    folder.write({("d", 1, 0, "m"): [0.5]})
    folder.edit_plan(
        refused=[{"domain": "robots", "name": name, "reason": "no episodes"} for name in "ab"]
    )
    report(folder.path)
    text = (folder.path / "report.md").read_text()
    assert "- not run on robots: a, b: no episodes" in text


def test_nothing_done_is_a_report_too(folder: Folder) -> None:
    made = report(folder.write({("d", 1, 0, "m"): None}))
    assert row(made, "m") == Row("m", 0, 1, notes=("missing: 1 of 1 seeds",))
    assert (folder.path / "d.png").read_bytes().startswith(b"\x89PNG")
