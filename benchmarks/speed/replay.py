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

import argparse
import warnings
from collections.abc import Sequence
from dataclasses import asdict

import torch
from threadpoolctl import threadpool_limits

from benchmarks.output import README, command, fill, write
from benchmarks.speed import replay_sides
from benchmarks.speed.rl import CLOSE, PEER, Case, measure, options_of, table_of, versions
from tlml.lightning_notes import quiet

MARK = "<!-- replay speed table -->\n"
MODULE = "benchmarks.speed.replay"
STEPS = 10_240  # of a training: forty turns, a fifth of rl-zoo's
CASES = {
    "DQN on CartPole": Case(
        {"loop": replay_sides.ours, "Trainer": replay_sides.in_trainer}, replay_sides.theirs
    ),
    "SAC on Pendulum": Case(
        {
            "loop": lambda: replay_sides.ours(replay_sides.sac),
            "Trainer": lambda: replay_sides.in_trainer(replay_sides.sac),
        },
        lambda: replay_sides.theirs(replay_sides.peer_sac),
    ),
}
SHARES = {"SAC on Pendulum": 10}  # of these steps, each of which costs as much as many


def main(argv: Sequence[str] | None = None) -> None:
    """Measure what was asked for, print the table and write the results."""
    options = options_of(argv, MODULE, __doc__, "replay_speed.json", STEPS)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    with quiet(), threadpool_limits(1):
        error = replay_sides.update_error()
        if not error <= CLOSE:
            raise SystemExit(
                f"the first update ends {error:.1e} away from that of {PEER}: nothing is timed"
            )
        found = []
        for name, case in CASES.items():
            steps = options.steps // SHARES.get(name, 1)
            found += measure(name, case, argparse.Namespace(**{**vars(options), "steps": steps}))
    table = table_of(found)
    content = {
        "command": command(MODULE),
        "versions": versions(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "update_error": error,
        "cases": [asdict(one) for one in found],
    }
    write(content, table, options.out)
    if options.readme:
        fill(README, MARK, table)


if __name__ == "__main__":
    main()
