"""Versions of what cells run."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from distributions import Site, site_on_path
from planned import only_fit, planned
from suite_stubs import stub_registry

from tlml.suites import Plan, Suite, plan, versions


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


STEPS = """
from tlml import Spec, Strategy, hookimpl

class Steps(Strategy):
    def step(self, params, support, context):
        return {{name: p * {factor} for name, p in params.items()}}

@hookimpl
def tlml_strategies():
    return [Spec("steps", "{module}:Steps", "steps", needs=("loss",))]
"""


def _with_steps(site: Site, module: str, factor: int) -> Plan:
    site.write(f"{module}.py", STEPS.format(module=module, factor=factor))
    registry = stub_registry()
    registry.register(importlib.import_module(module), "steps")
    methods = {
        "theirs": {"fit": "pre", "strategy": "full"},
        "steps": {"fit": "pre", "strategy": "steps"},
    }
    return planned(registry, methods=methods)


def test_edited_code_of_a_plugin_makes_the_cells_that_use_it_others(tmp_path: Path) -> None:
    with site_on_path(tmp_path) as site:
        before, after = (_with_steps(site, "steps_in_work", factor) for factor in (1, 0))
    old, new = ({cell.id for cell in made.adapts} for made in (before, after))
    assert old & new == {cell.id for cell in after.adapts if cell.method == "theirs"}
    assert {fit.id for fit in before.fits} == {fit.id for fit in after.fits}


def test_released_code_is_known_by_its_version(tmp_path: Path) -> None:
    with site_on_path(tmp_path / "site-packages") as site:
        before, after = (_with_steps(site, "steps_released", factor) for factor in (1, 0))
    assert {cell.id for cell in before.adapts} == {cell.id for cell in after.adapts}


def test_a_network_by_path_is_part_of_what_is_run(tmp_path: Path) -> None:
    with site_on_path(tmp_path) as site:
        ids = set()
        for width in (8, 9):
            site.write("nets_in_work.py", f"class Net: width = {width}\n")
            fit = {"learner": "supervised", "options": {"network": "nets_in_work.Net"}}
            made = only_fit(stub_registry(), fit)
            assert "nets_in_work (code)" in made.versions
            ids.add(made.id)
    assert len(ids) == 2


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    yield
    sys.modules.pop("strange_protocol", None)
