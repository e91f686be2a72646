"""Plots: pictures that hold all names, in colours that stay with their methods."""

from __future__ import annotations

import pytest
from drawn_scores import made_blocks, plot, size


@pytest.mark.parametrize("shots", [[1], [1, 5], [1, 5, 50]])
def test_a_plot_is_a_picture_of_readable_size(shots: list[int]) -> None:
    width, height = size(plot(made_blocks(shots, ["scratch", "full"])))
    assert 800 < width < 1600
    assert 500 < height < 900


@pytest.mark.parametrize("shots", [[1], [1, 5]])
def test_a_long_name_widens_the_picture_and_is_not_cut(shots: list[int]) -> None:
    narrow, _ = size(plot(made_blocks(shots, ["scratch", "full"])))
    wide, _ = size(plot(made_blocks(shots, ["scratch", "full" * 10])))
    assert wide > narrow + 100


@pytest.mark.parametrize("shots", [[1], [1, 5]])
def test_many_methods_get_a_taller_picture(shots: list[int]) -> None:
    _, few = size(plot(made_blocks(shots, ["scratch", "full"])))
    _, many = size(plot(made_blocks(shots, [f"method{i}" for i in range(30)])))
    assert many > few + 300


def test_no_global_figure_is_left() -> None:
    from matplotlib._pylab_helpers import Gcf

    plot(made_blocks([1, 5], ["scratch", "full"]))
    assert Gcf.get_all_fig_managers() == []
