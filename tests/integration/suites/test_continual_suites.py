"""The suites of streams compare like with like, and their learners take their options."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from places import ROOT

from tlml.registry import default_registry
from tlml.suites import FitCell, Plan, Suite, load_suite, plan
from tlml.suites.inside.ingredients import make_learner
from tlml.suites.tuning import choices_of, with_options

SUITES = ROOT / "benchmarks" / "suites"
STREAMS = ("continual_small", str(SUITES / "continual.yaml"))
ALL = (*STREAMS, str(SUITES / "continual_then_new.yaml"))
UNTUNED = {"ncm", "ranpac"}  # they take no steps

each_suite = pytest.mark.parametrize("name", ALL)
each_stream = pytest.mark.parametrize("name", STREAMS)


@cache
def planned(name: str) -> tuple[Suite, Plan]:
    suite = load_suite(name)
    return suite, plan(suite, default_registry())


def learned(name: str) -> list[FitCell]:
    """Return the fits on streams of the first seed, before they chose."""
    _, made = planned(name)
    return [fit for fit in made.fits if fit.config["kind"] == "choose"]


@each_stream
def test_every_method_learns_every_stream(name: str) -> None:
    suite, made = planned(name)
    assert made.refused == ()
    assert {(cell.domain, cell.method) for cell in made.adapts} == {
        (domain, method) for domain in suite.domains for method in suite.methods
    }
    assert suite.baseline == "naive"


@each_suite
def test_methods_that_are_tuned_on_streams_choose_among_as_many(name: str) -> None:
    budgets = {
        (cell.domain, cell.name): len([*choices_of(cell.config["tune"])]) for cell in learned(name)
    }
    assert len({*budgets.values()}) == 1, budgets
    suite, _ = planned(name)
    for label, fit in suite.fits.items():
        assert bool(fit.tune) is (label not in UNTUNED), label


@each_suite
def test_memories_are_of_one_size_on_a_domain(name: str) -> None:
    sizes: dict[str, set[int]] = {}
    for cell in learned(name):
        options: dict[str, Any] = cell.config["options"]
        if "memory_size" in options:
            sizes.setdefault(cell.domain, set()).add(options["memory_size"])
    assert sizes and all(len(own) == 1 for own in sizes.values()), sizes


@each_suite
def test_learners_take_their_options(name: str) -> None:
    _, made = planned(name)
    made_of = {(cell.domain, cell.name): cell for cell in made.fits if cell.config["tune"]}
    assert {cell.config["learner"] for cell in made_of.values()} >= {"naive", "er", "der", "lamaml"}
    for cell in made_of.values():
        choices = [*choices_of(cell.config["tune"])]
        for options in (choices[0], choices[-1]):
            make_learner(with_options(cell.config, options))


def test_after_a_stream_all_meet_the_same_episodes() -> None:
    suite, made = planned(ALL[-1])
    episodes = [cell for cell in made.adapts if cell.protocol == "episodes"]
    assert {cell.method for cell in episodes} == {*suite.methods}
    assert {cell.point["shots"] for cell in episodes} == {1, 5}
    (lamaml,) = {cell.config["strategy"] for cell in episodes if cell.method == "lamaml"}
    assert lamaml == "meta_sgd"  # by the rates that it learned


def test_before_new_tasks_all_look_as_often_at_a_stream() -> None:
    looks: dict[str, set[Any]] = {}
    streams = {"naive", "er", "der", "lamaml"}
    for cell in learned(ALL[-1]):
        if cell.config["learner"] in streams:
            looks.setdefault(cell.domain, set()).add(cell.config["options"].get("glances"))
    assert looks == {"rotated_digits": {5}, "split_glyphs": {5}}
