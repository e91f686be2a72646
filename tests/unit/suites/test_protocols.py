"""Protocols: their keys in suites, what of them is planned, and those that plugins bring."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import control
import pytest
import stream_learners
from suite_stubs import stub_registry

from tlml import Spec, hookimpl
from tlml.errors import TlmlError
from tlml.registry import Registry, default_registry
from tlml.suites import AdaptCell, Plan, Suite, load_suite, plan, versions
from tlml.suites.description import EPISODES
from tlml.suites.protocols.stream import StreamProtocol
from tlml.suites.protocols.table import Protocols

STREAM = """\
name: retained
seeds: [3, 5]
domains:
  rotated_digits: {stream: {tasks: 3, samples: 60}, shots: [0, 1], view: {batch_size: 10}}
fits:
  naive: {learner: naive_cl, options: {lr: 0.1}}
  pre: {learner: supervised}
methods:
  naive: {fit: naive, strategy: full}
  again: {fit: naive, strategy: linear_probe}
  pre: {fit: pre, strategy: full}
  scratch: {strategy: scratch}
trainer: {max_epochs: 2, gradient_clip_val: 1.0, limit_val_batches: 0}
"""


@pytest.fixture(scope="module")
def registry() -> Registry:
    made = Registry()
    made.register(stream_learners, "stream_learners")
    made.register(control, "control")
    return made


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def planned(registry: Registry, text: str = STREAM) -> Plan:
    Path("bad.yaml").write_text(text)
    return plan(load_suite("bad.yaml", registry), registry)


def error_of(registry: Registry, old: str, new: str) -> str:
    assert old in STREAM
    with pytest.raises(TlmlError) as caught:
        planned(registry, STREAM.replace(old, new, 1))
    return str(caught.value).removeprefix("bad.yaml:")


def of(made: Plan, protocol: str, method: str) -> list[AdaptCell]:
    return [c for c in made.adapts if (c.protocol, c.method) == (protocol, method)]


def test_a_domain_with_two_keys_is_compared_over_both(here: Path, registry: Registry) -> None:
    made = planned(registry)
    assert [c.point for c in of(made, "episodes", "naive")] == [
        {"shots": 0}, {"shots": 0}, {"shots": 1}, {"shots": 1}
    ]  # fmt: skip
    assert [(c.point, c.seed) for c in of(made, "stream", "naive")] == [
        ({"tasks": 3}, 3), ({"tasks": 3}, 5)
    ]  # fmt: skip
    # Nothing is trained twice.
    assert [(fit.name, fit.seed) for fit in made.fits] == [
        ("naive", 3), ("naive", 5), ("pre", 3), ("pre", 5)
    ]  # fmt: skip
    assert list(made.protocols) == ["episodes", "stream"]
    assert made.protocols["episodes"] == EPISODES
    assert made.as_dict()["protocols"]["stream"]["axis"] == "tasks"


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


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("stream: {tasks: 3, samples: 60}, shots: [0, 1], ", "",
         "4: domains.rotated_digits: what to compare over is missing: give one of shots, stream, "
         "env_steps"),
        ("stream: {", "streem: {",
         "4: domains.rotated_digits: unknown key 'streem'; did you mean 'stream'?"),
        ("{tasks: 3, samples: 60}", "{samples: 60}",
         "4: domains.rotated_digits.stream: the key 'tasks' is missing"),
        ("{tasks: 3, samples: 60}", "3",
         "4: domains.rotated_digits.stream: must be a mapping, is 3"),
        ("tasks: 3", "tasks: 0",
         "4: domains.rotated_digits.stream.tasks: must be greater than 0, is 0"),
        ("samples: 60", "sample: 60",
         "4: domains.rotated_digits.stream: StreamView: no option is called 'sample'; did you "
         "mean samples?"),
        ("samples: 60", "seed: 1",
         "4: domains.rotated_digits.stream: 'seed' is not an option here, it is set by seeds"),
        ("{lr: 0.1}", "{lr: 0.1}, view: {tasks: 2}",
         "6: fits.naive.view: 'tasks' is not an option here, it is set by stream, in domains"),
        ("{lr: 0.1}", "{lr: 0.1}, trainer: {max_epochs: 9}",
         "6: fits.naive.trainer: 'max_epochs' is not an option here, it is set by the stream"),
        ("{lr: 0.1}", "{lr: 0.1}, criterion: entropy",
         "6: fits.naive.criterion: 'entropy' cannot judge: learner naive_cl learns a stream: leave "
         "it out, or take stream"),
        ("supervised}", "supervised, criterion: stream}",
         "7: fits.pre.criterion: 'stream' cannot judge: learner supervised learns no stream"),
        ("supervised}", "supervised, tune: {learner.lr: [0.1, 1, log]}}",
         "7: fits.pre.tune: 'learner.lr' is of a learner, and only those that learn a stream are "
         "tuned; learner supervised does not"),
        ("{lr: 0.1}", "{}, tune: {learner.lrr: [0.1, 1, log]}",
         "6: fits.naive.tune: learner naive_cl: no option is called 'lrr'; did you mean lr?"),
        ("{lr: 0.1}", "{}, tune: {learner.seed: {values: [1, 2]}}",
         "6: fits.naive.tune: 'seed' is not an option here, it is set by seeds"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line(
    here: Path, registry: Registry, old: str, new: str, message: str
) -> None:
    assert error_of(registry, old, new).startswith(message)


# Choosing


def tuned(registry: Registry, **methods: Any) -> Plan:
    tune = "{}, tune: {learner.lr: {values: [0.1, 0.01]}}"
    return planned(registry, STREAM.replace("{lr: 0.1}", tune))


def test_options_are_chosen_once_for_all_seeds(here: Path, registry: Registry) -> None:
    made = tuned(registry)
    (choice,) = [fit for fit in made.fits if fit.config["kind"] == "choose"]
    fits = [fit for fit in made.fits if fit.name == "naive"]
    assert choice.config["tune"] == {"learner.lr": {"values": [0.1, 0.01]}}
    assert (choice.name, choice.seed, choice.after) == ("choice for naive", 0, ())
    assert [fit.seed for fit in fits] == [3, 5]
    for fit in fits:
        assert (fit.after, fit.config["choice"]) == ((choice.id,), choice.id)
        assert (fit.config["tune"], fit.config["criterion"]) == ({}, "stream")
        same = {"learner", "options", "view", "view_defaults", "trainer", "domain"}
        assert {k: fit.config[k] for k in same} == {k: choice.config[k] for k in same}


def test_patterns_keep_the_choice_of_a_fit(here: Path, registry: Registry) -> None:
    kept = tuned(registry).only(["naive"]).fits
    assert {fit.config["kind"] for fit in kept} == {"fit", "choose"}


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
    (joint,) = records(joint=True, R=[[0.9, 0.7]], summary={"RA": 0.8})
    assert (joint.scores, joint.R, joint.metrics) == ([0.9, 0.7], None, {})
    with pytest.raises(TlmlError, match="the stream ended after 1 of 2 tasks"):
        records(R=matrix[:1])
    Path("result.json").write_text("{}")
    with pytest.raises(TlmlError, match="learner naive_cl: its fit measured no task of a stream"):
        StreamProtocol().run(config, [here / "last.ckpt"], lambda share: None)


# Those of plugins


def broken(**changes: Any) -> Registry:
    module = ModuleType("strange_protocol")
    own = {"name": "strange", "word": "env", "keys": control.ControlKeys} | changes
    parts = {name: value for name, value in own.items() if value is not None}
    target = changes.pop("target", type("Strange", (control.Control,), parts))
    module.Strange = target  # type: ignore[attr-defined]
    module.tlml_protocols = hookimpl(  # type: ignore[attr-defined]
        lambda: [Spec("strange", "strange_protocol:Strange", "strange", needs=("env",))],
        specname="tlml_protocols",
    )
    sys.modules["strange_protocol"] = module
    registry = stub_registry()
    registry.register(module, "strange")
    return registry


class _Episodes(control.Keys):
    shots: int


class _Domain(control.Keys):
    options: int


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"word": "pair"}, "its Spec says strange and needs env; Strange says strange and pair"),
        ({"name": "other"}, "its Spec says strange and needs env; Strange says other and env"),
        ({"keys": _Episodes}, "its key 'shots' has a meaning in suites already"),
        ({"keys": _Domain}, "its key 'options' has a meaning in suites already"),
        ({"keys": control.Keys}, "Strange has no key in the domains of suites"),
        ({"target": dict}, "dict is not a subclass of tlml.suites.Protocol"),
    ],
)
def test_a_protocol_that_cannot_be_used_stops_no_suite(
    here: Path, changes: dict[str, Any], reason: str
) -> None:
    registry = broken(**changes)
    protocols = Protocols(registry)
    assert list(protocols.by_name) == ["episodes", "stream"]
    assert protocols.broken == {"strange": reason}
    text = "name: x\ndomains:\n  waves: {shots: 1}\nmethods: {s: {strategy: scratch}}\n"
    assert planned(registry, text).adapts
    with pytest.raises(TlmlError) as caught:
        planned(registry, text.replace("shots: 1", "env_steps: 1"))
    message = "bad.yaml:3: domains.waves: unknown key 'env_steps'"
    assert str(caught.value).startswith(message)
    assert str(caught.value).endswith(f"; protocol strange cannot be used: {reason}")


def test_built_in_protocols_come_through_the_hook() -> None:
    assert [spec.name for spec in default_registry().specs("protocol")][:1] == ["episodes"]
    assert default_registry().plugin_of("protocol", "stream").name == "core"


# Speed


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
