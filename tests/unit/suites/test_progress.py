"""Notes of how far a running cell is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from planned import planned

from tlml.registry import Registry
from tlml.suites import progress
from tlml.suites.progress import reporter


def test_a_note_is_written_now_and_then_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    report = reporter(tmp_path / "note")
    report(0.25)
    assert (tmp_path / "note").read_text() == "0.2500"
    now[0] += 0.1
    report(0.5)
    assert progress._share(tmp_path / "note") == 0.25
    now[0] += 1
    report(0.75)
    assert progress._share(tmp_path / "note") == 0.75


def test_a_note_that_is_half_written_is_no_share(tmp_path: Path) -> None:
    (tmp_path / "note").write_text("0.2x")
    assert progress._share(tmp_path / "note") is None
    assert progress._share(tmp_path / "absent") is None
    (tmp_path / "note").write_text("")
    assert progress._share(tmp_path / "note") == 0.0


def test_a_note_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    reporter(tmp_path / "nowhere" / "note")(0.5)
    assert not (tmp_path / "nowhere").exists()


def test_cells_have_titles_of_people(registry: Registry) -> None:
    made = planned(registry)
    assert progress._title(made.fits[0]) == "waves: fit pre, seed 0"
    tried = replace(made.fits[0], tried={"learner.lr": 0.1})
    assert progress._title(tried) == "waves: fit pre, seed 0, learner.lr=0.1"
    adapt = made.adapts[0]
    title = progress._title(adapt)
    assert title.startswith("waves, shots ")
    assert title.endswith(f": {adapt.method}, seed {adapt.seed}")


def test_done_cells_are_counted(tmp_path: Path, registry: Registry) -> None:
    cells = planned(registry).adapts[:2]
    with progress.progress_bars(tmp_path, cells, len(cells)) as advance:
        advance()
        advance()
