"""What a reader must know of a row."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from result_folders import Cells, Folder, row

from tlml.reports import report, to_json
from tlml.reports.notes import TRANSDUCTIVE


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_batch_statistics_are_noted(folder: Folder) -> None:
    made = report(folder.write({("d", 1, 0, "m"): [0.5]}, batchnorm="batch"))
    assert row(made, "m").notes == (TRANSDUCTIVE,)


def test_an_episode_that_diverged_leaves_no_number_and_a_note(folder: Folder) -> None:
    lost = [1.0, 2.0, 1.0, 2.0, float("nan")]
    cells: Cells = {("d", 1, 0, "scratch"): [1.0, 2.0, 1.0, 2.0, 1.5], ("d", 1, 0, "m"): lost}
    made = report(folder.write(cells, metric="mse", higher_is_better=False))
    assert row(made, "m").notes == ("1 of 5 episodes diverged",)
    assert not row(made, "m").worse
    assert row(made, "scratch").best
    read = json.loads(to_json(made), parse_constant=lambda name: pytest.fail(name))
    assert [entry["mean"] for entry in read["summary"]] == [1.5, None]
