"""What was measured on the way of a training: a line for each method, over the steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tlml.presentation.figure import FRAME, Look, entitle, new_figure, png, tidy

_WINDOWS = 20  # a running mean is over so many-th part of the points
_FAINT = 0.25


def draw_courses(
    courses: Mapping[str, ArrayLike], looks: Mapping[str, Look], *,
    y_label: str, title: str, ends: Sequence[float] = (),
) -> bytes:  # fmt: skip
    """Draw values over steps as a PNG: what was measured faintly, and its running mean.

    Args:
        courses: ``[n, 2]`` by method: steps, rising, and values; one point at least.
        looks: How each method is drawn.
        y_label: What the values are.
        title: What is seen.
        ends: Steps where something ends, such as a task: light lines.
    """
    figure = new_figure()
    axes = figure.add_subplot()
    for end in ends:
        axes.axvline(end, color=FRAME, linewidth=0.8)
    axes.axhline(0.0, color=FRAME, linewidth=1.2)
    for name, course in courses.items():
        steps, values = np.asarray(course, float).T
        look = looks[name]
        axes.plot(steps, values, color=look.colour, linewidth=0.8, alpha=_FAINT)
        axes.plot(
            steps, running_mean(values), color=look.colour, linewidth=1.8,
            linestyle="--" if look.dashed else "-",
            label=f"{name} (baseline)" if look.dashed else name,
        )  # fmt: skip
    axes.set_xlabel("steps")
    axes.set_ylabel(y_label)
    entitle(axes, title)
    tidy(axes, "y")
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1.0))
    return png(figure)


def running_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of each value and its neighbours, of which there are fewer at the ends.

    >>> running_mean(np.array([1.0, 3.0])).tolist()  # too few for neighbours
    [1.0, 3.0]
    """
    half = len(values) // _WINDOWS // 2 + (len(values) >= _WINDOWS)
    near = [values[max(0, i - half) : i + half + 1] for i in range(len(values))]
    return np.array([own.mean() for own in near])
