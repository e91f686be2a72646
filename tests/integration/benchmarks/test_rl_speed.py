"""The speed benchmark of PPO: what it runs, compares and refuses where the peer is not there."""

from __future__ import annotations

import pytest
import torch

from benchmarks.speed import rl, rl_sides
from benchmarks.speed.rl_sides import Spent
from tlml_rl.base.by_hand import lack


@pytest.mark.parametrize("run", [rl_sides.ours, rl_sides.in_trainer])
def test_a_run_counts_real_steps_and_the_time_after_the_first_update(run: object) -> None:
    spent = run()(600)  # type: ignore[operator]
    # Three rollouts of 8 times 32, the first of which is left out, without their resets.
    assert 440 < spent.steps <= 512
    assert 0 < spent.seconds < 60
    assert torch.get_num_threads() >= 1


def test_a_module_of_ones_own_is_nothing_to_compute_by_hand() -> None:
    assert "no perceptrons" in lack(rl_sides.own_module())  # type: ignore[arg-type]


def test_ratios_are_of_steps_a_second_within_a_round() -> None:
    mine = [Spent(100, 1.0, 0.1), Spent(300, 1.0, 0.2), Spent(200, 1.0, 0.5)]
    other = [Spent(100, 2.0, 1.0), Spent(100, 1.0, 0.5), Spent(100, 1.0, 0.5)]
    found = rl._compared("a: b", mine, other)
    assert (found.ratio.median, found.steps_a_second) == (2.0, (200.0, 100.0))
    assert found.collecting == pytest.approx(0.133)
    assert "| a: b | 200 | 100 | 2.00 (2.00 to 2.50) | 0.13 |" in rl.table_of([found])


def test_without_the_peer_it_says_how_to_get_it() -> None:
    with pytest.raises(SystemExit, match="make bench-rl-speed installs it"):
        rl.main([])
