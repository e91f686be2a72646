"""Recipes: configurations of ``tlml fit`` that plugins bring, found without importing any."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from tlml.errors import unknown
from tlml.registry.installed import plugin_packages

FOLDER = "recipes"  # of a plugin's package


def recipes() -> dict[str, Path]:
    """Return the YAML files in the folders ``recipes`` of all installed plugins, by name."""
    found = [
        file
        for package in sorted(plugin_packages())
        for place in _places(package)
        for file in (place / FOLDER).glob("*.yaml")
    ]
    return {file.stem: file for file in sorted(found, key=lambda file: file.stem)}


def recipe(name: str) -> Path:
    """Return the file of a recipe.

    Raises:
        TlmlError: There is none of this name.
    """
    known = recipes()
    if name not in known:
        raise unknown("recipe", name, known)
    return known[name]


def _places(package: str) -> list[Path]:
    spec = find_spec(package)  # of a package that is not within another, this imports none
    return [Path(place) for place in (spec.submodule_search_locations if spec else None) or ()]
