"""Failures: one line for the report, everything for who looks for the cause."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from tlml.errors import TlmlError
from tlml.suites.execution import failures
from tlml.suites.execution.failures import (
    of_the_machine,
    read_failure,
    reason_for,
    write_failure,
)

PLUGIN = """
def steps(params):
    return params["missing"]
"""


def crash(tmp_path: Path) -> Exception:
    """Return what a plugin raises that forgot something."""
    file = tmp_path / "tlml_mine" / "strategies.py"
    names = {"__name__": "tlml_mine.strategies"}
    exec(compile(PLUGIN, str(file), "exec"), names)
    try:
        names["steps"]({})  # type: ignore[operator]
    except KeyError as error:
        return error
    raise AssertionError


def test_what_tlml_raises_explains_itself() -> None:
    assert reason_for(TlmlError("lr: must be\n greater")) == "lr: must be greater"


def test_a_crash_in_a_plugin_names_its_innermost_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "_packages", lambda: {"tlml_mine"})
    reason = reason_for(crash(tmp_path))
    assert reason == "KeyError: 'missing' (tlml_mine/strategies.py:3 in steps)"


def test_a_crash_elsewhere_names_its_type() -> None:
    assert reason_for(RuntimeError("no such luck")) == "RuntimeError: no such luck"
    assert reason_for(EOFError()) == "EOFError"


def test_the_packages_of_plugins_are_those_of_what_they_register() -> None:
    assert {"tlml_transfer", "tlml_maml", "tlml_synthetic"} <= failures._packages()
    assert "tlml" not in failures._packages()


def test_a_failure_is_written_with_its_traceback(tmp_path: Path) -> None:
    path = tmp_path / "work" / "failed.json"
    write_failure(path, "what", crash(tmp_path))
    found = json.loads(path.read_text())
    assert found["error"] == read_failure(path) == "what"
    assert found["traceback"].startswith("Traceback (most recent call last):")
    assert "KeyError: 'missing'" in found["traceback"]


def test_a_note_that_cannot_be_written_is_no_second_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    write_failure(tmp_path / "file" / "failed.json", "what")
    assert read_failure(tmp_path / "file" / "failed.json") is None
    (tmp_path / "failed.json").write_text("{")
    assert read_failure(tmp_path / "failed.json") is None


def test_full_disks_are_of_the_machine() -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    told = TlmlError("the disk is full")
    told.__cause__ = full
    assert of_the_machine(full) and of_the_machine(told) and of_the_machine(MemoryError())
    assert not of_the_machine(ValueError()) and not of_the_machine(FileNotFoundError(2, "no"))
