"""The stress tool, as far as it goes without running suites."""

from __future__ import annotations

from pathlib import Path

import yaml

from benchmarks.stress import __main__ as stress
from benchmarks.stress import suites


def test_all_parts_can_be_imported() -> None:
    assert stress.PARTS == ("runs", "disks", "suites", "lines", "files")


def test_a_sound_suite_is_checked_without_a_crash(tmp_path: Path) -> None:
    file = tmp_path / "suite.yaml"
    file.write_text(yaml.safe_dump(yaml.safe_load(suites.SUITES[0])))

    assert suites._checked(file) == ""
