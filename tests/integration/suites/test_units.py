"""What the units of a suite are: tasks, parts of few tasks, blocks of a series."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import series

from tlml.registry import default_registry
from tlml.reports import report
from tlml.suites import load_suite, plan, read_results, run_suite

SUITE = """\
name: units
seeds: 2
episodes: 12
domains:
  many: {domain: series, shots: 3, options: {targets: 6}, view: {queries: 10}}
  one: {domain: series, shots: 3, view: {queries: 30}}
  few: {domain: series, shots: 3, view: {queries: 100}}
  blocked: {domain: series, shots: 3, episodes: 2, view: {queries: 300}, options: {blocks: 20}}
fits: {}
methods:
  scratch: {strategy: scratch, options: {steps: 2}}
  longer: {strategy: scratch, options: {steps: 4}}
"""


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    default_registry().register(series, "series")
    folder = tmp_path_factory.mktemp("units")
    (folder / "units.yaml").write_text(SUITE)
    made = plan(load_suite(folder / "units.yaml"), default_registry())
    assert run_suite(made, folder / "out", jobs=1) == []
    report(folder / "out")
    yield folder / "out"
    default_registry().unregister("series")


def summary(done: Path, domain: str) -> dict[str, Any]:
    read = json.loads((done / "results.json").read_text())
    (found,) = (
        row for row in read["summary"] if (row["domain"], row["method"]) == (domain, "longer")
    )
    return found


def test_a_report_says_what_its_intervals_hold(done: Path) -> None:
    told = {name: summary(done, name) for name in ("many", "one", "few", "blocked")}
    assert {name: (row["basis"], row["about"]) for name, row in told.items()} == {
        "many": ("intervals over 6 tasks and 2 training seeds", ""),
        "one": ("intervals over 10 parts and 2 training seeds", "about 1 task"),
        "few": ("3 parts: no intervals", "about 1 task"),
        "blocked": ("intervals over 15 blocks and 2 training seeds", "about 1 task"),
    }
    assert {name for name, row in told.items() if row["interval"] is None} == {"few"}
    title = "blocked, 3 shots: mse (lower is better), about 1 task; intervals over 15 blocks and"
    for name in ("report.md", "report.tex", "report.html"):
        assert title in (done / name).read_text()


def test_a_score_of_blocks_lies_in_its_interval(done: Path) -> None:
    found = summary(done, "blocked")
    low, high = found["interval"]
    assert low < found["mean"] < high
    assert found["difference_interval"][0] < found["difference"] < found["difference_interval"][1]


def test_records_keep_scores_of_episodes_and_tell_their_tasks(done: Path) -> None:
    results = read_results(done)
    for cell in results.plan.adapts:
        (record,) = results.records[cell.id]
        number = 2 if cell.domain == "blocked" else 12
        assert record.units == record.episodes == [*range(number)]
        assert len(record.scores) == len(record.tasks) == number
        assert len(set(record.tasks)) == (6 if cell.domain == "many" else 1)
        assert len(record.resampled) == (2 if cell.domain == "blocked" else 0)


def test_draws_stay_in_the_results_of_cells(done: Path) -> None:
    rows = json.loads((done / "results.json").read_text())["rows"]
    assert all("resampled" not in row for row in rows)
    assert [row["blocks"] for row in rows if row["domain"] == "blocked"] == [[15, 15]] * 4
