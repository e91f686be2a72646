"""The walls of the house bite: what is planted across one breaks the contract that names it."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from importlinter.api import read_configuration
from importlinter.application.use_cases import lint_imports
from places import ROOT

CONFIGURATION = str(ROOT / "pyproject.toml")
PLUGINS = sorted(path.parent.name for path in ROOT.glob("plugins/*/__init__.py"))

DOWNWARDS = "Imports point downwards"
CIRCLES = "No circles between rooms, nor inside one"
NO_FACE = "The core imports no face"
NO_PLUGIN = "The core imports no plugin"
APART = "Plugins import no other plugin"
FACES = "Plugins import faces only"

IN_FUNCTION = "def planted():\n    "
FOR_TYPES = "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    "

PLANTS = {
    "upward": (
        "tlml/selection/criteria",
        "from tlml.inspection.cka import linear_cka",
        {DOWNWARDS},
    ),
    "upward in a function": (
        "tlml/selection/criteria",
        f"{IN_FUNCTION}from tlml.inspection.cka import linear_cka",
        {DOWNWARDS},
    ),
    "upward for types alone": (
        "tlml/selection/criteria",
        f"{FOR_TYPES}from tlml.inspection.diagnosis import Diagnosis",
        {DOWNWARDS},
    ),
    "sideways": ("tlml/finetuning/module", "from tlml.selection.criteria import risk", {DOWNWARDS}),
    "a circle between rooms": (
        "tlml/data/tasks",
        f"{FOR_TYPES}from tlml.networks.network import Network",
        {DOWNWARDS, CIRCLES},
    ),
    "a circle inside a room": (
        "tlml/data/tasks",
        f"{FOR_TYPES}from tlml.data.domains import Domain",
        {CIRCLES},
    ),
    "a circle inside a plugin": (
        "tlml_vision/storage/cache",
        "from tlml_vision.drawn.glyphs import Glyphs",
        {CIRCLES},
    ),
    "a room on no floor": ("tlml/attic", "", {DOWNWARDS}),
    "a face in the core": ("tlml/suites/results", "from tlml.data import Batch", {NO_FACE}),
    "a public name in the core": ("tlml/suites/results", "from tlml import Batch", {NO_FACE}),
    "a plugin in the core": (
        "tlml/suites/results",
        f"{IN_FUNCTION}from tlml_maml.maml import Maml",
        {NO_PLUGIN},
    ),
    "a plugin in another": ("tlml_transfer/rows", "from tlml_maml.maml import Maml", {APART}),
    "a plugin that reaches inside": (
        "tlml_maml/maml",
        "from tlml.data.tasks import Params",
        {FACES},
    ),
    "a plugin that reaches for a module": (
        "tlml_maml/maml",
        f"{FOR_TYPES}from tlml.data import tasks",
        {FACES},
    ),
    "a plugin that reaches past the top": ("tlml_maml/maml", "from tlml.spec import Spec", {FACES}),
}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the core and our plugins in one folder, without what is not Python."""
    folder = tmp_path_factory.mktemp("house")
    for package in [ROOT / "tlml", *(ROOT / "plugins" / name for name in PLUGINS)]:
        for path in package.rglob("*.py"):
            copy = folder / package.name / path.relative_to(package)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    return folder


@pytest.fixture
def broken(
    house: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[], set[str]]:
    """Lint the copy, not the project, and return the names of the contracts that it breaks."""
    monkeypatch.syspath_prepend(house)
    for package in ("tlml", *PLUGINS):
        monkeypatch.delitem(sys.modules, package, raising=False)

    def lint() -> set[str]:
        capsys.readouterr()
        kept = lint_imports(CONFIGURATION, cache_dir=str(house / "cache"), no_logo=True)
        found = set(re.findall(r"^(.+) BROKEN", capsys.readouterr().out, re.MULTILINE))
        assert kept == (not found)
        return found

    return lint


def test_each_contract_is_tried_by_a_plant() -> None:
    contracts = read_configuration(CONFIGURATION)["contracts_options"]
    planted = [broken for _, _, broken in PLANTS.values()]
    assert {contract["name"] for contract in contracts} == set().union(*planted)


def test_the_house_as_it_stands_breaks_no_contract(broken: Callable[[], set[str]]) -> None:
    assert broken() == set()


@pytest.mark.parametrize("plant", PLANTS)
def test_what_is_planted_across_a_wall_breaks_its_contract(
    plant: str, house: Path, broken: Callable[[], set[str]]
) -> None:
    module, line, expected = PLANTS[plant]
    path = house / f"{module}.py"
    before = path.read_text() if path.exists() else None
    path.write_text(f"{before or ''}\n\n{line}\n")
    try:
        assert broken() == expected
    finally:
        if before is None:
            path.unlink()
        else:
            path.write_text(before)
