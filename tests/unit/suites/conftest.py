"""What the tests of suites share."""

from __future__ import annotations

import pytest
from suite_stubs import stub_registry

from tlml.registry import Registry


@pytest.fixture(scope="module")
def registry() -> Registry:
    """A registry of names whose classes are read and never run."""
    return stub_registry()
