"""Executors by name."""

from __future__ import annotations

import sys
import types
from importlib import metadata

import pytest

from tlml.errors import TlmlError
from tlml.suites.executors import table
from tlml.suites.executors.inline import InlineExecutor
from tlml.suites.executors.local import local
from tlml.suites.executors.table import executor_names, find_executor


@pytest.fixture
def pigeons(monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a plugin with an executor, and one that cannot be imported."""
    module = types.ModuleType("tlml_pigeons")
    module.make = lambda slots: InlineExecutor()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tlml_pigeons", module)
    monkeypatch.setitem(sys.modules, "tlml_broken", None)
    points = [
        metadata.EntryPoint("pigeons", "tlml_pigeons:make", table.GROUP),
        metadata.EntryPoint("broken", "tlml_broken:make", table.GROUP),
    ]
    monkeypatch.setattr(table, "_points", lambda: points)


def test_our_own_is_there_without_any_plugin() -> None:
    assert "local" in executor_names()
    assert find_executor("local") is local


def test_a_plugin_brings_one_by_an_entry_point(pigeons: None) -> None:
    assert executor_names() == ["local", "broken", "pigeons"]
    assert find_executor("pigeons")(4).slots == 1


def test_what_is_missing_or_broken_is_named(pigeons: None) -> None:
    with pytest.raises(TlmlError, match="no executor is called 'pigeon'; did you mean pigeons"):
        find_executor("pigeon")
    with pytest.raises(TlmlError, match=r"executor broken: tlml_broken:make: .*tlml_broken"):
        find_executor("broken")
