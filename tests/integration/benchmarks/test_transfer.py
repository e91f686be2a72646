"""The comparison with skada of benchmarks/transfer: its own code, without skada."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.transfer import arrays, cases, compare, deep
from benchmarks.transfer.measured import HEADINGS, markdown
from benchmarks.transfer.sides import SKADA, TLML, Case, Side, our_map, our_weights, their_map
from tlml import PairView


@pytest.fixture(autouse=True)
def loud_again() -> Iterator[None]:
    """Let Lightning log again: the comparison keeps it quiet for good."""
    log = logging.getLogger("pytorch_lightning")
    level = log.level
    yield
    log.setLevel(level)


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def doubling(method: str = "coral_map") -> Case:
    """Return a case whose peer answers with the first class always."""
    first = Side(lambda data, seed: None, lambda _, data: np.zeros(len(data.query_x), np.int64))
    return Case(method, arrays.gaussians()[:2], {TLML: our_map(method), SKADA: first})


def test_accuracy_is_the_mean_over_all_draws() -> None:
    found = compare.measure(doubling(), rounds=2)
    assert (found.data, found.method, found.rounds) == ("Gaussians", "coral_map", 2)
    assert found.accuracy[SKADA] == 0.5
    assert found.accuracy[TLML] > 0.7
    assert len(found.row()) == len(HEADINGS)
    assert markdown([found]).count("\n") == 3


def test_a_comparison_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(compare, "cases", lambda: [doubling(), doubling("subspace_alignment")])
    monkeypatch.setattr(compare, "version", lambda name: "1.0")
    out = tmp_path / "new" / "transfer.json"
    compare.main(["--only", "Gaussians: coral*", "--rounds", "2", "--out", str(out)])
    written = json.loads(out.read_text())
    assert [case["method"] for case in written["cases"]] == ["coral_map"]
    assert written["versions"]["skada"] == "1.0"
    assert "| Gaussians | coral_map |" in capsys.readouterr().out
    with pytest.raises(SystemExit, match=r"--only: 'x' matches none of Gaussians: coral_map, Gau"):
        compare.main(["--only", "x"])


def test_options_and_environments_that_cannot_be_followed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        compare.main(["--rounds", "1"])
    assert "--rounds: must be at least 2, is 1" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "skada", None)
    with pytest.raises(SystemExit, match=r"^skada is not installed; make bench-transfer installs"):
        list(cases.cases())


class Halves:
    """An adapter with skada's methods that halves inputs."""

    def fit_transform(self, x: Any, *, sample_domain: Any) -> Any:
        assert set(sample_domain) == {arrays.SOURCE, arrays.TARGET}
        return x / 2

    def transform(self, x: Any, *, sample_domain: Any) -> Any:
        assert set(sample_domain) == {arrays.TARGET}
        return x / 2


def test_a_peers_map_is_divided_into_source_and_queries() -> None:
    data = arrays.gaussians()[0]
    source, query, weights = their_map(lambda data: Halves()).learn(data, 0)
    np.testing.assert_array_equal(source, data.source_x / 2)
    np.testing.assert_array_equal(query, data.query_x / 2)
    assert weights is None


def test_our_weights_go_to_the_support_vector_machine() -> None:
    side, data = our_weights("domain_classifier"), arrays.covariate_shift()[0]
    learned = side.learn(data, 0)
    assert learned[2].shape == (len(data.source_x),)
    assert not (side.answer(learned, data) == side.answer((*learned[:2], None), data)).all()


def test_our_network_learns_from_the_same_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deep, "EPOCHS", 2)
    (data,) = arrays.digits()
    domain = arrays.printed_and_handwritten()
    view = PairView(domain).source_examples().x
    np.testing.assert_array_equal(data.source_x, view.flatten(1).double().numpy())
    assert (data.source_x.shape, data.query_x.shape) == ((1190, 64), (797, 64))
    side = deep.our_network("coral")
    found = side.answer(side.learn(data, 0), data)
    start = side.answer(deep.Convolutions(0), data)
    assert (found == data.query_y).mean() > (start == data.query_y).mean() + 0.05
