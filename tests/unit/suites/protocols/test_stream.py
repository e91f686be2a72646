"""Streams in suites."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from protocol_suites import STREAM, of, planned

from tlml.errors import TlmlError
from tlml.registry import Registry
from tlml.suites import load_suite, plan
from tlml.suites.protocols.stream import StreamProtocol


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_stream_cell_is_its_fit_whatever_adapts_it(here: Path, registry: Registry) -> None:
    made = planned(registry)
    first, second = of(made, "stream", "naive"), of(made, "stream", "again")
    assert [c.id for c in first] == [c.id for c in second]
    assert [c.fits for c in first] == [c.fits for c in of(made, "episodes", "naive")[:2]]
    assert first[0].config == {
        "kind": "adapt", "protocol": "stream", "fits": [made.fits[0].id],
        "domain": "rotated_digits", "domain_options": {}, "learner": "naive_cl",
        "options": {"lr": 0.1}, "strategy": None, "strategy_options": {}, "seed": 3,
    }  # fmt: skip


def test_a_fit_on_a_stream_has_the_domains_stream_and_its_own_length(
    here: Path, registry: Registry
) -> None:
    naive, _, supervised, _ = planned(registry).fits
    assert naive.config["view_defaults"] == {"batch_size": 10, "tasks": 3, "samples": 60}
    assert naive.config["trainer"] == {"gradient_clip_val": 1.0}
    assert supervised.config["view_defaults"] == {"batch_size": 10}
    assert supervised.config["trainer"]["max_epochs"] == 2


def test_who_learned_no_stream_is_left_out_of_it_alone(here: Path, registry: Registry) -> None:
    made = planned(registry)
    assert {(r.name, r.protocol): r.reason for r in made.refused} == {
        ("pre", "stream"): "its fit pre (learner supervised) learns no stream",
        ("scratch", "stream"): "starts from no fit, so it has learned no stream",
    }
    assert len(of(made, "episodes", "pre")) == len(of(made, "episodes", "scratch")) == 4
    alone = planned(registry, STREAM.replace(", shots: [0, 1]", ""))
    assert {(r.name, r.protocol) for r in alone.refused} == {("pre", ""), ("scratch", "")}
    assert {c.method for c in alone.adapts} == {"naive", "again"}


def test_no_oracle_chooses_on_the_measured_stream(here: Path, registry: Registry) -> None:
    Path("suite.yaml").write_text(
        STREAM.replace("{lr: 0.1}", "{}, tune: {learner.lr: {values: [0.1, 0.01]}}")
    )
    with pytest.raises(TlmlError, match="oracle: nothing is tuned"):
        plan(load_suite("suite.yaml", registry), registry, oracle=True)


def test_a_stream_is_read_off_its_fit(here: Path) -> None:
    matrix = [[0.9, 0.1], [0.5, 0.8]]
    found = {
        "metric": "accuracy", "higher_is_better": True, "joint": False, "R": matrix,
        "before": [0.1, 0.2], "summary": {"RA": 0.65, "LA": 0.85}, "cost": {"steps": 4.0},
    }  # fmt: skip
    config = {"learner": "naive_cl", "strategy": None}

    def records(**changes: Any) -> Any:
        Path("result.json").write_text(json.dumps({**found, **changes}))
        return StreamProtocol().run(config, [here / "last.ckpt"], lambda share: None)

    (record,) = records()
    assert (record.units, record.scores, record.R) == ([0, 1], [0.5, 0.8], matrix)
    assert (record.metrics, record.cost) == ({"LA": 0.85}, {"steps": 4.0})
    assert record.courses == {}  # of a folder of before there were any
    (record,) = records(courses={"alignment": [[5, 0.25], [10, -0.5]]})
    assert record.courses == {"alignment": [(5, 0.25), (10, -0.5)]}
    (joint,) = records(joint=True, R=[[0.9, 0.7]], summary={"RA": 0.8})
    assert (joint.scores, joint.R, joint.metrics) == ([0.9, 0.7], None, {})
    with pytest.raises(TlmlError, match="the stream ended after 1 of 2 tasks"):
        records(R=matrix[:1])
    Path("result.json").write_text("{}")
    with pytest.raises(TlmlError, match="learner naive_cl: its fit measured no task of a stream"):
        StreamProtocol().run(config, [here / "last.ckpt"], lambda share: None)


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    yield
    sys.modules.pop("strange_protocol", None)
