"""Plots of a report: the score against an option of a strategy, such as how many layers freeze."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tlml.metrics.intervals import bootstrap_interval
from tlml.reports.score_plot import COLOURS, bars, png
from tlml.reports.summary import Interval, Report

_LEAST = 3  # values that make a curve


@dataclass(frozen=True, slots=True)
class Curve:
    """Methods that differ in one numeric option of their strategy only.

    Args:
        strategy: The strategy.
        option: The option.
        metric: What was measured.
        scores: By number of shots and value of the option.
    """

    strategy: str
    option: str
    metric: str
    scores: Mapping[int, Mapping[float, Interval]]


def curves(report: Report, domain: str) -> list[Curve]:
    """Find the options of which at least three values were compared."""
    rows = [row for row in report.scores if row["domain"] == domain and row["strategy"]]
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        for option in _numeric(row["options"]):
            rest = tuple(sorted((k, str(v)) for k, v in row["options"].items() if k != option))
            key = (row["strategy"], option, row["fit"], row["chosen_by"], rest)
            groups.setdefault(key, []).append(row)
    return [curve for key, group in groups.items() for curve in _curve(key[0], key[1], group)]


def plot_curve(curve: Curve, domain: str) -> bytes:
    """Draw one option as a PNG: a line for each number of shots."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 4.2), dpi=150)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for number, (shots, scores) in enumerate(sorted(curve.scores.items())):
        values = sorted(scores)
        intervals = [scores[value] for value in values]
        axes.errorbar(
            values, [one.mean for one in intervals], yerr=bars(intervals), marker="o", capsize=3,
            color=COLOURS[number % len(COLOURS)], markersize=5,
            label=f"{shots} shot" if shots == 1 else f"{shots} shots",
        )  # fmt: skip
    axes.set_xticks(sorted({value for scores in curve.scores.values() for value in scores}))
    axes.set_xlabel(f"{curve.option} of {curve.strategy}")
    axes.set_ylabel(f"target {curve.metric}")
    axes.set_title(f"{domain}: {curve.strategy} with 95% interval", loc="left", fontsize=11)
    axes.grid(color="#DDDDDD", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return png(figure)


def _numeric(options: Mapping[str, Any]) -> Iterator[str]:
    for name, value in options.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield name


def _curve(strategy: str, option: str, rows: list[dict[str, Any]]) -> Iterator[Curve]:
    if len({row["options"][option] for row in rows}) < _LEAST:
        return
    found: dict[int, dict[float, dict[int, list[float]]]] = {}
    for row in rows:
        place = found.setdefault(row["point"]["shots"], {}).setdefault(row["options"][option], {})
        for episode, score in zip(row["units"], row["scores"], strict=True):
            place.setdefault(episode, []).append(score)
    scores = {
        shots: {value: _interval(episodes) for value, episodes in by_value.items()}
        for shots, by_value in found.items()
    }
    yield Curve(strategy, option, rows[0]["metric"], scores)


def _interval(episodes: Mapping[int, list[float]]) -> Interval:
    means = [sum(values) / len(values) for values in episodes.values()]
    return Interval(sum(means) / len(means), *bootstrap_interval(means))
