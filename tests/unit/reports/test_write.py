"""Reports: numbers against hand-computed ones, what is missing, and files that are whole."""

from __future__ import annotations

import errno
import io
import json
import os
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tlml.errors import TlmlError
from tlml.presentation import Interval, Row
from tlml.reports import Report, print_report, report, to_json
from tlml.reports.notes import NEGATIVE, TRANSDUCTIVE

Scores = list[float] | dict[int, float] | None  # by episode; None: nothing is there
Cells = dict[tuple[str, int, int, str], Scores]  # by domain, shots, seed and method

FILES = ("results.json", "report.md", "report.tex", "report.html", "glyphs.png")


class Folder:
    """A suite's folder, written by hand."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, cells: Cells, baseline: str = "scratch", **result: Any) -> Path:
        """Write a plan of `cells` and the results of those that have scores."""
        adapts = [
            {"id": f"{d}-{shots}-{seed}-{m}", "domain": d, "shots": shots, "seed": seed,
             "method": m, "fits": [] if m == "scratch" else [f"fit-{d}-{seed}"]}
            for d, shots, seed, m in cells
        ]  # fmt: skip
        fits = {id: {"id": id, "name": "pre", "domain": c["domain"], "seed": c["seed"]}
                for c in adapts for id in c["fits"]}  # fmt: skip
        plan = {
            "name": "quick", "baseline": baseline, "fits": list(fits.values()), "adapts": adapts,
            "methods": list(dict.fromkeys(cell["method"] for cell in adapts)),
            "domains": list(dict.fromkeys(cell["domain"] for cell in adapts)), "refused": [],
        }  # fmt: skip
        (self.path / "plan.json").write_text(json.dumps(plan))
        for cell, scores in zip(adapts, cells.values(), strict=True):
            if scores is not None:
                self.result(cell, scores, **result)
        return self.path

    def result(self, cell: dict[str, Any], scores: Scores, **changes: Any) -> None:
        by_episode = scores if isinstance(scores, dict) else dict(enumerate(scores or []))
        content = {
            **cell, "kind": "adapt", "learner": "supervised", "strategy": "full",
            "metric": "accuracy", "higher_is_better": True, "batchnorm": "stored", "head": "new",
            "episodes": list(by_episode), "scores": list(by_episode.values()),
            "cost": {"fit_seconds": 10.0 + cell["seed"], "adapt_seconds": 2.0 * cell["seed"],
                     "gradient_steps": 50, "labels": 5},
            **changes,
        }  # fmt: skip
        self.put(cell["id"], "result.json", content)

    def put(self, id: str, name: str, content: Any) -> None:
        place = self.path / "cells" / id
        place.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(content if isinstance(content, str) else json.dumps(content))

    def edit_plan(self, **changes: Any) -> None:
        path = self.path / "plan.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def row(made: Report, method: str, block: int = 0) -> Row:
    return next(row for row in made.blocks[block].rows if row.method == method)


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


def test_batch_statistics_are_noted(folder: Folder) -> None:
    made = report(folder.write({("d", 1, 0, "m"): [0.5]}, batchnorm="batch"))
    assert row(made, "m").notes == (TRANSDUCTIVE,)


def test_an_episode_that_diverged_leaves_no_number_and_a_note(folder: Folder) -> None:
    cells: Cells = {("d", 1, 0, "scratch"): [1.0, 2.0], ("d", 1, 0, "m"): [1.0, float("nan")]}
    made = report(folder.write(cells, metric="mse", higher_is_better=False))
    assert row(made, "m").notes == ("1 of 2 episodes diverged",)
    assert not row(made, "m").worse
    assert row(made, "scratch").best
    read = json.loads(to_json(made), parse_constant=lambda name: pytest.fail(name))
    assert [entry["mean"] for entry in read["summary"]] == [1.5, None]


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


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "damaged (Invalid JSON: EOF while parsing an object at line 1 column 1)"),
        ({"id": "x"}, "damaged (metric: Field required)"),
        ({"id": "x", "metric": "a", "higher_is_better": True, "episodes": [0, 1], "scores": [1]},
         "damaged (Value error, 1 scores for 2 units)"),
        ({"id": "x", "metric": "a", "higher_is_better": True, "episodes": [0, 0], "scores": [1, 1]},
         "damaged (Value error, a unit is there twice)"),
        ({"id": "x", "metric": "a", "higher_is_better": True, "episodes": [], "scores": []},
         "damaged (units: List should have at least 1 item after validation, not 0)"),
    ],
)  # fmt: skip
def test_a_damaged_result_is_named(folder: Folder, content: Any, message: str) -> None:
    folder.write({("d", 1, 0, "m"): None})
    folder.put("d-1-0-m", "result.json", content)
    with pytest.raises(TlmlError) as caught:
        report(folder.path)
    path = folder.path / "cells" / "d-1-0-m" / "result.json"
    assert str(caught.value) == f"{path}: {message}; delete it and run the suite again"


def test_a_folder_without_a_plan_is_none_of_a_suite(tmp_path: Path) -> None:
    with pytest.raises(TlmlError) as caught:
        report(tmp_path)
    path = tmp_path / "plan.json"
    assert str(caught.value) == (
        f"{path}: cannot be read (No such file or directory); is it the folder of a suite?"
    )


def full_example(folder: Folder) -> Path:
    cells: Cells = {}
    for domain in ("glyphs", "digits"):
        for shots in (1, 5):
            for seed in (0, 1):
                cells[domain, shots, seed, "scratch"] = [0.50, 0.52, 0.54]
                cells[domain, shots, seed, "a|b"] = [0.6125, 0.6325, 0.6525]
                cells[domain, shots, seed, "full"] = [0.4, 0.42, 0.44]
    return folder.write(cells)


def test_the_markdown_table_holds_the_numbers(folder: Folder) -> None:
    full_example(folder)
    report(folder.path)
    lines = (folder.path / "report.md").read_text().splitlines()
    assert "### glyphs, 1 shot: accuracy (higher is better)" in lines
    assert "### digits, 5 shots: accuracy (higher is better)" in lines
    assert "![glyphs](glyphs.png)" in lines
    start = lines.index("### glyphs, 1 shot: accuracy (higher is better)")
    assert lines[start + 2 : start + 7] == [
        "| method | accuracy | 95% interval | IQM | to scratch | 95% interval "
        "| fit s | adapt s | steps | labels | notes |",
        "| --- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --- |",
        "| scratch | .520 | .500 to .540 | .520 | baseline | - | 10.5 | 1.0 | 50 | 5 |  |",
        r"| **a\|b** | **.632** | .613 to .652 | .632 | +.112 | +.112 to +.113 "
        "| 10.5 | 1.0 | 50 | 5 |  |",
        "| full | .420 | .400 to .440 | .420 | -.100 | -.100 to -.100 | 10.5 | 1.0 | 50 | 5 "
        "| negative transfer |",
    ]


class _Tags(HTMLParser):
    """Collects tags and text, and fails on tags that are not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells: list[str] = []
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "th"):
            self.cells.append(data)


def test_the_page_is_whole_and_needs_nothing_beside_it(folder: Folder) -> None:
    full_example(folder)
    folder.put("fit-glyphs-0", "failed.json", {"error": "<script>alert(1)</script>"})
    report(folder.path)
    text = (folder.path / "report.html").read_text()
    tags = _Tags()
    tags.feed(text)
    assert tags.open == []
    assert len(tags.sources) == 2
    assert all(source.startswith("data:image/png;base64,") for source in tags.sources)
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    start = tags.cells.index("a|b")
    assert tags.cells[start : start + 6] == [
        "a|b", ".632", ".613 to .652", ".632", "+.112", "+.112 to +.113"
    ]  # fmt: skip


def test_the_json_holds_summary_and_rows(folder: Folder) -> None:
    full_example(folder)
    report(folder.path)
    read = json.loads((folder.path / "results.json").read_text())
    assert {key: read[key] for key in ("suite", "baseline", "planned", "done", "missing")} == {
        "suite": "quick", "baseline": "scratch", "planned": 24, "done": 24, "missing": 0
    }  # fmt: skip
    entry = read["summary"][2]
    assert (entry["domain"], entry["shots"], entry["method"]) == ("glyphs", 1, "full")
    assert entry["difference"] == pytest.approx(-0.1)
    assert (entry["worse"], entry["best"], entry["notes"]) == (True, False, [NEGATIVE])
    assert len(read["rows"]) == 24
    assert read["rows"][0]["scores"] == [0.50, 0.52, 0.54]
    assert read["rows"][0]["method"] == "scratch"


def test_a_second_report_writes_the_same_bytes(folder: Folder) -> None:
    full_example(folder)
    report(folder.path)
    first = [(folder.path / name).read_bytes() for name in FILES]
    report(folder.path)
    assert [(folder.path / name).read_bytes() for name in FILES] == first


def printed(made: Report, width: int, terminal: bool = True) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=width, force_terminal=terminal, no_color=True)
    print_report(made, console)
    return stream.getvalue()


def test_the_terminal_table_shows_what_fits(folder: Folder) -> None:
    made = report(full_example(folder))
    wide = printed(made, 120)
    assert ".613 to .652" in wide
    assert "IQM" in wide
    assert "\x1b[1m.632\x1b[0m" in wide  # the best is bold
    assert "full: negative transfer" in wide
    narrow = printed(made, 80)
    assert "IQM " not in narrow.split("Means are")[0]
    assert ".613 to .652" in narrow
    assert "…" not in narrow
    tables = re.sub(r"\x1b\[\d*m", "", narrow.split("quick:")[0]).splitlines()
    assert max(map(len, tables)) <= 80


def test_a_table_in_a_file_is_not_cut(folder: Folder) -> None:
    text = printed(report(full_example(folder)), 40, terminal=False)
    assert "IQM" in text
    assert "…" not in text


def test_markup_in_names_and_reasons_is_no_markup(folder: Folder) -> None:
    folder.write({("d", 1, 0, "m"): None})
    folder.put("d-1-0-m", "failed.json", {"error": "[bold]shape [5, 3]"})
    assert "[bold]shape [5, 3]" in printed(report(folder.path), 200)


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("accuracy", 0.8124, ".812"), ("accuracy", 1.0, "1.000"), ("accuracy", 0.9996, "1.000"),
        ("accuracy", 0.0, ".000"), ("mse", 2.7, "2.70"), ("mse", 123.4, "123"),
        ("mse", 0.001234, "0.00123"), ("mse", 100.0, "100"),
    ],
)  # fmt: skip
def test_numbers_have_three_digits(folder: Folder, metric: str, value: float, text: str) -> None:
    report(folder.write({("d", 1, 0, "m"): [value]}, metric=metric))
    assert f"| **{text}** |" in (folder.path / "report.md").read_text()


def fail_on(name: str, real: Callable[..., None]) -> Callable[..., None]:
    def replace(source: Any, target: Any) -> None:
        if Path(target).name == name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(source, target)

    return replace


@pytest.mark.parametrize(
    "name", ["results.json", "report.md", "report.tex", "report.html", "glyphs.png"]
)
def test_a_full_disk_leaves_the_previous_report(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    full_example(folder)
    report(folder.path)
    before = (folder.path / name).read_bytes()
    folder.write({("glyphs", 1, 0, "scratch"): [0.9, 0.8]})
    monkeypatch.setattr(os, "replace", fail_on(name, os.replace))
    with pytest.raises(TlmlError, match=f"{name}: the disk is full; make room and run again"):
        report(folder.path)
    assert (folder.path / name).read_bytes() == before
    assert not list(folder.path.glob(".*"))
