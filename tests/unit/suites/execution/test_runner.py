"""One cell: claimed, attempted, published, whoever asks and however often."""

from __future__ import annotations

import errno
import json
import sys
import types
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from bare_cells import adapt, fit, published, zipped

from tlml.errors import TlmlError
from tlml.suites.cells import Cell
from tlml.suites.execution.claims import take
from tlml.suites.execution.owners import Owner
from tlml.suites.execution.places import Place
from tlml.suites.execution.published import is_sound
from tlml.suites.execution.runner import do_cell
from tlml.suites.executors.base import Outcome

Run = Callable[[Path], None]


class Cells:
    """Stands for what runs a cell."""

    def __init__(self) -> None:
        self.folders: list[Path] = []
        self.checkpoints: list[Path] = []
        self.acts: list[Run] = []

    def run_cell(
        self, cell: dict[str, Any], folder: Path, checkpoints: list[Path], report: Any
    ) -> dict[str, Any]:
        self.folders.append(folder)
        self.checkpoints = checkpoints
        report(0.5)
        if cell["config"]["kind"] == "fit":
            (folder / "last.ckpt").write_bytes(zipped())
        if self.acts:
            self.acts.pop(0)(folder)
        return {"kind": cell["config"]["kind"], "scores": [0.5]}


@pytest.fixture
def cells(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cells:
    made, module = Cells(), types.ModuleType("tlml.suites.run_cell")
    module.run_cell = made.run_cell  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tlml.suites.run_cell", module)
    (tmp_path / "cells").mkdir()
    return made


def do(out: Path, cell: Cell, steal: str | None = None) -> Outcome:
    return do_cell(asdict(cell), str(out), steal)


def raises(error: Exception) -> Run:
    def run(folder: Path) -> None:
        raise error

    return run


def test_a_cell_is_published_and_leaves_nothing_else(tmp_path: Path, cells: Cells) -> None:
    assert do(tmp_path, fit("f")) == Outcome("done")
    assert is_sound(tmp_path / "cells" / "f")
    assert [path for path in (tmp_path / "work").rglob("*") if path.is_file()] == []
    assert do(tmp_path, adapt("a", "f")) == Outcome("done")
    assert cells.checkpoints == [tmp_path / "cells" / "f" / "last.ckpt"]


def test_what_is_done_is_not_done_again(tmp_path: Path, cells: Cells) -> None:
    do(tmp_path, fit("f"))
    assert do(tmp_path, fit("f")) == Outcome("done")
    assert len(cells.folders) == 1


def test_a_cell_that_another_does_is_left_alone(tmp_path: Path, cells: Cells) -> None:
    assert take(Place(tmp_path, "f")) is not None
    assert do(tmp_path, fit("f")) == Outcome("busy")
    assert cells.folders == []


def test_a_failure_is_written_down_with_its_traceback(tmp_path: Path, cells: Cells) -> None:
    cells.acts = [raises(KeyError("missing"))]
    assert do(tmp_path, adapt("a")) == Outcome("failed", "KeyError: 'missing'")
    (note,) = (tmp_path / "work" / "a").iterdir()
    found = json.loads(note.read_text())
    assert found["error"] == "KeyError: 'missing'"
    assert "Traceback" in found["traceback"]
    assert do(tmp_path, adapt("a")) == Outcome("done")
    assert not note.exists()


def test_what_failed_goes_on_from_its_checkpoint(tmp_path: Path, cells: Cells) -> None:
    seen: list[list[str]] = []
    cells.acts = [raises(TlmlError("disk")), lambda folder: seen.append(_names(folder))]
    do(tmp_path, fit("f"))
    cells.run_cell = _looking(cells, seen)  # type: ignore[method-assign]
    sys.modules["tlml.suites.run_cell"].run_cell = cells.run_cell  # type: ignore[attr-defined]
    assert do(tmp_path, fit("f")) == Outcome("done")
    assert seen[0] == ["last.ckpt"]


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _looking(cells: Cells, seen: list[list[str]]) -> Callable[..., dict[str, Any]]:
    run_cell = cells.run_cell

    def looking(cell: Any, folder: Path, checkpoints: Any, report: Any) -> dict[str, Any]:
        seen.append(_names(folder))
        return run_cell(cell, folder, checkpoints, report)

    return looking


def test_what_fails_after_going_on_is_tried_once_from_the_start(
    tmp_path: Path, cells: Cells
) -> None:
    old = Place(tmp_path, "f").attempt("old")
    old.mkdir(parents=True)
    (old / "last.ckpt").write_bytes(zipped())
    cells.acts = [raises(RuntimeError("cannot be read"))]
    assert do(tmp_path, fit("f")) == Outcome("done")
    assert len(cells.folders) == 2


def test_what_other_data_left_is_not_gone_on_from(tmp_path: Path, cells: Cells) -> None:
    seen: list[list[str]] = []
    cells.acts = [raises(TlmlError("disk"))]
    do_cell(asdict(fit("f")) | {"fingerprint": "one"}, str(tmp_path))
    sys.modules["tlml.suites.run_cell"].run_cell = _looking(cells, seen)  # type: ignore[attr-defined]
    done = do_cell(asdict(fit("f")) | {"fingerprint": "two"}, str(tmp_path))
    assert (done, seen) == (Outcome("done"), [["state"]])


def test_a_full_disk_throws_no_checkpoint_away(tmp_path: Path, cells: Cells) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    cells.acts = [raises(full), raises(full)]
    for _ in range(2):
        assert do(tmp_path, fit("f")).ending == "failed"
        (left,) = (tmp_path / "work" / "f").glob("a-*")
        assert (left / "last.ckpt").read_bytes() == zipped()
    assert do(tmp_path, fit("f")) == Outcome("done")
    assert len(cells.folders) == 3


def test_damaged_fits_are_set_aside(tmp_path: Path, cells: Cells) -> None:
    do(tmp_path, fit("f"))
    (tmp_path / "cells" / "f" / "last.ckpt").write_bytes(b"torn")
    found = do(tmp_path, adapt("a", "f", "g"))
    assert found == Outcome("damaged", ids=("f", "g"))
    assert not (tmp_path / "cells" / "f").exists()
    assert do(tmp_path, fit("f")) == do(tmp_path, fit("g")) == Outcome("done")
    assert do(tmp_path, adapt("a", "f", "g")) == Outcome("done")


def test_a_fit_that_goes_while_it_is_read_is_no_failure(tmp_path: Path, cells: Cells) -> None:
    do(tmp_path, fit("f"))

    def remove(folder: Path) -> None:
        (tmp_path / "cells" / "f" / "last.ckpt").unlink()
        raise FileNotFoundError("last.ckpt")

    cells.acts = [remove]
    assert do(tmp_path, adapt("a", "f")) == Outcome("damaged", ids=("f",))


def test_results_of_earlier_versions_are_used(tmp_path: Path, cells: Cells) -> None:
    published(tmp_path, "f", "fit").checkpoint.write_bytes(zipped())
    assert do(tmp_path, adapt("a", "f")) == Outcome("done")


def test_who_was_robbed_says_so_and_changes_nothing(tmp_path: Path, cells: Cells) -> None:
    thief: list[Outcome] = []

    def robbed(folder: Path) -> None:
        token = folder.name.removeprefix("a-")
        thief.append(do(tmp_path, adapt("a"), steal=token))
        (folder / "more").write_text("fails, for the folder is gone")

    cells.acts = [robbed]
    assert do(tmp_path, adapt("a")) == Outcome("lost")
    assert thief == [Outcome("done")]
    assert is_sound(tmp_path / "cells" / "a")
    assert [path for path in (tmp_path / "work").rglob("*") if path.is_file()] == []


def test_who_was_robbed_by_one_that_is_still_at_work_leaves_it_alone(
    tmp_path: Path, cells: Cells
) -> None:
    place = Place(tmp_path, "a")
    other = replace(Owner.here("other"), host="elsewhere")

    def robbed(folder: Path) -> None:
        folder.rename(place.work / "old-1")
        place.claim.write_text(other.text())
        place.attempt("other").mkdir()

    cells.acts = [robbed]
    assert do(tmp_path, adapt("a")) == Outcome("lost")
    assert Owner.parse(place.claim.read_text()) == other
    assert place.attempt("other").is_dir()
    assert not place.failed.exists()


def test_a_stop_gives_the_cell_free_and_keeps_what_can_go_on(tmp_path: Path, cells: Cells) -> None:
    def stopped(folder: Path) -> None:
        raise SystemExit(143)

    cells.acts = [stopped]
    with pytest.raises(SystemExit):
        do(tmp_path, fit("f"))
    assert not Place(tmp_path, "f").claim.exists()
    assert len([*Place(tmp_path, "f").work.glob("a-*/last.ckpt")]) == 1
    assert do(tmp_path, fit("f")) == Outcome("done")


def test_a_file_in_place_of_a_folder_fails_one_cell(tmp_path: Path, cells: Cells) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "a").write_text("")
    found = do(tmp_path, adapt("a"))
    assert found.ending == "failed"
    assert found.reason.endswith("work/a: is not a folder; remove it")
