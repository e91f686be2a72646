"""How numbers read in tables and pictures."""

from __future__ import annotations

import math

from tlml.presentation.rows import Interval


def number(metric: str, value: float | None, signed: bool = False) -> str | None:
    """Write a score: a share as ``.812``, anything else with three digits that count.

    Args:
        metric: What was measured; accuracies are shares.
        value: The score; what is not finite has no text.
        signed: Write a plus, too.
    """
    if value is None or not math.isfinite(value):
        return None
    if metric == "accuracy":
        text = f"{value:+.3f}" if signed else f"{value:.3f}"
        return text.replace("0.", ".", 1) if abs(round(value, 3)) < 1 else text
    return (f"{value:+#.3g}" if signed else f"{value:#.3g}").removesuffix(".")


def percent(share: float) -> str:
    """Return a share in words.

    >>> percent(0.1)
    '10%'
    """
    return f"{100 * share:g}%"


def ends(metric: str, interval: Interval | None, signed: bool = False) -> str | None:
    """Write the ends of an interval: ``.613 to .652``; None where there is none."""
    if interval is None or not interval.known:
        return None
    return f"{number(metric, interval.low, signed)} to {number(metric, interval.high, signed)}"


def amount(name: str, value: float) -> str:
    """Write a cost; its name tells the unit: ``fit_seconds``, ``samples_per_second``."""
    if name.endswith("_seconds"):
        return f"{value:.1f}" if value < 100 else f"{value:.0f}"
    return f"{value:.0f}" if name.endswith("_per_second") else f"{value:g}"
