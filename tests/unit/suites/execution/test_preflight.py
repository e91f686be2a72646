"""What a check collects, and what ends it."""

from __future__ import annotations

from typing import Any

import pytest
from planned import planned

from tlml.registry import Registry
from tlml.suites import run_cell
from tlml.suites.execution.preflight import _groups, check_here, look_ahead
from tlml.suites.executors.inline import InlineExecutor
from tlml.suites.inside import checks
from tlml.testing.toys import Planes


def adapts(**changes: Any) -> dict[str, Any]:
    """Return the configuration of an adaptation on waves, with parts exchanged."""
    return {
        "kind": "adapt", "protocol": "episodes", "learner": "supervised", "options": {}, "seed": 0,
        "strategy": "full", "strategy_options": {}, "domain": "sinusoid", "domain_options": {},
        "tune": {}, "head": None, "view": {"shots": 5, "episodes": 2}, **changes,
    }  # fmt: skip


def test_configurations_that_differ_by_seed_alone_are_checked_once(registry: Registry) -> None:
    both, one = planned(registry).distinct(), planned(registry, seeds=1).distinct()
    assert len(both) == 2 * len(one)
    assert len(_groups(both)) == len(_groups(one)) <= len(one)
    assert sorted(id for ids, _ in _groups(both) for id in ids) == sorted(c.id for c in both)


REFUSED = [
    (adapts(domain="digits", domain_options={"size": 8}, view={"ways": 11, "shots": 1}),
     "ways=11, but Digits has only 10 classes"),
    (adapts(domain="digits", domain_options={"size": 8}, view={"shots": 100_000}),
     "100000 shots and 15 queries are more"),
    (adapts(options={"network": "conv4"}), "conv4"),
    (adapts(strategy="lora", strategy_options={"rank": 1000}), "rank"),
]  # fmt: skip


@pytest.mark.parametrize(("config", "reason"), REFUSED)
def test_what_does_not_go_together_is_refused_and_the_rest_is_looked_at(
    config: dict[str, Any], reason: str
) -> None:
    last = adapts(strategy="scratch")
    outcome = check_here({"good": (adapts(), None), "bad": (config, None), "last": (last, None)})
    assert (outcome.ending, set(outcome.found)) == ("done", {"bad"})
    assert reason in outcome.found["bad"]


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (adapts(options={"lr": -1.0}), "sinusoid, supervised: lr: must be greater than 0, is -1.0"),
        (adapts(strategy_options={"steps": -1}), "sinusoid, supervised: steps: must be"),
        (adapts(view={"shots": 5, "tasks_per_batch": 0}), "tasks_per_batch: must be greater"),
        (adapts(domain_options={"noise": -1.0}), "noise: must be"),
    ],
)
def test_a_value_that_is_wrong_anywhere_ends_the_check(config: dict[str, Any], reason: str) -> None:
    outcome = check_here({"bad": (config, None), "good": (adapts(), None)})
    assert outcome.ending == "failed" and reason in outcome.reason


@pytest.mark.parametrize(("ways", "works"), [(5, True), (3, False)])
def test_a_head_that_is_to_be_kept_has_to_fit_what_it_was_trained_for(
    ways: int, works: bool
) -> None:
    few = {"size": 8, "variants": 2, "source": ["Armenian"], "target": ["Georgian"]}
    kept = {"domain": "glyphs", "domain_options": few, "options": {"network": "mlp"}}
    cell = adapts(**kept, learner="maml", head="kept", view={"ways": 5, "shots": 1})
    fit = {
        **cell, "kind": "fit", "strategy": "sgd", "view": {"ways": ways}, "view_defaults": {},
        "trainer": {}, "criterion": None,
    }  # fmt: skip
    found = check_here({"cell": (cell, fit)}).found
    assert not found if works else "head: 'kept' does not fit" in found["cell"]


def test_data_that_is_not_here_is_told_by_domain() -> None:
    gone = adapts(domain="omniglot", domain_options={"root": "/nowhere"})
    outcome = check_here({"a": (gone, None), "b": (adapts(), None)})
    assert outcome.ending == "done" and set(outcome.found) == {"unread omniglot"}
    assert "/nowhere" in outcome.found["unread omniglot"]


def test_what_holds_for_a_configuration_holds_for_all_its_seeds(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(config: dict[str, Any], fit: Any) -> None:
        if config.get("view", {}).get("shots") == 10:
            raise run_cell.RefusedError("too many shots")

    monkeypatch.setattr(checks, "check_domain", lambda config: None)
    monkeypatch.setattr(run_cell, "check_cell", refuse)
    plan = planned(registry)
    found = look_ahead(InlineExecutor(), plan.distinct())
    assert set(found.refused) == {c.id for c in plan.adapts if c.point == {"shots": 10}}
    left = plan.without(found.refused)
    assert {(r.domain, r.name, r.at) for r in left.refused} == {
        ("waves", method, "10 shots") for method in plan.methods
    }
    assert {cell.point["shots"] for cell in left.adapts if cell.domain == "waves"} == {5}


class Sealed(Planes):
    """A domain whose state cannot be told."""

    def fingerprint(self) -> str | None:
        raise PermissionError(13, "Permission denied", "index.csv")


def test_a_state_that_cannot_be_told_is_data_that_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run_cell, "check_cell", lambda config, fit: None)
    name = f"{__name__}.Sealed"
    outcome = check_here({"a": (adapts(domain=name), None), "b": (adapts(), None)})
    assert outcome.ending == "done" and set(outcome.found) == {f"unread {name}"}
    assert "index.csv" in outcome.found[f"unread {name}"]


def test_splits_of_one_domain_are_looked_at_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def look(config: dict[str, Any]) -> None:
        if config["view"].get("split") != "source":
            raise checks.UnreadError("the target is away")

    monkeypatch.setattr(checks, "check_domain", look)
    monkeypatch.setattr(run_cell, "check_cell", lambda config, fit: None)
    here = adapts(view={"shots": 5, "split": "source"})
    assert check_here({"a": (here, None)}).found == {}
    assert check_here({"a": (here, None), "b": (adapts(), None)}).found == {
        "unread sinusoid": "the target is away"
    }


@pytest.mark.parametrize(
    "error", [RuntimeError("can't allocate memory:\n 4 TB"), MemoryError(), NotImplementedError()]
)
def test_what_torch_and_memory_refuse_is_left_out(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def together(config: dict[str, Any]) -> None:
        if config["seed"] == 1:
            raise error

    monkeypatch.setattr(run_cell, "_check_together", together)
    outcome = check_here({"a": (adapts(seed=1), None), "b": (adapts(), None)})
    said = "can't allocate memory: 4 TB" if error.args else type(error).__name__
    assert (outcome.ending, dict(outcome.found)) == ("done", {"a": said})


def test_a_network_that_does_not_fit_into_memory_is_left_out() -> None:
    huge = adapts(options={"network": "mlp", "network_options": {"hidden": [10**17]}})
    outcome = check_here({"huge": (huge, None), "good": (adapts(), None)})
    assert (outcome.ending, set(outcome.found)) == ("done", {"huge"})


@pytest.mark.parametrize("where", ["_check_together", "make_learner"])
def test_a_crash_of_strangers_is_one_line_before_anything_runs(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: Any) -> None:
        raise KeyError("missing")

    monkeypatch.setattr(run_cell, where, crash)
    outcome = check_here({"a": (adapts(), None)})
    assert outcome.ending == "failed"
    assert outcome.reason == "sinusoid, supervised: KeyError: 'missing'"
