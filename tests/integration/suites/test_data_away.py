"""Data that goes away while options are chosen: cells fail, and the next run makes up for them."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from distributions import plugin_module
from gymnasium.spaces import Box
from small_suite import results
from torch import Tensor

from tlml import Domain, Examples, Spec, TlmlError
from tlml.cli.bench import main
from tlml.data import SPLITS, Part, Split, fingerprint_files
from tlml.registry import default_registry
from tlml.suites import load_suite, plan, run_suite
from tlml.suites.inside import adapt, choice, fit


class Rows:
    """Twenty rows to train on, and ten for each other part."""

    name = "rows"

    def __init__(self, rows: Tensor) -> None:
        self.rows = rows

    def split(self, part: Part) -> Examples:
        start, end = {"train": (0, 20), "val": (20, 30), "test": (30, 40)}[part]
        return Examples(self.rows[start:end, :1], self.rows[start:end, 1:])


class Table(Domain[Rows]):
    """A file that is read whenever it is asked for; a split is a third of it.

    Args:
        path: Where it is.
        polite: Whether it says what is wrong as tlml does.
    """

    def __init__(self, path: str, polite: bool = False) -> None:
        self.x = self.y = Box(-np.inf, np.inf, (1,), np.float32)
        self.path, self.polite = path, polite

    def tasks(self, split: Split) -> Sequence[Rows]:
        try:
            with open(self.path, encoding="utf-8") as file:
                rows = torch.tensor([[float(value) for value in row] for row in csv.reader(file)])
        except OSError as error:
            if self.polite:
                raise TlmlError(f"table: {self.path} is away") from error
            raise
        return [Rows(rows[SPLITS.index(split) :: 3])]

    def fingerprint(self) -> str | None:
        return fingerprint_files(self.path)


@pytest.fixture(autouse=True)
def plugin() -> Iterator[None]:
    words = frozenset({"pair", "episodes", "regression"})
    spec = Spec("away_table", f"{__name__}:Table", "a table", gives=words)
    default_registry().register(plugin_module(tlml_domains=[spec]), "away")
    yield
    default_registry().unregister("away")


FITS: dict[str, Any] = {
    "plain": {"learner": "supervised"},
    "tuned": {"learner": "supervised", "tune": {"learner.lr": {"values": [0.01, 0.1]}}},
    "judged": {
        "learner": "supervised", "view": {"unlabelled": True}, "criterion": "source_risk",
        "strategy": "coral", "tune": {"learner.lr": {"values": [0.01, 0.1]}},
    },
}  # fmt: skip
# Where one of several choices is tried: of the method, of a fit for all methods, of one by itself.
PLACES: dict[str, tuple[Any, str]] = {
    "plain": (adapt, "_try"), "tuned": (fit, "train"), "judged": (choice, "train"),
}  # fmt: skip


def written(folder: Path, name: str, polite: bool) -> Path:
    """Write a suite whose fit chooses, or else its method."""
    table = folder / "table.csv"
    if not table.exists():
        rng = np.random.default_rng(0)
        rows = [(x, 0.5 * x + rng.normal() / 9) for x in rng.normal(size=120)]
        table.write_text("".join(f"{x},{y}\n" for x, y in rows))
    tune = {"tune": {"lr": {"values": [0.01, 0.1]}}} if name == "plain" else {}
    suite = {
        "name": "away", "seeds": 1, "episodes": 2, "trainer": {"max_epochs": 1},
        "domains": {"away_table": {
            "shots": [4], "options": {"path": str(table), "polite": polite},
            "view": {"queries": 5, "batch_size": 8}, "learner": {"network": "mlp"},
        }},
        "fits": {"pre": FITS[name]},
        "methods": {
            "scratch": {"strategy": "scratch", "options": {"steps": 1}},
            "full": {"fit": "pre", "strategy": "full", "options": {"steps": 1}, **tune},
        },
    }  # fmt: skip
    (folder / "suite.yaml").write_text(yaml.safe_dump(suite))
    return table


def bench(folder: Path) -> int:
    out = str(folder / "out")
    return main(["bench", str(folder / "suite.yaml"), "--out", out, "--jobs", "1"])


def measured(out: Path) -> dict[str, Any]:
    """Return what came out, without what it took."""
    found = {id: {**one, "cost": None} for id, one in results(out).items()}
    return {id: {k: v for k, v in one.items() if k != "token" and k != "sha256"}
            for id, one in found.items()}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "polite", "back"),
    [
        ("plain", False, False), ("plain", True, True), ("tuned", True, True),
        ("judged", True, False),
    ],
)  # fmt: skip
def test_a_choice_without_its_data_fails_and_is_made_up_for(
    name: str,
    polite: bool,
    back: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    table = written(tmp_path, name, polite)
    made = plan(load_suite(tmp_path / "suite.yaml"), default_registry())
    assert run_suite(made, tmp_path / "right", jobs=1) == []
    (module, where), content, tries = PLACES[name], table.read_text(), list[Any]()
    real = getattr(module, where)

    def second_goes_without(*given: Any) -> Any:
        tries.append(given)
        if len(tries) == 2:
            table.unlink()
        try:
            return real(*given)
        finally:
            if back and not table.exists():
                table.write_text(content)

    monkeypatch.setattr(module, where, second_goes_without)
    capsys.readouterr()
    assert bench(tmp_path) == 1
    said = capsys.readouterr().out
    reason = f"table: {table} is away" if polite else "FileNotFoundError: [Errno 2] No such file"
    lines = [line for line in said.splitlines() if line.startswith("failed: ")]
    assert lines and all(reason in line for line in lines)
    table.write_text(content)
    monkeypatch.setattr(module, where, real)
    assert bench(tmp_path) == 0
    assert measured(tmp_path / "out") == measured(tmp_path / "right")
    assert not (tmp_path / "out" / "work").exists()
