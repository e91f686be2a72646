"""Cells are checked by what they are, and written whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tlml import TlmlError
from tlml.errors import OptionError
from tlml.suites import run_cell as cells
from tlml.suites.protocols.episodes import EpisodesProtocol
from tlml.suites.results import Record
from tlml.suites.run_cell import check_cell, protocol_of, run_cell

RECORD = Record(
    point={"shots": 1}, metric="accuracy", higher_is_better=True, units=[0], scores=[0.5]
)


class Stub:
    def __init__(self, records: int) -> None:
        self.records = [RECORD] * records

    def run(self, *_: Any) -> list[Record]:
        return self.records


def written(folder: Path, patch: pytest.MonkeyPatch, records: int) -> dict[str, Any]:
    patch.setattr(cells, "protocol_of", lambda config: Stub(records))
    cell = {"id": "a", "seed": 3, "config": {"kind": "adapt", "protocol": "episodes"}}
    found = run_cell(cell, folder, [], lambda share: None)
    assert (folder / "config.yaml").read_text().startswith("kind: adapt")
    assert [path.name for path in folder.iterdir()] == ["config.yaml"]
    assert json.loads(json.dumps(found)) == found
    return found


def test_one_record_stands_flat_in_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = written(tmp_path, monkeypatch, 1)
    assert (found["kind"], found["seed"], found["scores"]) == ("adapt", 3, [0.5])
    assert "config" not in found and "records" not in found


def test_several_stand_under_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = written(tmp_path, monkeypatch, 2)
    assert [record["scores"] for record in found["records"]] == [[0.5], [0.5]]


def test_a_cell_that_measures_has_its_protocol() -> None:
    assert isinstance(protocol_of({"protocol": "episodes"}), EpisodesProtocol)
    with pytest.raises(TlmlError, match="no protocol is called 'episode'; did you mean episodes"):
        protocol_of({"protocol": "episode"})


def test_wrong_values_of_a_fit_show_before_it_runs() -> None:
    config = {
        "kind": "fit", "learner": "maml", "options": {}, "seed": 0, "strategy": None,
        "strategy_options": {}, "domain": "sinusoid", "domain_options": {}, "view_defaults": {},
        "view": {"shots": 0}, "trainer": {}, "tune": {},
    }  # fmt: skip
    with pytest.raises(TlmlError, match="shots"):
        check_cell(config)


def test_every_choice_of_a_tuned_fit_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    config = {
        "kind": "fit", "learner": "maml", "options": {}, "seed": 0, "strategy": None,
        "strategy_options": {}, "domain": "sinusoid", "domain_options": {}, "view_defaults": {},
        "view": {"shots": 1}, "trainer": {}, "criterion": "entropy",
    }  # fmt: skip
    monkeypatch.setattr(cells, "check_tuning", lambda *_: None)

    def check(*networks: str) -> None:
        check_cell({**config, "tune": {"learner.network": {"values": [*networks]}}})

    check("mlp", "conv4")
    check("conv4", "mlp")
    with pytest.raises(cells.RefusedError, match="conv4"):
        check("conv4", "conv4")
    with pytest.raises(OptionError, match="lr: must be"):
        check_cell({**config, "tune": {"learner.lr": {"values": [0.1, -1.0]}}})
