"""Pictures of a diagnosis: curves per inner step, and what each layer did."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from tlml.errors import TlmlError
from tlml.presentation.figure import (
    BLUE,
    DARK,
    GREEN,
    ORANGE,
    PURPLE,
    entitle,
    new_figure,
    png,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Markers and dashes tell them apart in grey.
_SIDES: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {"support": (ORANGE, "s", "--"), "query": (BLUE, "o", "-")}
)
_MARKED = 30  # steps up to which each has a marker
_LOGARITHMIC = 30.0  # from this ratio of the greatest to the least on


class Drawable(Protocol):
    """What is drawn: the tables of a `tlml.Diagnosis`."""

    @property
    def curve(self) -> pd.DataFrame:
        """A row for each episode and step."""

    @property
    def layers(self) -> pd.DataFrame:
        """A row for each layer."""

    @property
    def metric(self) -> str:
        """The metric beside the loss."""

    @property
    def strategy(self) -> str:
        """The class of what adapted."""

    def summary(self) -> pd.DataFrame:
        """Mean and interval of each quantity at each step."""


def pictures(diagnosis: Drawable) -> dict[str, bytes]:
    """Draw a diagnosis as PNGs, by file name.

    Raises:
        TlmlError: It holds no episode.
    """
    if diagnosis.curve.empty:
        raise TlmlError("diagnosis: there is no episode in it to draw; make one with diagnose()")
    summary = diagnosis.summary()
    found = {"curve.png": _curve(diagnosis, summary)}
    if (summary["quantity"] == "gradient_norm").any():
        found["gradients.png"] = _gradients(diagnosis, summary)
    found["layers.png"] = _layers(diagnosis)
    if diagnosis.layers["rate_mean"].notna().any():
        found["rates.png"] = _rates(diagnosis)
    return found


def _curve(diagnosis: Drawable, summary: pd.DataFrame) -> bytes:
    """Draw loss and metric of support and query against the inner step."""
    names = ["loss", diagnosis.metric]
    curve = diagnosis.curve
    if np.allclose(curve["query_loss"], curve[f"query_{names[1]}"], equal_nan=True):
        names = names[1:]  # the loss is the metric
    figure, panels = _panels(len(names), 4.0)
    for axes, name in zip(panels, names, strict=True):
        for side, (colour, marker, line) in _SIDES.items():
            rows = summary[summary["quantity"] == f"{side}_{name}"]
            _line(axes, rows, colour, marker, line, side)
        _scale(axes, summary[summary["quantity"].isin([f"{side}_{name}" for side in _SIDES])])
        axes.set_ylabel({"loss": "loss", "mse": "mean squared error"}.get(name, name))
        _steps(axes, int(curve["step"].max()))
    panels[0].legend(frameon=False)
    _title(panels[0], diagnosis, "support and query after each inner step")
    return png(figure)


def _gradients(diagnosis: Drawable, summary: pd.DataFrame) -> bytes:
    """Draw the norm of the gradient that leads from each step to the next."""
    figure, (axes,) = _panels(1, 4.0)
    rows = summary[summary["quantity"] == "gradient_norm"]
    _line(axes, rows, DARK, "o", "-", "")
    _scale(axes, rows)
    axes.set_ylabel("norm of the inner gradient")
    _steps(axes, int(rows["step"].max()))
    axes.set_xlabel("inner steps taken before")
    _title(axes, diagnosis, "norm of the inner gradient")
    return png(figure)


def _layers(diagnosis: Drawable) -> bytes:
    """Draw how much of each layer's representation and parameters stayed."""
    layers = diagnosis.layers
    figure, (left, right) = _panels(2, _height(len(layers)), sharey=True)
    _dots(left, layers, "cka", _SIDES["query"][0], "o", "CKA", offset=-0.12)
    _dots(left, layers, "cka_debiased", _SIDES["support"][0], "s", "debiased CKA", offset=0.12)
    left.set_xlim(min(0.0, *left.get_xlim()), 1.05)
    left.set_xlabel("CKA of the query before and after\n1: reused as it was")
    if layers["cka_debiased"].notna().any():
        left.legend(frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(0.0, 1.0))
    _dots(right, layers, "relative_change", GREEN, "D", "")
    right.set_xlim(left=0.0)
    right.set_xlabel("change of the parameters, ‖Δθ‖ / ‖θ‖\n0: not moved")
    _name_layers(left, layers)
    _title(left, diagnosis, "what adapting changes, layer by layer", above=True)
    return png(figure)


def _rates(diagnosis: Drawable) -> bytes:
    """Draw the learned rates of each layer: mean, least and greatest."""
    layers = diagnosis.layers
    figure, (axes,) = _panels(1, _height(len(layers)))
    spread = layers.rename(columns={"rate_min": "rate_mean_low", "rate_max": "rate_mean_high"})
    _dots(axes, spread, "rate_mean", PURPLE, "D", "")
    axes.axvline(0.0, color=DARK, linewidth=0.8)
    axes.set_xlabel("learned inner rates of a layer: mean, least and greatest")
    _name_layers(axes, layers)
    _title(axes, diagnosis, "learned rates per layer", sampled=False)
    return png(figure)


def _panels(count: int, height: float, *, sharey: bool = False) -> tuple[Figure, list[Axes]]:
    figure = new_figure(6.0 if count == 1 else 10.0, height)
    panels = list(figure.subplots(1, count, squeeze=False, sharey=sharey)[0])
    figure.subplots_adjust(wspace=0.1 if sharey else 0.25)
    for axes in panels:
        tidy(axes)
    return figure, panels


def _line(axes: Axes, rows: pd.DataFrame, colour: str, marker: str, line: str, label: str) -> None:
    steps = rows["step"].to_numpy()
    few = len(steps) <= _MARKED
    axes.fill_between(steps, rows["low"], rows["high"], color=colour, alpha=0.15, linewidth=0)
    axes.plot(
        steps, rows["mean"], color=colour, linestyle=line, label=label, markersize=5,
        marker=marker if few else "",
    )  # fmt: skip


def _dots(
    axes: Axes, layers: pd.DataFrame, name: str, colour: str, marker: str, label: str,
    offset: float = 0.0,
) -> None:  # fmt: skip
    """Draw a quantity of each layer with its interval, the first layer on top."""
    means = layers[name].to_numpy()
    # The mean may lie outside its own bootstrap interval by rounding alone.
    ends = [means - layers[f"{name}_low"], layers[f"{name}_high"] - means]
    axes.errorbar(
        means, np.arange(len(layers)) + offset, xerr=np.nan_to_num(np.clip(ends, 0.0, None)),
        color=colour, marker=marker, label=label, linestyle="none", markersize=6, capsize=3,
    )  # fmt: skip


def _name_layers(axes: Axes, layers: pd.DataFrame) -> None:
    axes.set_yticks(range(len(layers)), layers["layer"])
    axes.set_ylim(len(layers) - 0.4, -0.6)


def _height(layers: int) -> float:
    return max(3.2, 0.36 * layers + 1.6)


def _scale(axes: Axes, rows: pd.DataFrame) -> None:
    """Take a logarithmic axis where values differ by orders of magnitude."""
    values = rows["mean"].dropna()
    if len(values) and values.min() > 0 and values.max() / values.min() >= _LOGARITHMIC:
        axes.set_yscale("log")


def _steps(axes: Axes, last: int) -> None:
    axes.set_xlim(-0.05 * max(last, 1), 1.05 * max(last, 1))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("inner step")


def _title(
    axes: Axes, diagnosis: Drawable, text: str, *, sampled: bool = True, above: bool = False
) -> None:
    """Say what is seen; `above`, over a legend that is over the axes."""
    episodes = diagnosis.curve["episode"].nunique()
    over = "1 episode" if episodes == 1 else f"{episodes} episodes, mean and 95% interval"
    lines = [f"{diagnosis.strategy}: {text}", *([over] if sampled else [])]
    entitle(axes, "\n".join(lines), pad=30 if above else 8)
