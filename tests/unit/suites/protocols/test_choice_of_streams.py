"""What cells start from."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from protocol_suites import STREAM, planned

from tlml.registry import Registry
from tlml.suites import Plan


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


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


def test_all_choices_of_a_fit_start_from_the_first_seed_of_another(
    here: Path, registry: Registry
) -> None:
    """The options of that one are chosen, too."""
    tune = "tune: {learner.lr: {values: [0.1, 0.01]}}"
    start = STREAM.replace("{lr: 0.1}", f"{{}}, {tune}").replace(
        "  pre: {learner: supervised}",
        "  ridge: {learner: ranpac, fit: naive, tune: {learner.ridge: {values: [1.0, 9.0]}}}",
    )
    made = planned(registry, start.replace("pre: {fit: pre,", "ridge: {fit: ridge,"))
    at = {(fit.name, fit.seed): fit for fit in made.fits}
    (choice,) = [fit for fit in made.fits if fit.name == "choice for ridge"]
    assert choice.after == (at["naive", 0].id,)
    assert at["naive", 0].after == (at["choice for naive", 0].id,)
    for seed in (3, 5):
        assert at["ridge", seed].after == (choice.id, at["naive", seed].id)
    assert {fit.name for fit in made.only(["ridge"]).fits} == {
        "choice for naive", "naive", "choice for ridge", "ridge"
    }  # fmt: skip


def test_patterns_keep_the_choice_of_a_fit(here: Path, registry: Registry) -> None:
    kept = tuned(registry).only(["naive"]).fits
    assert {fit.config["kind"] for fit in kept} == {"fit", "choose"}


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    yield
    sys.modules.pop("strange_protocol", None)
