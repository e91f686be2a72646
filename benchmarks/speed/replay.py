"""Agents that replay, of tlml against Stable-Baselines3: DQN on CartPole, and SAC on Pendulum.

Both have rl-zoo's settings, the same environment and episode statistics. First both DQNs take some
gradient steps from the same weights and minibatches: what ends elsewhere is not timed. (SAC draws
actions within an update; the tests hold it to a plain one.) Then each
runs a training in turn, in one process and one thread, by CPU time from the first update on; ratios
of real steps in environments a second are taken within each round.

    python -m benchmarks.speed.replay                           all sides
    python -m benchmarks.speed.replay --only '*: loop' --rounds 4
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.speed import replay_sides
from benchmarks.speed.rl import Case, options_of, report
from benchmarks.speed.rl_sides import trained

MARK = "<!-- replay speed table -->\n"
MODULE = "benchmarks.speed.replay"
STEPS = 10_240  # of a training: forty turns, a fifth of rl-zoo's
CASES = {
    "DQN on CartPole": Case(
        {"loop": replay_sides.ours, "Trainer": lambda: trained(replay_sides.dqn)},
        replay_sides.theirs,
    ),
    "SAC on Pendulum": Case(
        {
            "loop": lambda: replay_sides.ours(replay_sides.sac),
            "Trainer": lambda: trained(replay_sides.sac),
        },
        lambda: replay_sides.theirs(replay_sides.peer_sac),
    ),
}
SHARES = {"SAC on Pendulum": 10}  # of these steps, each of which costs as much as many


def main(argv: Sequence[str] | None = None) -> None:
    """Measure what was asked for, print the table and write the results."""
    options = options_of(argv, MODULE, __doc__, "replay_speed.json", STEPS)
    report(options, MODULE, MARK, CASES, replay_sides.update_error, shares=SHARES)


if __name__ == "__main__":
    main()
