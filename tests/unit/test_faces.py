"""The faces promise what the documentation lists, and each name that they list is there."""

from __future__ import annotations

import re
from importlib import import_module

import pytest
from importlinter.api import read_configuration
from places import ROOT

_PAGE = ROOT / "docs" / "plugins.md"
_ROW = re.compile(r"^\| `(tlml[a-z_.]*)` \| [^|]+ \| ((?:`\w+` ?)+) \|$", re.MULTILINE)


def exported() -> dict[str, list[str]]:
    """What is listed by tlml, by its rooms and by the modules beside them."""
    paths = [*(ROOT / "tlml").glob("*.py"), *(ROOT / "tlml").glob("*/__init__.py")]
    listing = (path for path in paths if "\n__all__ = " in path.read_text())
    places = [path.relative_to(ROOT).with_suffix("") for path in listing]
    names = sorted(".".join(place.parts).removesuffix(".__init__") for place in places)
    return {name: list(import_module(name).__all__) for name in names}


FACES = exported()


def test_the_page_of_plugin_authors_lists_every_face_with_its_names() -> None:
    listed = {face: re.findall(r"\w+", names) for face, names in _ROW.findall(_PAGE.read_text())}
    assert listed == FACES


@pytest.mark.parametrize("face", FACES)
def test_what_a_face_lists_is_there(face: str) -> None:
    module = import_module(face)
    assert [name for name in FACES[face] if getattr(module, name, None) is None] == []
    assert set(FACES[face]) <= set(dir(module))


@pytest.mark.parametrize("face", FACES)
def test_no_name_of_a_face_is_that_of_a_module_behind_it(face: str) -> None:
    """Importing the module would put it in the place of the name."""
    room = ROOT.joinpath(*face.split("."))
    behind = {path.stem for path in room.glob("*.py")}
    behind |= {path.parent.name for path in room.glob("*/__init__.py")}
    assert behind.isdisjoint(FACES[face])


def test_the_linter_keeps_the_core_from_every_face_of_a_room() -> None:
    contracts = read_configuration(str(ROOT / "pyproject.toml"))["contracts_options"]
    (wall,) = (one for one in contracts if one["name"] == "The core imports no face")
    rooms = {face for face in FACES if ROOT.joinpath(*face.split("."), "__init__.py").is_file()}
    assert set(wall["forbidden_modules"]) == rooms


def test_what_authors_of_plugins_ask_for_is_promised() -> None:
    asked = {
        "tlml.data": "Params Split keyed_rng",
        "tlml.errors": "check_choice check_not_negative check_positive did_you_mean",
        "tlml.metrics": "criterion",
        "tlml.networks": "head_name statistics",
        "tlml.views": "ViewSpaces",
    }
    missing = {face: set(names.split()) - set(FACES[face]) for face, names in asked.items()}
    assert {face: names for face, names in missing.items() if names} == {}
