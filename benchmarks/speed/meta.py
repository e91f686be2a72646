"""MAML's outer step, forward and backward: tlml, a plain loop, and learn2learn.

The loop is what one writes by hand: clone the parameters, take `torch.autograd.grad` step by step,
one task after the other. learn2learn is run from its source, where its path is given. All sides get
the same episode and the same weights, and their gradients are compared before anything is timed.
They are timed in turn, in one process and one thread, by CPU time, and ratios are taken within each
round: of a machine that is busy with other things, trust the ratios and not the milliseconds.

    python -m benchmarks.speed.meta                             all cases, in about eight minutes
    python -m benchmarks.speed.meta --learn2learn PATH          against its checkout as well
    python -m benchmarks.speed.meta --only 'sinusoid*: auto'    some cases and variants of tlml
    python -m benchmarks.speed.meta --rounds 50 --out -         more rounds; print the JSON
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from fnmatch import fnmatchcase
from typing import Any

import torch

from benchmarks.command_line import parsed, parser
from benchmarks.output import README, command, fill, write
from benchmarks.speed import workload
from benchmarks.speed.cases import Case, Images, cases
from benchmarks.speed.check import check, first_task
from benchmarks.speed.measured import Measured, markdown, of_peers
from benchmarks.speed.memory import can_measure, peak_memory
from benchmarks.speed.peer import learn2learn_maml
from benchmarks.speed.sides import PLAIN, peers, side
from benchmarks.speed.timing import faster, time_in_turn, typical

MARK, PEERS = "<!-- speed table -->\n", "<!-- peers table -->\n"


def main(argv: Sequence[str] | None = None) -> None:
    """Measure what was asked for, print the table and write the results."""
    options = _options(argv)
    chosen = list(_chosen(options.only))
    if not chosen:
        known = "; ".join(f"{case.name}: {', '.join(case.variants)}" for case in cases())
        raise SystemExit(f"--only: '{options.only}' matches no 'case: variant': {known}")
    torch.set_num_threads(1)
    found = []
    for case in chosen:
        found.append(measure(case, options.rounds, options.learn2learn))
        print(_lines(found[-1]), file=sys.stderr, flush=True)
    _write(found, options.out)
    if options.readme:
        fill(README, MARK, markdown(found))
        fill(README, PEERS, of_peers(found))


def measure(case: Case, rounds: int | None = None, learn2learn: str | None = None) -> Measured:
    """Time all sides of a case in turn.

    Args:
        case: What to time.
        rounds: How often; as often as fits some seconds where None.
        learn2learn: Path of its checkout.

    Raises:
        SystemExit: Two sides have different gradients: they don't compute the same.
    """
    peer = learn2learn_maml(learn2learn) if learn2learn else None
    others = peers(case, learn2learn is not None)
    sides = {name: side(case, name, peer) for name in [*case.variants, *others]}
    # Memory first: while this process is small, the others have room.
    peaks = {n: peak_memory(case, n, learn2learn) for n in sides if case.memory and can_measure()}
    episode = workload.episode(case)
    error = check(case, sides, episode, peer)
    warm = first_task(episode) if isinstance(case.data, Images) else episode
    for one in sides.values():
        one.step(warm)
    times = time_in_turn({name: one.on(episode) for name, one in sides.items()}, rounds)
    middle = {name: typical(of) for name, of in times.items()}
    return Measured(
        case=case.name, rounds=len(times[PLAIN]), gradient_error=float(f"{error:.1e}"),
        times=middle, steps_per_second={n: round(1000 / t.cpu_ms, 4) for n, t in middle.items()},
        ratios={v: {o: faster(times[v], times[o]) for o in others} for v in case.variants},
        peak_mib=peaks,
    )  # fmt: skip


def _chosen(pattern: str) -> Iterator[Case]:
    """Yield the cases that have a variant that matches, with these variants."""
    for case in cases():
        kept = {v: o for v, o in case.variants.items() if fnmatchcase(f"{case.name}: {v}", pattern)}
        if kept:
            yield replace(case, variants=kept)


def _lines(found: Measured) -> str:
    name, *_ = next(found.rows())
    rows = ["  ".join(filter(None, row[1:])) for row in found.rows()]
    return "\n".join([f"{name} ({found.rounds} rounds)", *(f"  {row}" for row in rows)])


def _write(found: Sequence[Measured], out: str) -> None:
    content: dict[str, Any] = {
        "command": command("benchmarks.speed.meta"),
        "threads": torch.get_num_threads(),
        "cases": [asdict(one) for one in found],
    }
    write(content, f"{markdown(found)}\n{of_peers(found)}", out)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    made = parser("benchmarks.speed.meta", __doc__, "case: variant", "meta.json")
    made.add_argument("--learn2learn", metavar="PATH", help="a checkout of learn2learn")
    options = parsed(made, argv)
    if options.learn2learn is not None:
        learn2learn_maml(options.learn2learn)  # whether it is there, before long work
    return options


if __name__ == "__main__":
    main()
