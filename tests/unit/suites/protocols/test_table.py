"""Which protocols there are."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import walking
from protocol_suites import planned
from suite_stubs import stub_registry

from tlml import Spec, hookimpl
from tlml.errors import TlmlError
from tlml.registry import Registry, default_registry
from tlml.suites.protocols.table import Protocols


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def broken(**changes: Any) -> Registry:
    module = ModuleType("strange_protocol")
    own = {"name": "strange", "word": "env", "keys": walking.WalkingKeys} | changes
    parts = {name: value for name, value in own.items() if value is not None}
    target = changes.pop("target", type("Strange", (walking.Walking,), parts))
    module.Strange = target  # type: ignore[attr-defined]
    module.tlml_protocols = hookimpl(  # type: ignore[attr-defined]
        lambda: [Spec("strange", "strange_protocol:Strange", "strange", needs=("env",))],
        specname="tlml_protocols",
    )
    sys.modules["strange_protocol"] = module
    registry = stub_registry()
    registry.register(module, "strange")
    return registry


class _Episodes(walking.Keys):
    shots: int


class _Domain(walking.Keys):
    options: int


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"word": "pair"}, "its Spec says strange and needs env; Strange says strange and pair"),
        ({"name": "other"}, "its Spec says strange and needs env; Strange says other and env"),
        ({"keys": _Episodes}, "its key 'shots' has a meaning in suites already"),
        ({"keys": _Domain}, "its key 'options' has a meaning in suites already"),
        ({"keys": walking.Keys}, "Strange has no key in the domains of suites"),
        ({"target": dict}, "dict is not a subclass of tlml.suites.Protocol"),
    ],
)
def test_a_protocol_that_cannot_be_used_stops_no_suite(
    here: Path, changes: dict[str, Any], reason: str
) -> None:
    registry = broken(**changes)
    protocols = Protocols(registry)
    assert list(protocols.by_name) == ["episodes", "stream", "control"]
    assert protocols.broken == {"strange": reason}
    text = "name: x\ndomains:\n  waves: {shots: 1}\nmethods: {s: {strategy: scratch}}\n"
    assert planned(registry, text).adapts
    with pytest.raises(TlmlError) as caught:
        planned(registry, text.replace("shots: 1", "walk_steps: 1"))
    message = "bad.yaml:3: domains.waves: unknown key 'walk_steps'"
    assert str(caught.value).startswith(message)
    assert str(caught.value).endswith(f"; protocol strange cannot be used: {reason}")


def test_built_in_protocols_come_through_the_hook() -> None:
    names = {spec.name for spec in default_registry().specs("protocol")}
    assert names >= {"episodes", "stream", "control"}
    assert default_registry().plugin_of("protocol", "stream").name == "core"


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    yield
    sys.modules.pop("strange_protocol", None)
