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
            ("d", 1, 0, "scratch"): [0.2, 0.4, 0.6, 0.8, 0.5],
            ("d", 1, 1, "scratch"): [0.4, 0.4, 0.2, 0.2, 0.3],
        })
    )  # fmt: skip
    found = row(made, "scratch")
    assert found.score is not None
    assert found.score.mean == pytest.approx((2.5 + 1.5) / 10)
    # seeds are .5 .3, units .3 .4 .4 .5 .4
    assert 0.1 < found.score.low < 0.35 < 0.45 < found.score.high < 0.7
    # of .2 .2 .2 .3 .4 .4 .4 .5 .6 .8 all but two on each side
    assert found.interquartile_mean == pytest.approx((0.2 + 0.3 + 3 * 0.4 + 0.5) / 6)
    assert (found.seeds, found.planned_seeds, found.units) == (2, 2, 5)
    assert found.difference is None
    assert made.blocks[0].basis == "intervals over 5 episodes and 2 training seeds"
    assert made.blocks[0].about == ""


def test_equal_episodes_have_an_interval_of_no_width(folder: Folder) -> None:
    made = report(folder.write({("d", 1, 0, "scratch"): [0.5] * 5}))
    assert row(made, "scratch").score == Interval(0.5, 0.5, 0.5)


@pytest.mark.parametrize("episodes", [1, 3, 4])
def test_fewer_than_five_units_give_no_interval_and_no_verdict(
    folder: Folder, episodes: int
) -> None:
    """As of three training seeds on a single series, which a worse score was called harm on."""
    scores = {"scratch": [0.2, 0.4, 0.9], "full": [0.3, 0.5, 1.0], "bad": [0.0, 0.1, 0.1]}
    cells: Cells = {
        ("d", 1, seed, method): [score] * episodes
        for method, own in scores.items()
        for seed, score in enumerate(own)
    }
    made = report(folder.write(cells))
    for method in scores:
        found = row(made, method)
        assert found.score is not None and not found.score.known
        assert (found.worse, found.best, found.notes) == (False, False, ())
    difference = row(made, "full").difference
    assert difference is not None and not difference.known
    assert difference.mean == pytest.approx(0.1)
    several = "episode" if episodes == 1 else "episodes"
    assert made.blocks[0].basis == f"{episodes} {several}: no intervals"
    read = json.loads((folder.path / "results.json").read_text())["summary"][0]
    assert (read["interval"], read["difference_interval"]) == (None, None)
    assert read["units"] == episodes


def test_a_row_of_too_few_units_is_noted_beside_others(folder: Folder) -> None:
    cells: Cells = {("d", 1, 0, "scratch"): [0.5] * 5, ("d", 1, 0, "full"): [0.4] * 2}
    made = report(folder.write(cells))
    assert row(made, "full").notes == ("2 episodes: no interval",)
    assert made.blocks[0].basis == "intervals over 5 episodes"


def test_a_spread_between_seeds_widens_the_interval(folder: Folder) -> None:
    def width(apart: float) -> float:
        own = [0.1, 0.2, 0.3, 0.4, 0.5]
        cells: Cells = {
            ("d", 1, seed, "m"): [score + apart * (seed - 1) for score in own] for seed in range(3)
        }
        score = row(report(folder.write(cells)), "m").score
        assert score is not None
        return score.high - score.low

    assert width(0.2) > width(0.05) > width(0.0)


def test_differences_are_paired_by_seed_and_episode(folder: Folder) -> None:
    # The scores vary by .6, the differences not at all: unpaired, the interval would be wide.
    made = report(
        folder.write({
            ("d", 1, 0, "scratch"): {0: 0.2, 1: 0.5, 2: 0.8, 3: 0.3, 4: 0.4},
            ("d", 1, 1, "scratch"): {0: 0.8, 1: 0.2, 2: 0.5, 3: 0.4, 4: 0.3},
            ("d", 1, 0, "full"): {2: 0.9, 0: 0.3, 1: 0.6, 4: 0.5, 3: 0.4},
            ("d", 1, 1, "full"): {1: 0.3, 2: 0.6, 0: 0.9, 3: 0.5, 4: 0.4},
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
        (True, [0.4] * 5, True),
        (True, [0.6] * 5, False),
        (True, [0.4, 0.5, 0.6, 0.5, 0.5], False),  # the interval holds 0
        (False, [0.6] * 5, True),
        (False, [0.4] * 5, False),
    ],
)
def test_negative_transfer_is_a_difference_wholly_on_the_worse_side(
    folder: Folder, higher: bool, scores: list[float], worse: bool
) -> None:
    cells: Cells = {("d", 1, 0, "scratch"): [0.5] * 5, ("d", 1, 0, "full"): scores}
    made = report(folder.write(cells, higher_is_better=higher))
    found = row(made, "full")
    assert found.worse is worse
    assert found.notes == ((NEGATIVE,) if worse else ())


def test_worse_than_a_fitted_baseline_is_no_negative_transfer(folder: Folder) -> None:
    cells: Cells = {("d", 1, 0, "full"): [0.5] * 5, ("d", 1, 0, "probe"): [0.4] * 5}
    made = report(folder.write(cells, baseline="full"))
    assert row(made, "probe").notes == ("worse",)


@pytest.mark.parametrize(
    ("higher", "best"), [(True, ["full", "probe"]), (False, ["scratch"])]
)  # fmt: skip
def test_all_that_cannot_be_told_from_the_best_is_marked(
    folder: Folder, higher: bool, best: list[str]
) -> None:
    cells: Cells = {
        ("d", 1, 0, "scratch"): [0.4, 0.1, 0.7, 0.2, 0.5],
        ("d", 1, 0, "full"): [0.6, 0.3, 0.9, 0.4, 0.7],
        ("d", 1, 0, "probe"): [0.5, 0.4, 0.9, 0.3, 0.7],  # .02 less, and better once
        ("d", 1, 0, "lost"): None,
    }
    made = report(folder.write(cells, higher_is_better=higher))
    assert [r.method for r in made.blocks[0].rows if r.best] == best


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
    made = report(folder.path)
    assert [(failure.cell, failure.reason) for failure in made.failures] == [
        ("pre on d, seed 1", "the fit failed"),
        ("full on d, shots 1, seed 0", "alone"),
    ]
    assert (made.done, made.failed, made.missing) == (1, 2, 1)
    text = (folder.path / "report.md").read_text()
    assert "- quick: 1 of 4 results are there, 2 failed, 1 missing" in text
    assert "- failed: fit pre on d, seed 1: the fit failed" in text


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
