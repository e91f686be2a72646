"""Installed packages are asked once for what they add to Trainers."""

from __future__ import annotations

from importlib import metadata
from typing import Any

import pytest
from lightning_fabric.utilities import registry

from tlml.suites.inside import scanned
from tlml.suites.inside.scanned import scanned_once


class Factory:
    """An entry point that brings a callback."""

    name = "mine"

    def load(self) -> Any:
        return lambda: ["callback"]


def test_what_packages_add_is_the_same_and_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def entry_points(*, group: str) -> list[Factory]:
        asked.append(group)
        return [Factory()]

    monkeypatch.setattr(metadata, "entry_points", entry_points)
    monkeypatch.setattr(registry, "entry_points", entry_points)
    scanned._entry_points.cache_clear()
    try:
        with scanned_once():
            for group in ("a", "a", "b", "a"):
                assert registry._load_external_callbacks(group) == ["callback"]
        assert asked == ["a", "b"]
        assert registry._load_external_callbacks("a") == ["callback"]
        assert asked == ["a", "b", "a"]  # outside, as ever
    finally:
        scanned._entry_points.cache_clear()


def test_another_way_of_looking_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "entry_points", list)
    with scanned_once():
        assert registry.entry_points is list  # type: ignore[comparison-overlap]
