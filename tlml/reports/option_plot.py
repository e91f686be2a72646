"""Plots of a report: the score against an option, of a strategy or of what was chosen from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tlml.presentation.figure import COLOURS, bars, entitle, interval_words, new_figure, png, tidy
from tlml.presentation.rows import Interval
from tlml.reports.units import Division, Scored, crossed
from tlml.suites.cells import ORACLE, RETAINED, VALIDATION_TASKS
from tlml.suites.description import Description, Value
from tlml.suites.schema import STRATEGY

_LEAST = 3  # values that make a curve
_WIDE = 20  # from the least value to the greatest, where an axis is logarithmic


@dataclass(frozen=True, slots=True)
class Curve:
    """Methods that differ in one numeric option of their strategy only, or choices of one method.

    Args:
        owner: The strategy, or the method that chose.
        option: The option.
        metric: What was measured, and on what.
        scores: By place on the protocol's axis and value of the option.
        about: What an interval is, where it is none of the mean.
    """

    owner: str
    option: str
    metric: str
    scores: Mapping[Value, Mapping[float, Interval]]
    about: str = ""


def curves(scores: Iterable[dict[str, Any]]) -> list[Curve]:
    """Find the options of which at least three values were compared, on one domain."""
    rows = [row for row in scores if row["strategy"]]
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        fixed = _fixed(row)
        for option in _numeric(fixed):
            rest = tuple(sorted((k, str(v)) for k, v in fixed.items() if k != option))
            key = (row["strategy"], option, row["fit"], row["chosen_by"], rest)
            groups.setdefault(key, []).append(row)
    return [curve for key, group in groups.items() for curve in _curve(key[0], key[1], group)]


def tuned_curves(scores: Iterable[dict[str, Any]]) -> list[Curve]:
    """Show what each method chose from: by value the best choice that has it, over the seeds."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in scores:
        if row.get("tried") and not row["method"].endswith(ORACLE):
            groups.setdefault(row["method"], []).append(row)
    return [curve for method, rows in groups.items() for curve in _tuned(method, rows)]


def plot_curve(curve: Curve, domain: str, shown: Description) -> bytes:
    """Draw one option as a PNG: a line for each place on the axis, which `shown` orders."""
    figure = new_figure()
    axes = figure.add_subplot()
    for number, place in enumerate(sorted(curve.scores, key=shown.order)):
        scores = curve.scores[place]
        values = sorted(scores)
        intervals = [scores[value] for value in values]
        axes.errorbar(
            values, [one.mean for one in intervals], yerr=bars(intervals), marker="o", capsize=3,
            color=COLOURS[number % len(COLOURS)], markersize=5,
            label=shown.said(place),
        )  # fmt: skip
    ticks = sorted({value for scores in curve.scores.values() for value in scores})
    if ticks[0] > 0 and ticks[-1] >= _WIDE * ticks[0]:
        axes.set_xscale("log")
    axes.set_xticks(ticks, [f"{value:g}" for value in ticks])
    axes.minorticks_off()
    axes.set_xlabel(f"{curve.option} of {curve.owner}")
    axes.set_ylabel(curve.metric)
    every = (one for scores in curve.scores.values() for one in scores.values())
    entitle(axes, f"{domain}: {curve.owner}{curve.about or interval_words(every)}")
    tidy(axes)
    axes.legend(frameon=False)
    return png(figure)


def _fixed(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that nothing chose: what was chosen is no axis of a comparison."""
    chosen = {name for one in row.get("tried", ()) for name in one["options"]}
    chosen |= {name.removeprefix(STRATEGY) for name in chosen}
    return {name: value for name, value in row["options"].items() if name not in chosen}


def _tuned(method: str, rows: Sequence[dict[str, Any]]) -> Iterator[Curve]:
    criterion, higher = rows[0]["chosen_by"], rows[0]["higher_is_better"]
    measured = criterion in (VALIDATION_TASKS, RETAINED)
    sign = -1 if measured and higher else 1
    metric = f"{rows[0]['metric']} on {criterion}" if measured else f"risk by {criterion}"
    tried = [one["options"] for row in rows for one in row["tried"]]
    for option in dict.fromkeys(name for options in tried for name in _numeric(options)):
        found: dict[Value, dict[float, list[float]]] = {}
        for row in rows:
            ((_, value),) = row["point"].items()
            for choice, risk in _least_risks(row["tried"], option).items():
                found.setdefault(value, {}).setdefault(choice, []).append(sign * risk)
        scores = {value: {c: _span(r) for c, r in own.items()} for value, own in found.items()}
        if len({choice for own in found.values() for choice in own}) >= _LEAST:
            yield Curve(
                method, option, metric, scores, " among its choices, least to greatest seed"
            )


def _least_risks(tried: Iterable[Mapping[str, Any]], option: str) -> dict[float, float]:
    found: dict[float, float] = {}
    for one in tried:
        value = one["options"].get(option)
        if _is_number(value) and math.isfinite(one["risk"]):
            found[value] = min(one["risk"], found.get(value, math.inf))
    return found


def _span(values: Sequence[float]) -> Interval:
    return Interval(sum(values) / len(values), min(values), max(values))


def _numeric(options: Mapping[str, Any]) -> Iterator[str]:
    for name, value in options.items():
        if _is_number(value):
            yield name


def _is_number(value: Any) -> bool:
    """Say whether a value has a place on an axis: no word, nothing, truth or infinity has."""
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return known and math.isfinite(value)


def _curve(strategy: str, option: str, rows: list[dict[str, Any]]) -> Iterator[Curve]:
    if len({row["options"][option] for row in rows}) < _LEAST:
        return
    found: dict[Value, dict[float, list[Scored]]] = {}
    for row in rows:
        ((_, value),) = row["point"].items()
        place = found.setdefault(value, {}).setdefault(row["options"][option], [])
        place.append(Scored.of_row(row))
    scores = {value: _intervals(by_choice) for value, by_choice in found.items()}
    yield Curve(strategy, option, f"target {rows[0]['metric']}", scores)


def _intervals(by_choice: Mapping[float, list[Scored]]) -> dict[float, Interval]:
    every = (one for scored in by_choice.values() for one in scored)
    division = Division.of(every, "unit")
    return {choice: crossed(own, division).interval() for choice, own in by_choice.items()}
