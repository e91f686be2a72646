"""The checks as fixtures of pytest."""

from __future__ import annotations

from typing import Any

import tlml
import tlml.testing
from tlml.registry import Registry, default_registry


def test_pytest_has_the_checks_as_fixtures(
    tlml_registry: Registry,
    check_plugin: Any,
    check_domain: Any,
    check_learner: Any,
    check_strategy: Any,
) -> None:
    assert "sinusoid" in [spec.name for spec in tlml_registry.specs("domain")]
    assert tlml_registry is not default_registry()
    for found in (check_plugin, check_domain, check_learner, check_strategy):
        assert found is getattr(tlml.testing, found.__name__)
