"""Values to try, the best of them, and what they are options of. No torch."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from tlml.errors import TlmlError
from tlml.suites.results import Tried
from tlml.suites.schema import LEARNER, STRATEGY, TRAINER

_TUNING_VALUES = 5
_LEAST = 3  # values that a grid has an edge from


def choices_of(tune: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every combination of the values to try."""
    for values in itertools.product(*(candidates(tune[name]) for name in tune)):
        yield dict(zip(tune, values, strict=True))


def candidates(given: Any) -> list[Any]:
    """Return the values to try: of ``{values: [...]}`` all, of a range five."""
    if isinstance(given, dict):
        return list(given["values"])
    import numpy as np  # planning needs it for ranges alone

    low, high, scale = given
    space = np.geomspace if scale == "log" else np.linspace
    return [float(value) for value in space(low, high, _TUNING_VALUES)]


class TrialResult(NamedTuple):
    """The risk of a choice: infinite where it failed, with the reason."""

    risk: float
    error: str = ""


class Candidate(NamedTuple):
    """A choice of options, with what a test of it starts from.

    Args:
        config: Of the cell, with these options.
        checkpoints: As of `run_adapt`, of this choice.
        options: Those of the fit by names that say whose they are, those of the method as written.
    """

    config: dict[str, Any]
    checkpoints: list[Path]
    options: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Tuning:
    """What a record says of the choice of options, of the method and of its fit.

    Args:
        choices: Among how many.
        tried: Each with its risk, where one choice was made for all episodes.
        edges: Chosen values on the edge of their grid.
        of_fit: The chosen options of the fit.
        cost: What it took, unless that is in the cost of the fit.
    """

    choices: int = 0
    tried: list[Tried] = field(default_factory=list)
    edges: dict[str, list[float]] = field(default_factory=dict)
    of_fit: dict[str, Any] = field(default_factory=dict)
    cost: dict[str, float] = field(default_factory=dict)


def whose(name: str) -> tuple[str, str]:
    """Divide the name of an option to tune in a fit: whose it is, and its name there.

    >>> whose("learner.lr"), whose("weight")
    (('learner.', 'lr'), ('strategy.', 'weight'))
    """
    for prefix in (LEARNER, TRAINER, STRATEGY):
        if name.startswith(prefix):
            return prefix, name.removeprefix(prefix)
    return STRATEGY, name


def part_of_choice(options: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return those of a choice that are the learner's, the Trainer's or the strategy's."""
    named = [(*whose(name), value) for name, value in options.items()]
    return {name: value for own, name, value in named if own == prefix}


def in_full(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options to tune of a fit by names that say whose they are."""
    return {"".join(whose(name)): value for name, value in options.items()}


def with_options(config: dict[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration of a fit with a choice of its options."""
    return config | {
        "tune": {},
        "options": config["options"] | part_of_choice(options, LEARNER),
        "strategy_options": config["strategy_options"] | part_of_choice(options, STRATEGY),
        "trainer": config["trainer"] | part_of_choice(options, TRAINER),
    }


def candidates_of(config: dict[str, Any], checkpoints: list[Path]) -> Iterator[Candidate]:
    """Yield all choices of a cell that adapts: those of its fit with those of the method.

    Args:
        config: Of the cell.
        checkpoints: Of its fits: with `choices` in the configuration one for each, or none yet.
    """
    several = "choices" in config
    for number, fitted in enumerate(config["choices"] if several else [{}]):
        start = checkpoints[number : number + 1] if several else checkpoints
        for options in choices_of(config["tune"]):
            yield Candidate(_with(config, fitted, options), start, fitted | options)


def _with(
    config: dict[str, Any], fitted: dict[str, Any], options: dict[str, Any]
) -> dict[str, Any]:
    """Return the configuration of a choice; the fit's strategy adapts with what it trained with."""
    same = config.get("trained_with") == config["strategy"]
    inherited = part_of_choice(fitted, STRATEGY) if same else {}
    return config | {
        "options": config["options"] | part_of_choice(fitted, LEARNER),
        "strategy_options": inherited | config["strategy_options"] | options,
    }


def tuning_of_fits(found: Sequence[dict[str, Any]]) -> Tuning:
    """Return what the results of fits say that have chosen options by a criterion of their own."""
    on_edge: dict[str, list[float]] = {}
    for one in found:
        every = [in_full(options) for options in one.get("choices", ())]
        for name, value in edges(every, in_full(one.get("options", {}))).items():
            on_edge[name] = sorted({*on_edge.get(name, ()), value})
    seconds = [one["cost"]["tuning_seconds"] for one in found if "tuning_seconds" in one["cost"]]
    alone = found[0] if len(found) == 1 else {}
    return Tuning(
        max((len(one.get("choices", ())) for one in found), default=0),
        tried_of(alone),
        on_edge,
        in_full(alone.get("options", {})),
        {"tuning_seconds": round(sum(seconds), 3)} if seconds else {},
    )


def tried_of(found: Mapping[str, Any]) -> list[Tried]:
    """Return the choices that the result of a fit says it has tried, with their risks."""
    choices = found.get("choices", ())
    errors = found.get("errors") or [""] * len(choices)  # earlier versions kept none
    trials = zip(choices, found.get("risks", ()), errors, strict=True)
    return [Tried(options=in_full(own), risk=risk, error=why) for own, risk, why in trials]


def edges(choices: Sequence[Mapping[str, Any]], chosen: Mapping[str, Any]) -> dict[str, float]:
    """Return the chosen values that are the least or greatest of at least three numbers."""
    found = {}
    for name, value in chosen.items():
        grid = [choice[name] for choice in choices if name in choice]
        numbers = {*grid} if all(map(_is_number, grid)) else set()
        if len(numbers) >= _LEAST and value in (min(numbers), max(numbers)):
            found[name] = value
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def best_of(tried: Sequence[TrialResult]) -> int:
    """Return which choice has the least risk, among those of a finite one.

    Raises:
        TlmlError: None has.
    """
    finite = [number for number, one in enumerate(tried) if math.isfinite(one.risk)]
    if not finite:
        reasons = [one.error for one in tried if one.error]
        raise TlmlError(
            f"tune: none of the {len(tried)} choices has a finite risk, so there is nothing to "
            f"choose from; try other values{f' (one failed: {reasons[0]})' if reasons else ''}"
        )
    return min(finite, key=lambda number: tried[number].risk)
