"""Values to try, and the best of them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from tlml.errors import TlmlError
from tlml.suites.tuning import (
    TrialResult,
    Tuning,
    best_of,
    candidates,
    candidates_of,
    edges,
    in_full,
    part_of_choice,
    tuning_of_fits,
    with_options,
)


def test_ranges_to_tune_become_values() -> None:
    assert candidates({"values": [3, 1]}) == [3, 1]
    assert candidates([1.0, 5.0, "linear"]) == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert candidates([0.01, 100.0, "log"]) == pytest.approx([0.01, 0.1, 1, 10, 100])


def test_names_say_whose_an_option_is() -> None:
    options = {"learner.lr": 1, "trainer.max_epochs": 2, "strategy.lr": 3, "weight": 4}
    assert part_of_choice(options, "learner.") == {"lr": 1}
    assert part_of_choice(options, "strategy.") == {"lr": 3, "weight": 4}
    assert [*in_full(options)] == [*[*options][:3], "strategy.weight"]
    config = {"options": {"lr": 0}, "strategy_options": {}, "trainer": {}, "tune": {"weight": 1}}
    assert with_options(config, options) == {
        "options": {"lr": 1}, "strategy_options": {"lr": 3, "weight": 4},
        "trainer": {"max_epochs": 2}, "tune": {},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "chosen", "edge"),
    [
        ([0.1, 0.2, 0.3], 0.3, True),
        ([0.3, 0.1, 0.2], 0.1, True),
        ([0.1, 0.2, 0.3], 0.2, False),
        ([1, 2, 2, 1], 1, False),  # two values have no middle
        (["a", "b", "c"], "a", False),
        ([True, False, 2], 2, False),
    ],
)
def test_the_least_and_the_greatest_of_three_numbers_are_edges(
    values: list[Any], chosen: Any, edge: bool
) -> None:
    choices = [{"lr": value, "kind": "x"} for value in values]
    assert edges(choices, {"lr": chosen, "kind": "x"}) == ({"lr": chosen} if edge else {})


def test_choices_of_fit_and_method_are_every_pair_of_them() -> None:
    config = {
        "choices": [{"learner.lr": 1, "strategy.lr": 2}, {"learner.lr": 3, "strategy.lr": 4}],
        "trained_with": "sgd", "strategy": "sgd", "options": {}, "strategy_options": {"steps": 9},
        "tune": {"steps": {"values": [5, 6]}},
    }  # fmt: skip
    paths = [Path("a"), Path("b")]
    found = list(candidates_of(config, paths))
    assert [one.checkpoints for one in found] == [[paths[0]]] * 2 + [[paths[1]]] * 2
    assert found[3].options == {"learner.lr": 3, "strategy.lr": 4, "steps": 6}
    assert found[3].config["options"] == {"lr": 3}
    assert found[3].config["strategy_options"] == {"lr": 4, "steps": 6}
    other = list(candidates_of({**config, "strategy": "full"}, paths))
    assert other[3].config["strategy_options"] == {"steps": 6}


def test_what_fits_have_chosen_by_themselves_is_told() -> None:
    choices = [{"weight": value} for value in (1, 2, 3)]
    fits = [
        {"choices": choices, "risks": [1, 2, 3], "options": {"weight": value}, "cost": {}}
        for value in (1, 2, 3)
    ]
    assert tuning_of_fits(fits).edges == {"strategy.weight": [1, 3]}
    assert (tuning_of_fits(fits).choices, tuning_of_fits(fits).tried) == (3, [])
    alone = tuning_of_fits(fits[:1])
    assert [one.risk for one in alone.tried] == [1, 2, 3]
    assert {one.error for one in alone.tried} == {""}
    lost = {**fits[0], "errors": ["", "it diverged", ""]}
    assert [one.error for one in tuning_of_fits([lost]).tried] == ["", "it diverged", ""]
    assert alone.of_fit == {"strategy.weight": 1}
    assert tuning_of_fits([]) == Tuning()


def test_the_best_choice_has_a_finite_risk() -> None:
    assert (
        best_of(
            [TrialResult(math.nan), TrialResult(3.0), TrialResult(math.inf, "no"), TrialResult(2.0)]
        )
        == 3
    )
    message = (
        "tune: none of the 2 choices has a finite risk, so there is nothing to choose from; try "
        "other values"
    )
    for reason, end in (("", "$"), ("lower its lr", r" \(one failed: lower its lr\)$")):
        with pytest.raises(TlmlError, match=f"^{message}{end}"):
            best_of([TrialResult(math.nan), TrialResult(math.inf, reason)])
