"""Fixtures that pytest finds where tlml is installed; they import nothing heavy until used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tlml.registry.registry import Registry


@pytest.fixture
def tlml_registry() -> Registry:
    """A registry of its own, with all installed plugins."""
    from tlml.registry.registry import Registry

    return Registry()


def _fixture(name: str) -> Any:
    def check() -> Any:
        return getattr(import_module("tlml.testing"), name)

    check.__doc__ = f"`tlml.testing.{name}`."
    return pytest.fixture(check, name=name)


check_plugin = _fixture("check_plugin")
check_domain = _fixture("check_domain")
check_learner = _fixture("check_learner")
check_strategy = _fixture("check_strategy")
