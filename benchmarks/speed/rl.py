"""PPO on CartPole: tlml against Stable-Baselines3.

Both have rl-zoo's settings, the same environments and episode statistics. First both update once
from the same weights and the same rollout: what ends elsewhere is not timed. Then each runs a whole
training in turn, in one process and one thread, by CPU time; ratios of real steps in environments a
second are taken within each round. A first rollout and update are left out everywhere.

    python -m benchmarks.speed.rl                          all cases
    python -m benchmarks.speed.rl --only 'perceptrons: *' --rounds 4
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from statistics import median

import torch
from threadpoolctl import threadpool_limits

from benchmarks.command_line import parsed, parser
from benchmarks.output import README, command, fill, write
from benchmarks.speed.rl_sides import Run, Spent, in_trainer, ours, own_module, theirs, update_error
from benchmarks.speed.timing import Ratio
from tlml.lightning_notes import quiet

MODULE = "benchmarks.speed.rl"
MARK = "<!-- rl speed table -->\n"
PEER = "Stable-Baselines3"
STEPS = 5_120  # of a training: twenty rollouts
ROUNDS = 10
CLOSE = 1e-6


@dataclass(frozen=True)
class Case:
    """Sides that do the same.

    Args:
        sides: Our ways to run it, by name.
        peer: Theirs.
    """

    sides: Mapping[str, Callable[[], Run]]
    peer: Callable[[], Run]


@dataclass(frozen=True)
class Measured:
    """A way to run a case against the peer.

    Args:
        name: ``case: side``.
        rounds: How many there were.
        steps_a_second: Ours and theirs, of CPU time; medians.
        ratio: How many times faster.
        collecting: The time that collecting a step takes, as a share of theirs; None: not told.
    """

    name: str
    rounds: int
    steps_a_second: tuple[float, float]
    ratio: Ratio
    collecting: float | None


CASES = {
    "perceptrons": Case({"loop": ours, "Trainer": in_trainer}, theirs),
    "own module": Case(
        {
            "loop": lambda: ours(own_module),
            "loop, compiled": lambda: ours(own_module, compile=True),
            "Trainer": lambda: in_trainer(own_module),
        },
        lambda: theirs(torch.nn.GELU),
    ),
}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure what was asked for, print the table and write the results."""
    options = options_of(argv, MODULE, __doc__, "rl_speed.json", STEPS)
    report(options, MODULE, MARK, CASES, update_error, "PPO on CartPole")


def report(
    options: argparse.Namespace, module: str, mark: str, cases: Mapping[str, Case],
    error_of: Callable[[], float], what: str = "agent", shares: Mapping[str, int] | None = None,
) -> None:  # fmt: skip
    """Measure in one thread, where both sides update alike; print the table, write the results.

    Args:
        options: Of the command line.
        module: What is run.
        mark: Where the README has the table.
        cases: What there is to measure, by name.
        error_of: How far our update ends from theirs.
        what: The table's first head.
        shares: What the steps of a training are divided by in cases whose steps cost more.
    """
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    with quiet(), threadpool_limits(1):
        error = error_of()
        if not error <= CLOSE:
            raise SystemExit(
                f"the first update ends {error:.1e} away from that of {PEER}: nothing is timed"
            )
        found: list[Measured] = []
        for name, case in cases.items():
            steps = options.steps // (shares or {}).get(name, 1)
            found += measure(name, case, argparse.Namespace(**{**vars(options), "steps": steps}))
    if not found:
        known = "; ".join(f"{name}: {', '.join(case.sides)}" for name, case in cases.items())
        raise SystemExit(f"--only: '{options.only}' matches no 'case: side': {known}")
    table = table_of(found, what)
    content = {
        "command": command(module),
        "versions": {PEER: _version()},
        "update_error": error,
        "cases": [asdict(one) for one in found],
    }
    write(content, table, options.out)
    if options.readme:
        fill(README, mark, table)


def measure(name: str, case: Case, options: argparse.Namespace) -> list[Measured]:
    """Run the sides of a case in turn."""
    chosen = [side for side in case.sides if fnmatchcase(f"{name}: {side}", options.only)]
    if not chosen:
        return []
    runs = {PEER: case.peer(), **{side: case.sides[side]() for side in chosen}}
    spent: dict[str, list[Spent]] = {side: [] for side in runs}
    for place in range(-1, options.rounds or ROUNDS):
        order = list(runs)
        first = place % len(order)
        for side in order[first:] + order[:first]:
            with contextlib.redirect_stdout(sys.stderr):
                one = runs[side](options.steps)
            if place >= 0:  # the one before warms up
                spent[side].append(one)
    found = [_compared(f"{name}: {side}", spent[side], spent[PEER]) for side in chosen]
    print(table_of(found), file=sys.stderr, flush=True)
    return found


def _compared(name: str, mine: list[Spent], others: list[Spent]) -> Measured:
    ratios = [
        (a.steps / a.seconds) / (b.steps / b.seconds) for a, b in zip(mine, others, strict=True)
    ]
    collecting = median(
        (a.collecting / a.steps) / (b.collecting / b.steps)
        for a, b in zip(mine, others, strict=True)
    )
    return Measured(
        name, len(mine), (_speed(mine), _speed(others)),
        Ratio.of(ratios),
        round(collecting, 3) if collecting == collecting else None,
    )  # fmt: skip


def _speed(runs: list[Spent]) -> float:
    return round(median(run.steps / run.seconds for run in runs), 1)


def table_of(found: Sequence[Measured], what: str = "agent") -> str:
    """Return a table of what was measured."""
    heads = (what, "steps/s", f"{PEER} steps/s", "ratio", "collecting, of theirs")
    lines = [heads, ("---", *["--:"] * 4)]
    for one in found:
        low, high = one.ratio.quartiles
        share = "" if one.collecting is None else f"{one.collecting:.2f}"
        speeds = (f"{speed:.0f}" for speed in one.steps_a_second)
        lines.append(
            (one.name, *speeds, f"{one.ratio.median:.2f} ({low:.2f} to {high:.2f})", share)
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def options_of(
    argv: Sequence[str] | None, module: str, description: str | None, file: str, steps: int
) -> argparse.Namespace:
    """Return the options of a command line that times agents beside the peer."""
    made = parser(module, description, "case: side", file)
    made.add_argument("--steps", type=int, default=steps, help="of a training, in environments")
    options = parsed(made, argv)
    try:
        _version()
    except ImportError:
        raise SystemExit(
            f"{PEER} is not there: make bench-rl-speed installs it into a folder of its own"
        ) from None
    return options


def _version() -> str:
    import stable_baselines3

    return str(stable_baselines3.__version__)


if __name__ == "__main__":
    main()
