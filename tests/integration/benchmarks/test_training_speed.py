"""The speed benchmark of whole trainings: what it times, and what its network learned."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from benchmarks.speed import training
from benchmarks.speed.training import Spent


def test_our_side_trains_and_is_timed_after_the_first_steps() -> None:
    spent = training.ours({}, training.WARM + 6)
    assert 0 < spent.ms < 1000
    assert any(
        not torch.equal(one, other)
        for one, other in zip(
            spent.network.parameters(), training._network().parameters(), strict=True
        )
    )


def test_what_knows_nothing_is_as_wrong_as_waves_are_high() -> None:
    network = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1))
    for parameter in network.parameters():
        nn.init.zeros_(parameter)
    # E amplitude² / 2 of amplitudes from 0.1 to 5.
    assert Spent(1.0, network).mse() == pytest.approx(4.25, abs=0.5)


def test_waves_are_of_the_domains_range() -> None:
    x, y = training._wave()
    assert x.shape == y.shape == (training.SHOTS + training.QUERIES, 1)
    assert x.abs().max() <= 5 and y.abs().max() <= 5 and math.isfinite(float(y.sum()))


def test_a_checkout_that_is_not_there_is_named(tmp_path: object) -> None:
    with pytest.raises(SystemExit, match=r"holds no learn2learn/algorithms/maml\.py"):
        training.main(["--learn2learn", str(tmp_path)])
