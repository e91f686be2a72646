"""A training step with torch's optimiser as it is, and fused: one operation for all parameters.

    python -m benchmarks.speed.optimiser [--rounds 50] [--readme]

A step is forward, backward and the optimiser's step of a supervised learner on one batch; both
sides begin with the same weights. In turn, in one process and one thread, by CPU time.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch

import tlml
from benchmarks.output import README, fill
from benchmarks.speed.timing import Ratio, faster, time_in_turn, typical
from tlml.metrics import criterion

MARK = "<!-- optimiser table -->\n"
_NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "sinusoid, mlp, batch 64": ("sinusoid", {"batch_size": 64}),
    "digits 28 x 28, conv4, batch 64": ("digits", {"batch_size": 64}),
}
_OPTIMIZERS = ("adam", "adamw", "sgd")


class Row(NamedTuple):
    """One network with one optimiser."""

    case: str
    optimizer: str
    plain_ms: float
    fused_ms: float
    gain: Ratio


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed.optimiser", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--rounds", type=int, help="how often each side is timed")
    parser.add_argument("--readme", action="store_true", help="put the table into the README")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    table = markdown(list(measured(options.rounds)))
    print(table)
    if options.readme:
        fill(README, MARK, table)


def measured(rounds: int | None = None) -> Iterator[Row]:
    """Yield the times of each network with each optimiser."""
    for case, (domain, view) in _NETWORKS.items():
        for optimizer in _OPTIMIZERS:
            steps = {fused: step(domain, view, optimizer, fused) for fused in (False, True)}
            for one in steps.values():
                one()  # memory and caches are there before the first turn
            times = time_in_turn({str(fused): one for fused, one in steps.items()}, rounds)
            plain, fused = times["False"], times["True"]
            yield Row(
                case, optimizer, typical(plain).cpu_ms, typical(fused).cpu_ms, faster(fused, plain)
            )


def step(domain: str, view: dict[str, Any], optimizer: str, fused: bool) -> Callable[[], None]:
    """Return a training step."""
    learner = tlml.learner("supervised", optimizer=optimizer, fused=fused)
    made = learner.view(tlml.domain(domain), **view)
    batch = next(iter(made.train_dataloader()))
    stepped = learner.configure_optimizers()

    def run() -> None:
        stepped.zero_grad()
        criterion(learner.predict_now(batch.source.x), batch.source.y).backward()
        stepped.step()

    return run


def markdown(rows: Sequence[Row]) -> str:
    """Return the table."""
    lines = [
        "| network | optimiser | plain ms | fused ms | fused is faster by |",
        "| --- | --- | --: | --: | --: |",
    ]
    for row in rows:
        low, high = row.gain.quartiles
        lines.append(
            f"| {row.case} | {row.optimizer} | {row.plain_ms:.2f} | {row.fused_ms:.2f} | "
            f"{row.gain.median:.2f} ({low:.2f} to {high:.2f}) |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
