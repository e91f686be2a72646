"""The page on the architecture holds to the code."""

from __future__ import annotations

import re
import tomllib

import pytest
from places import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text()
ROOMS = sorted(path.parent.name for path in (ROOT / "tlml").glob("*/__init__.py"))
FILES = sorted({*re.findall(r"(?:tlml|plugins)/[\w/]+\.py", PAGE)})
FOLDERS = sorted({*re.findall(r"`((?:tlml|plugins)/[\w/]+)`", PAGE)})


@pytest.mark.parametrize("file", FILES)
def test_every_file_that_is_named_is_there(file: str) -> None:
    assert (ROOT / file).is_file()


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_folder_that_is_named_is_there(folder: str) -> None:
    assert (ROOT / folder).is_dir()


def test_every_room_and_every_plugin_is_named() -> None:
    assert [room for room in ROOMS if f"{room}/" not in PAGE or f"`tlml/{room}`" not in PAGE] == []
    plugins = [path.name for path in (ROOT / "plugins").iterdir() if path.is_dir()]
    assert [name for name in plugins if f"plugins/{name}" not in PAGE] == []


def test_the_floors_are_those_that_lint_holds() -> None:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    contracts = tools["importlinter"]["contracts"]
    (layers,) = (one["layers"] for one in contracts if one["type"] == "layers")
    drawn = PAGE.split("```text\n")[1].split("```")[0].splitlines()
    floors = [re.split(r"  +", line.strip())[0] for line in drawn]
    assert [floor.replace("/", "") for floor in floors] == [
        floor.replace("(", "").replace(")", "") for floor in layers
    ]


def test_the_trips_name_definitions_that_are_there() -> None:
    source = "\n".join(path.read_text() for path in ROOT.glob("tlml/**/*.py"))
    source += "\n".join(path.read_text() for path in ROOT.glob("plugins/**/*.py"))
    for name in re.findall(r"`(?:\w+\.)*(\w+)(?:\([\w, ]*\))?`", PAGE.split("## Five trips")[1]):
        known = rf"(?:def|class) {name}\b|\b{name}\b(?:: [^\n]*)? =|import .*\b{name}\b"
        assert re.search(known, source) or name in ("estimator", "__init__"), name
