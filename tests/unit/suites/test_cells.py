"""Cells: what their ids follow from."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
import yaml
from bare_cells import adapt, fit
from hypothesis import given, settings
from hypothesis import strategies as st
from planned import example, planned
from suite_stubs import stub_registry

from tlml.registry import Registry
from tlml.suites.cells import Plan, cell_id
from tlml.suites.description import EPISODES

NAMES = st.from_regex(r"[a-z]{1,6}", fullmatch=True)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=9)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)  # fmt: skip


def test_an_id_is_the_hash_of_configuration_and_versions(registry: Registry) -> None:
    for cell in (*planned(registry).fits, *planned(registry).adapts):
        text = json.dumps(
            {"config": cell.config, "versions": cell.versions},
            sort_keys=True,
            separators=(",", ":"),
        )
        assert cell.id == hashlib.sha256(text.encode()).hexdigest()[:16]


@settings(max_examples=8)
@given(NAMES, st.sampled_from(["full", "sgd"]), st.floats(0.001, 1.0))
def test_adding_a_method_changes_no_other_id(name: str, strategy: str, lr: float) -> None:
    registry = stub_registry()
    before = planned(registry)
    methods = example()["methods"]
    new = {f"new_{name}": {"fit": "pre", "strategy": strategy, "options": {"lr": lr}}}
    for order in ({**methods, **new}, {**new, **methods}):
        after = planned(registry, methods=order)
        assert {c.id for c in before.adapts} < {c.id for c in after.adapts}
        assert {f.id for f in before.fits} == {f.id for f in after.fits}


@pytest.mark.parametrize(
    "change",
    [
        {"name": "another"},
        {"baseline": "full"},
        {"seeds": [0, 1]},
        {"domains": dict(reversed(example()["domains"].items()))},
        {"fits": dict(reversed(example()["fits"].items()))},
    ],
)
def test_what_changes_no_run_changes_no_id(registry: Registry, change: dict[str, Any]) -> None:
    before, after = planned(registry), planned(registry, **change)
    assert {c.id for c in before.adapts} == {c.id for c in after.adapts}
    assert {c.id for c in before.fits} == {c.id for c in after.fits}


@pytest.mark.parametrize(
    "change",
    [
        {"episodes": 99},
        {"trainer": {"max_steps": 3}},
        {"domains": {"waves": {"shots": [5, 10], "view": {"queries": 4}}}},
        {"domains": {"waves": {"shots": [5, 10], "options": {"noise": 0.1}}}},
        {"domains": {"waves": {"shots": [5, 10], "learner": {"network": "mlp"}}}},
        {"methods": {"full": {"fit": "pre", "strategy": "full", "head": "new"}}},
        {"methods": {"full": {"fit": "pre", "strategy": "full", "tune": {"lr": [1, 2, "log"]}}}},
        {"methods": {"full": {"fit": "pre", "strategy": "full", "options": {"lr": 0.5}}}},
    ],
)
def test_what_changes_a_run_changes_its_id(registry: Registry, change: dict[str, Any]) -> None:
    start = {
        "seeds": 1,
        "domains": {"waves": {"shots": [5, 10]}},
        "methods": {"full": {"fit": "pre", "strategy": "full"}},
    }
    before, after = planned(registry, **start), planned(registry, **{**start, **change})
    assert not {c.id for c in before.adapts} & {c.id for c in after.adapts}


def test_another_release_of_a_plugin_changes_the_ids_of_what_uses_it(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = registry.plugin_of("strategy", "mmd")
    assert "stubs" not in planned(registry).adapts[0].versions
    released = dataclasses.replace(plugin, distribution="stubs", version="2.1")
    monkeypatch.setattr(registry, "plugin_of", lambda kind, name: released)
    assert planned(registry).adapts[0].versions["stubs"] == "2.1"
    assert planned(registry).adapts[0].id != planned(stub_registry()).adapts[0].id


def test_what_starts_from_others_comes_first() -> None:
    fits = (fit("c"), fit("f", "c"), fit("g"))
    plan = Plan("s", "m", ("m",), ("d",), fits, (adapt("a", "f"), adapt("b", "g")), (), {})
    assert [cell.id for cell in plan.with_users({"c"})] == ["a", "f", "c"]
    assert plan.with_users(()) == []


def test_a_refused_choice_of_a_fit_is_one_choice_less() -> None:
    fits = tuple(replace(fit(id), tried={"lr": id}) for id in "fg")
    plan = Plan("s", "m", ("m",), ("d",), fits, (adapt("a", "f", "g"),), (),
                {"episodes": EPISODES})  # fmt: skip
    assert plan.without({"f": "too large"}) == plan
    (told,) = plan.refused_choices({"f": "too large", "a": "no"})
    assert (told.where, told.kind, told.name) == ("d", "fit", "f with lr=f")
    assert told.reason == "too large"
    left = plan.without({"f": "too large", "g": "too small"})
    assert (left.adapts, left.fits) == ((), ())
    assert [one.reason for one in left.refused] == ["fit f: too large"]
    plain = replace(plan, fits=(fit("f"), fit("g")))  # one for each episode
    assert plain.without({"f": "too large"}).adapts == ()


@settings(max_examples=20)
@given(st.dictionaries(st.text(max_size=5), PLAIN, max_size=3))
def test_a_configuration_survives_yaml(options: dict[str, Any]) -> None:
    methods = {"m": {"strategy": "hidden", "options": options}}
    for cell in planned(stub_registry(), seeds=1, methods=methods).adapts:
        assert yaml.safe_load(yaml.safe_dump(cell.config)) == cell.config
        assert cell_id(yaml.safe_load(yaml.safe_dump(cell.config)), cell.versions) == cell.id
