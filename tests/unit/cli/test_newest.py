"""The newest checkpoint of a command."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tlml.cli.newest import find_newest, note_folders


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def checkpoint(path: str, age: int) -> Path:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    os.utime(file, (1000 - age, 1000 - age))
    return file


def test_without_any_there_is_none() -> None:
    assert find_newest("fit") is None


@pytest.mark.parametrize("folder", ["lightning_logs/version_0/checkpoints", "../elsewhere"])
def test_it_is_found_wherever_the_logger_put_it(here: Path, folder: str) -> None:
    checkpoint("runs/fit/version_0/checkpoints/last.ckpt", age=9)
    newest = checkpoint(f"{folder}/epoch=3.ckpt", age=1)
    note_folders("fit", [newest.absolute().parent])
    found = find_newest("fit")
    assert found is not None and found.resolve() == newest.resolve()


def test_a_later_run_in_the_usual_place_is_newer() -> None:
    note_folders("fit", [checkpoint("logs/last.ckpt", age=9).parent])
    later = checkpoint("runs/fit/version_0/checkpoints/last.ckpt", age=1)
    assert find_newest("fit") == later
    assert find_newest("adapt") is None


def test_a_note_moves_with_the_folder_of_all_runs(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note_folders("fit", [checkpoint("logs/last.ckpt", age=9).absolute().parent])
    monkeypatch.chdir(here.parent)
    moved = here.rename(here.with_name("moved"))
    monkeypatch.chdir(moved)
    assert find_newest("fit") == Path("logs/last.ckpt")


def test_a_damaged_note_says_nothing(here: Path) -> None:
    checkpoint("runs/fit/newest.txt", age=1).write_bytes(b"\xff\xfe\x00")
    assert find_newest("fit") is None


def test_a_note_that_cannot_be_written_stops_nothing(here: Path) -> None:
    Path("runs").write_text("a file")
    note_folders("fit", ["logs"])
    assert find_newest("fit") is None


def test_a_run_that_wrote_nothing_hides_no_earlier_one() -> None:
    kept = checkpoint("logs/a/last.ckpt", age=9)
    note_folders("fit", [kept.parent])
    for number in range(19):
        note_folders("fit", [f"logs/b{number}", "logs/b0"])
    assert find_newest("fit") == kept
    note_folders("fit", ["logs/c"])
    lines = Path("runs/fit/newest.txt").read_text().splitlines()
    assert (len(lines), lines[-1]) == (20, "logs/c")


def test_a_damaged_note_is_written_anew() -> None:
    checkpoint("runs/fit/newest.txt", age=1).write_bytes(b"\xff\xfe\x00")
    kept = checkpoint("logs/last.ckpt", age=9)
    note_folders("fit", [kept.parent])
    assert find_newest("fit") == kept
