"""Plots of a report: the score against an option of a strategy, such as how many layers freeze."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tlml.presentation.figure import COLOURS, bars, entitle, interval_words, new_figure, png, tidy
from tlml.presentation.rows import Interval
from tlml.reports.units import Division, Scored, crossed
from tlml.suites.description import Value

_LEAST = 3  # values that make a curve


@dataclass(frozen=True, slots=True)
class Curve:
    """Methods that differ in one numeric option of their strategy only.

    Args:
        strategy: The strategy.
        option: The option.
        metric: What was measured.
        scores: By place on the protocol's axis and value of the option.
    """

    strategy: str
    option: str
    metric: str
    scores: Mapping[Value, Mapping[float, Interval]]


def curves(scores: Iterable[dict[str, Any]]) -> list[Curve]:
    """Find the options of which at least three values were compared, on one domain."""
    rows = [row for row in scores if row["strategy"]]
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        for option in _numeric(row["options"]):
            rest = tuple(sorted((k, str(v)) for k, v in row["options"].items() if k != option))
            key = (row["strategy"], option, row["fit"], row["chosen_by"], rest)
            groups.setdefault(key, []).append(row)
    return [curve for key, group in groups.items() for curve in _curve(key[0], key[1], group)]


def plot_curve(curve: Curve, domain: str, said: Callable[[Value], str]) -> bytes:
    """Draw one option as a PNG: a line for each place on the axis, which `said` says."""
    figure = new_figure()
    axes = figure.add_subplot()
    for number, (place, scores) in enumerate(sorted(curve.scores.items(), key=_order)):
        values = sorted(scores)
        intervals = [scores[value] for value in values]
        axes.errorbar(
            values, [one.mean for one in intervals], yerr=bars(intervals), marker="o", capsize=3,
            color=COLOURS[number % len(COLOURS)], markersize=5,
            label=said(place),
        )  # fmt: skip
    axes.set_xticks(sorted({value for scores in curve.scores.values() for value in scores}))
    axes.set_xlabel(f"{curve.option} of {curve.strategy}")
    axes.set_ylabel(f"target {curve.metric}")
    every = (one for scores in curve.scores.values() for one in scores.values())
    entitle(axes, f"{domain}: {curve.strategy}{interval_words(every)}")
    tidy(axes)
    axes.legend(frameon=False)
    return png(figure)


def _order(scores: tuple[Value, Any]) -> tuple[bool, Value]:
    return isinstance(scores[0], str), scores[0]  # words after numbers


def _numeric(options: Mapping[str, Any]) -> Iterator[str]:
    for name, value in options.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield name


def _curve(strategy: str, option: str, rows: list[dict[str, Any]]) -> Iterator[Curve]:
    if len({row["options"][option] for row in rows}) < _LEAST:
        return
    found: dict[Value, dict[float, list[Scored]]] = {}
    for row in rows:
        ((_, value),) = row["point"].items()
        place = found.setdefault(value, {}).setdefault(row["options"][option], [])
        place.append(Scored.of_row(row))
    scores = {value: _intervals(by_choice) for value, by_choice in found.items()}
    yield Curve(strategy, option, rows[0]["metric"], scores)


def _intervals(by_choice: Mapping[float, list[Scored]]) -> dict[float, Interval]:
    every = (one for scored in by_choice.values() for one in scored)
    division = Division.of(every, "unit")
    return {choice: crossed(own, division).interval() for choice, own in by_choice.items()}
