"""Versions of what cells run."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from importlib import metadata

import pytest
from suite_stubs import stub_registry

from tlml.suites import Suite, plan, versions


def test_package_metadata_is_read_once_for_thousands_of_cells(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[str] = []

    def counted(name: str) -> str:
        read.append(name)
        return "1.0"

    monkeypatch.setattr(metadata, "version", counted)
    monkeypatch.setattr(versions.metadata, "version", counted)
    methods = {
        f"m{i}": {"fit": "pre", "strategy": "full", "options": {"lr": 0.001 * (i + 1)}}
        for i in range(50)
    }
    suite = Suite.model_validate(
        {
            "name": "big", "seeds": 20, "domains": {"waves": {"shots": [0, 1, 2, 5, 10]}},
            "fits": {"pre": {"learner": "supervised"}}, "methods": methods,
        }
    )  # fmt: skip
    registry = stub_registry()
    start = time.process_time()
    made = plan(suite, registry)
    assert len(made.adapts) == 5000
    assert time.process_time() - start < 2
    assert sorted(read) == ["tlml", "torch"]


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    yield
    sys.modules.pop("strange_protocol", None)
