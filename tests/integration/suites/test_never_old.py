"""Numbers never outlive the code and the data that they were measured with."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from distributions import Site, site_on_path
from small_suite import results

from tlml.registry import default_registry
from tlml.suites import load_suite, plan, run_suite

PLUGIN = '''
import csv

import numpy as np
import torch
from gymnasium.spaces import Box
from tlml import Domain, Examples, Spec, Strategy, hookimpl
from tlml.data import fingerprint_files


class Rows:
    name = "rows"

    def __init__(self, x, y):
        self.x, self.y = x, y

    def split(self, part):
        n = {"train": 20, "test": 20}.get(part, 0)
        start = 20 if part == "test" else 0
        return Examples(self.x[start : start + n], self.y[start : start + n])


class Table(Domain):
    """A table of one column and a target."""

    x = y = Box(-np.inf, np.inf, (1,), np.float32)

    def __init__(self, path: str):
        self.path = path

    def tasks(self, split):
        with open(self.path, encoding="utf-8") as file:
            rows = torch.tensor([[float(v) for v in row] for row in csv.reader(file)])
        return [Rows(rows[:, :1], rows[:, 1:])]

    def fingerprint(self):
        return fingerprint_files(self.path)


class Shrunk(Strategy):
    """Makes parameters smaller."""

    def steps(self, loss, params, support):
        yield {name: p * 0.5 for name, p in params.items()}


@hookimpl
def tlml_domains():
    words = frozenset({"pair", "episodes", "regression"})
    return [Spec("never_old_table", "never_old:Table", "a table", gives=words)]


@hookimpl
def tlml_strategies():
    return [Spec("never_old_shrunk", "never_old:Shrunk", "smaller", needs=("loss",))]
'''


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with site_on_path(tmp_path / "checkout") as site:
        site.write("never_old.py", PLUGIN)
        default_registry().register(importlib.import_module("never_old"), "never_old")
        try:
            yield site
        finally:
            default_registry().unregister("never_old")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    write(path, 1)
    return path


def write(path: Path, factor: float) -> None:
    path.write_text("".join(f"{i / 40},{factor * i / 40}\n" for i in range(40)))


def run(table: Path) -> dict[str, list[float]]:
    """Run a suite and return the scores of its methods."""
    suite: dict[str, Any] = {
        "name": "never_old", "seeds": 1, "episodes": 2,
        "domains": {"never_old_table": {
            "shots": [4], "options": {"path": str(table)}, "view": {"queries": 5},
            "learner": {"network": "mlp"},
        }},
        "methods": {
            "scratch": {"strategy": "scratch", "options": {"steps": 1}},
            "shrunk": {"strategy": "never_old_shrunk"},
        },
    }  # fmt: skip
    file, out = table.with_suffix(".yaml"), table.with_name("out")
    file.write_text(yaml.safe_dump(suite))
    made = plan(load_suite(file), default_registry())
    assert run_suite(made, out, jobs=1) == []
    return {cell.method: results(out)[cell.id]["scores"] for cell in made.adapts}


def test_numbers_of_edited_code_are_measured_anew(site: Site, table: Path) -> None:
    before = run(table)
    site.write("never_old.py", PLUGIN.replace("p * 0.5", "p * 0"))
    importlib.reload(importlib.import_module("never_old"))
    after = run(table)
    assert after["shrunk"] != before["shrunk"]


def test_numbers_of_changed_data_are_measured_anew(
    site: Site, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = run(table)
    assert run(table) == before
    assert "anew" not in capsys.readouterr().err
    write(table, -5)
    after = run(table)
    assert (
        "the data of never_old_table has changed: 2 cells are run anew" in capsys.readouterr().err
    )
    assert all(after[method] != before[method] for method in before)
    table.unlink()  # what is done stands, though nobody can look any more
    assert run(table) == after
