"""The speed benchmark of agents that replay: what it runs, and what it asks for."""

from __future__ import annotations

import pytest

from benchmarks.speed import replay, replay_sides
from benchmarks.speed.rl_sides import trained


@pytest.mark.parametrize("run", [replay_sides.ours, lambda: trained(replay_sides.dqn)])
def test_a_run_counts_real_steps_and_the_time_after_the_first_update(run: object) -> None:
    spent = run()(1_400)  # type: ignore[operator]
    # Blocks of 256 with resets; the first that learns ends after 1,000 steps.
    assert 50 < spent.steps < 400
    assert 0 < spent.seconds < 60


def test_without_the_peer_it_says_how_to_get_it() -> None:
    with pytest.raises(SystemExit, match="make bench-rl-speed installs it"):
        replay.main([])
