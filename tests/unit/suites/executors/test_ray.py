"""Ray, where it is missing and where it is there."""

from __future__ import annotations

import sys
import types

import pytest

from tlml import TlmlError
from tlml.suites.executors.ray import use_ray


def test_without_it_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray.util.joblib", None)
    with pytest.raises(TlmlError) as caught:
        use_ray()
    assert str(caught.value) == "backend: ray is not installed; pip install 'tlml[ray]'"


def test_joblib_is_told_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    module = types.ModuleType("ray.util.joblib")
    module.register_ray = lambda: told.append("registered")  # type: ignore[attr-defined]
    for name in ("ray", "ray.util"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "ray.util.joblib", module)
    use_ray()
    assert told == ["registered"]
