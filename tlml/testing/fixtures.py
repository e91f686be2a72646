"""Fixtures that pytest finds where tlml is installed; they import nothing heavy until used."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tlml.registry.registry import Registry


@pytest.fixture
def tlml_registry() -> Registry:
    """A registry of its own, with all installed plugins."""
    from tlml.registry.registry import Registry

    return Registry()


@pytest.fixture
def check_plugin() -> Callable[..., list[str]]:
    """`tlml.testing.check_plugin`."""
    from tlml.testing.plugin import check_plugin

    return check_plugin


@pytest.fixture
def check_domain() -> Callable[..., None]:
    """`tlml.testing.check_domain`."""
    from tlml.testing.domain import check_domain

    return check_domain


@pytest.fixture
def check_learner() -> Callable[..., None]:
    """`tlml.testing.check_learner`."""
    from tlml.testing.learner import check_learner

    return check_learner


@pytest.fixture
def check_strategy() -> Callable[..., None]:
    """`tlml.testing.check_strategy`."""
    from tlml.testing.strategy import check_strategy

    return check_strategy
