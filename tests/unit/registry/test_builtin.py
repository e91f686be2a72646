"""The core's own plugin."""

from __future__ import annotations

from importlib import import_module

import pytest

from tlml.registry import builtin, default_registry
from tlml.spec import Spec

SPECS = [*builtin.tlml_learners(), *builtin.tlml_protocols()]


def test_it_declares_the_estimator_and_the_protocols() -> None:
    assert [spec.name for spec in SPECS] == ["estimator", "episodes", "stream", "control"]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_what_it_names_is_there(spec: Spec) -> None:
    module, _, name = spec.target.partition(":")
    assert isinstance(getattr(import_module(module), name), type)


def test_the_registry_has_it_without_an_entry_point() -> None:
    assert default_registry().spec("learner", "estimator") == SPECS[0]
