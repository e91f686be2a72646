"""The version of what is installed."""

from __future__ import annotations

from importlib import metadata

import pytest

import tlml
from tlml.version import tlml_version


def test_it_is_that_of_the_distribution() -> None:
    assert tlml_version() == metadata.version("tlml") == tlml.__version__


def test_without_a_distribution_it_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    assert tlml_version() == "0+unknown"
