"""La-MAML's step on a stream: tlml, a loop by hand, and the authors' code.

The loop by hand is what the authors write: a list as memory, single examples through autograd, a
graph of all steps. Their own code is run from its source, where its path is given; for the paper's
loss its meta-losses before the last are left out. All sides get the same batches, one look at each,
and are compared on a batch before anything is timed. They are timed in turn, in one process and one
thread, by CPU time, and ratios are taken within each round. Then a Trainer is timed against a bare
loop, and late batches of a long stream against early ones.

    python -m benchmarks.speed.continual                        all cases; compiling takes minutes
    python -m benchmarks.speed.continual --authors PATH         against their checkout as well
    python -m benchmarks.speed.continual --only 'perceptron*: auto'
    python -m benchmarks.speed.continual --only 'Trainer*'      a Trainer's cost alone
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from itertools import cycle

import torch
from torch import Tensor

from benchmarks.command_line import parsed, parser
from benchmarks.output import README, command, fill, write
from benchmarks.speed.continual_sides import (
    AUTHORS,
    BY_HAND,
    Case,
    Side,
    authors_net,
    cases,
    seed,
    side,
)
from benchmarks.speed.continual_trainer import TRAINER, trainer_cost
from benchmarks.speed.timing import Ratio, Time, faster, time_in_turn, typical

MARK = "<!-- continual speed table -->\n"
CLOSE = 2e-5  # of the norm of what a batch changes, in float32
WARM = 30  # batches that fill the memories and compile what is compiled


@dataclass(frozen=True)
class Measured:
    """One case.

    Args:
        case: Its name.
        rounds: How many there were.
        error: The largest distance from the loop's step, as a share of its norm.
        times: Medians by side, of a batch.
        ratios: By variant of tlml, and whom it is held against; above 1 tlml is faster.
    """

    case: str
    rounds: int
    error: float
    times: dict[str, Time]
    ratios: dict[str, dict[str, Ratio]]


def main(argv: Sequence[str] | None = None) -> None:
    """Measure what was asked for, print the table and write the results."""
    options = _options(argv)
    chosen = list(_chosen(options.only))
    asks_trainer = fnmatchcase(TRAINER, options.only)
    if not chosen and not asks_trainer:
        known = "; ".join(f"{case.name}: {', '.join(case.variants)}" for case in cases())
        raise SystemExit(f"--only: '{options.only}' matches no 'case: variant': {known}; {TRAINER}")
    torch.set_num_threads(1)
    found = []
    for case in chosen:
        found.append(measure(case, options.rounds, options.authors))
        print(_table(found[-1:]), file=sys.stderr, flush=True)
    cost = trainer_cost() if asks_trainer else None
    table = _table(found)
    content = {
        "command": command("benchmarks.speed.continual"),
        "threads": torch.get_num_threads(),
        "cases": [asdict(one) for one in found],
        "trainer": None if cost is None else asdict(cost),
    }
    write(content, table if cost is None else f"{table}\n{cost.text()}", options.out)
    if options.readme:
        fill(README, MARK, table)


def measure(case: Case, rounds: int | None = None, authors: str | None = None) -> Measured:
    """Time all sides of a case in turn.

    Raises:
        SystemExit: Two sides step elsewhere: they don't compute the same.
    """
    others = [BY_HAND, AUTHORS] if authors else [BY_HAND]
    names = [*case.variants, *others]
    error = check(case, names, authors)
    sides = {name: side(case, name, authors) for name in names}
    for one in sides.values():
        seed(0)
        for batch in case.batches(WARM):
            one.observe(batch)
    calls = {name: _next_batch(one, case) for name, one in sides.items()}
    times = time_in_turn(calls, rounds)
    return Measured(
        case.name, len(times[BY_HAND]), error,
        {name: typical(of) for name, of in times.items()},
        {v: {o: faster(times[v], times[o]) for o in others} for v in case.variants},
    )  # fmt: skip


def check(case: Case, names: Sequence[str], authors: str | None) -> float:
    """Return the largest distance of a side's step from the loop's, as a share of its norm.

    The first batch has no replay, so that all sides draw alike; those that take it as given look at
    another one with replay.

    Raises:
        SystemExit: It is too large.
    """
    batch, other, replay = case.batches(3)
    moved, again = {}, {}
    for name in names:
        one = side(case, name, authors)
        before = one.values()
        seed(0)
        one.observe(batch)
        moved[name] = one.values() - before
        if one.look is not None:
            before = one.values()
            one.look(other, replay)
            again[name] = one.values() - before
    errors = {
        name: max(
            _distance(moves[name], moves[BY_HAND]) for moves in (moved, again) if name in moves
        )
        for name in names
    }
    worst = max(errors, key=errors.__getitem__)
    if not errors[worst] <= CLOSE:
        raise SystemExit(
            f"{case.name}: the step of {worst} is {errors[worst]:.1e} of its norm away from that "
            "of the loop by hand, so nothing is timed"
        )
    return float(f"{errors[worst]:.1e}")


def _distance(found: Tensor, right: Tensor) -> float:
    return float((found - right).norm() / right.norm())


def _next_batch(one: Side, case: Case) -> Callable[[], object]:
    batches = cycle(case.batches(20))
    return lambda: one.observe(next(batches))


def _chosen(pattern: str) -> Iterator[Case]:
    for case in cases():
        kept = {v: o for v, o in case.variants.items() if fnmatchcase(f"{case.name}: {v}", pattern)}
        if kept:
            yield replace(case, variants=kept)


def _table(found: Sequence[Measured]) -> str:
    heads = ("case", "tlml", "ms a batch", "by hand ms", "authors ms", "against by hand",
             "against authors")  # fmt: skip
    lines = [heads, ("---", "---", *["--:"] * 5)]
    for one in found:
        for variant, ratios in one.ratios.items():
            middle = [f"{one.times[n].cpu_ms:.2f}" if n in one.times else ""
                      for n in (BY_HAND, AUTHORS)]  # fmt: skip
            lines.append((
                one.case, variant, f"{one.times[variant].cpu_ms:.2f}", *middle,
                _ratio(ratios.get(BY_HAND)), _ratio(ratios.get(AUTHORS)),
            ))  # fmt: skip
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _ratio(ratio: Ratio | None) -> str:
    if ratio is None:
        return ""
    low, high = ratio.quartiles
    return f"{ratio.median:.2f} ({low:.2f} to {high:.2f})"


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    made = parser("benchmarks.speed.continual", __doc__, "case: variant", "continual.json")
    made.add_argument("--authors", metavar="PATH", help="a checkout of the authors' La-MAML")
    options = parsed(made, argv)
    if options.authors is not None:
        authors_net(options.authors)  # whether it is there, before long work
    return options


if __name__ == "__main__":
    main()
