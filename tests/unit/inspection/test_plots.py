"""Pictures of a diagnosis: what is drawn, and what is left out."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tlml import Diagnosis, TlmlError
from tlml.inspection.plots import _curve, _layers, _panels, _rates, _scale, pictures

NAN = float("nan")


def made(
    *, steps: int = 3, episodes: int = 4, metric: str = "accuracy", layers: int = 3,
    rates: bool = False, loss: float = 1.0, name: str = "layer",
) -> Diagnosis:  # fmt: skip
    """Return a diagnosis whose numbers are made up and vary."""
    rng = np.random.default_rng(0)
    rows = [
        {
            "episode": episode, "step": step,
            "support_loss": loss * 0.1**step, f"support_{metric}": rng.uniform(),
            "query_loss": loss + rng.uniform(), f"query_{metric}": rng.uniform(),
            "gradient_norm": rng.uniform() if step < steps else NAN,
        }
        for episode in range(episodes) for step in range(steps + 1)
    ]  # fmt: skip
    table: list[dict[str, Any]] = []
    for number in range(layers):
        row: dict[str, Any] = {"layer": f"{name}{number}"}
        for quantity in ("cka", "cka_debiased", "relative_change"):
            row |= {quantity: 0.5, f"{quantity}_low": 0.4, f"{quantity}_high": 0.7}
        spread = zip(("mean", "min", "max"), (0.1, -0.2, 0.3) if rates else (NAN,) * 3, strict=True)
        table.append(row | {f"rate_{part}": value for part, value in spread})
    return Diagnosis(pd.DataFrame(rows), pd.DataFrame(table), metric, "Sgd")


def size(picture: bytes) -> tuple[int, int]:
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", picture[16:24])
    return width, height


def test_pictures_are_there_where_there_is_something_to_see() -> None:
    drawn = pictures(made(rates=True))
    assert list(drawn) == ["curve.png", "gradients.png", "layers.png", "rates.png"]
    assert list(pictures(made())) == ["curve.png", "gradients.png", "layers.png"]
    assert list(pictures(made(steps=0))) == ["curve.png", "layers.png"]
    assert all(700 < size(picture)[0] < 1800 for picture in drawn.values())
    assert all(400 < size(picture)[1] < 900 for picture in drawn.values())


def test_a_loss_that_is_the_metric_is_drawn_once() -> None:
    twice = made(metric="mse")
    same = twice.curve.assign(
        query_mse=twice.curve["query_loss"], support_mse=twice.curve["support_loss"]
    )
    once = Diagnosis(same, twice.layers, "mse", "Sgd")
    widths = [size(_curve(each, each.summary()))[0] for each in (once, twice)]
    assert widths[0] < 0.7 * widths[1]


def test_many_layers_get_a_taller_picture_and_long_names_are_not_cut() -> None:
    few, many = (size(_layers(made(layers=n))) for n in (3, 30))
    assert many[1] > few[1] + 300
    panels = [_rates(made(rates=True, name=name)) for name in ("a", "a" * 90)]
    assert size(panels[1])[0] > size(panels[0])[0] + 100


def test_values_over_orders_of_magnitude_are_on_a_logarithmic_axis() -> None:
    def scale(*values: float) -> str:
        axes = _panels(1, 3.0)[1][0]
        _scale(axes, pd.DataFrame({"mean": values}))
        return axes.get_yscale()

    assert scale(100.0, 1.0, NAN) == "log"
    assert scale(2.0, 1.0) == "linear"
    assert scale(100.0, 0.0) == "linear"
    assert scale(100.0, -1.0) == "linear"
    assert scale(NAN, NAN) == "linear"


def test_one_episode_and_what_is_not_finite_can_be_drawn() -> None:
    _curve(made(episodes=1), made(episodes=1).summary())
    lost = made(rates=True)
    lost.curve.loc[lost.curve["step"] > 1, ["support_loss", "query_loss"]] = float("inf")
    lost.layers.loc[:, ["cka", "cka_low", "cka_high", "cka_debiased", "relative_change"]] = NAN
    assert len(pictures(lost)) == 4


def test_no_global_figure_is_left() -> None:
    from matplotlib._pylab_helpers import Gcf

    pictures(made())
    assert Gcf.get_all_fig_managers() == []


def test_nothing_is_an_error() -> None:
    found = made()
    with pytest.raises(TlmlError, match="no episode in it to draw; make one with diagnose"):
        pictures(Diagnosis(found.curve.iloc[:0], found.layers, "accuracy", "Sgd"))
