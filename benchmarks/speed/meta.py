"""MAML's outer step, forward and backward: `meta_loss` against a plain loop in this file.

The loop is what one writes by hand, and what libraries of the field do: clone the parameters, take
`torch.autograd.grad` step by step, one task after the other. Both sides get the same network and
the same episode, and their gradients are compared before anything is timed. They are timed in turn,
in one process and by CPU time, and the ratio is taken within each round: of a machine that is busy
with other things, trust the ratio and not the milliseconds.

    python -m benchmarks.speed.meta                          all cases, in less than a minute
    python -m benchmarks.speed.meta --only 'sinusoid*'       some of them
    python -m benchmarks.speed.meta --rounds 50 --out -      more rounds; print the JSON
"""

from __future__ import annotations

import argparse
import copy
import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

import tlml
from tlml import Episode, GradientLearner

RESULTS = Path(__file__).parent.parent / "results" / "meta.json"
SECONDS = 6.0  # about as long as one case may take
TOLERANCE = 1e-3  # of the gradients' norm, in float32

HEADINGS = f"{'case':<30} {'tlml ms':>8} {'plain ms':>9} {'ratio':>6}  {'quartiles':<12} rounds"


@dataclass(frozen=True)
class Case:
    """One workload.

    Args:
        name: What `--only` matches.
        domain: Its registered name and options.
        learner: Options of the learner.
        view: Options of the view.
        lr: Inner step size.
        steps: Inner steps.
        first_order: Whether second derivatives are left out.
    """

    name: str
    domain: tuple[str, dict[str, Any]]
    learner: dict[str, Any]
    view: dict[str, Any]
    lr: float
    steps: int
    first_order: bool


@dataclass(frozen=True)
class Measured:
    """What came out of a case: medians over `rounds`, milliseconds of CPU time.

    Args:
        name: The case.
        tlml_ms: One outer step by `meta_loss`.
        plain_ms: The same by the plain loop.
        ratio: plain / tlml, the median of the rounds: how many times faster tlml is.
        quartiles: Of that ratio.
        rounds: How many there were.
        gradient_error: The largest difference of the gradients, as a share of their norm.
    """

    name: str
    tlml_ms: float
    plain_ms: float
    ratio: float
    quartiles: tuple[float, float]
    rounds: int
    gradient_error: float


def cases() -> Iterator[Case]:
    """Yield all workloads: two networks, one and five inner steps, second and first order."""
    mlp = {"network": "mlp", "network_options": {"hidden": [40, 40]}}
    conv = {"network": "conv4", "network_options": {"channels": 32, "blocks": 3}}
    waves = {"shots": 10, "queries": 10, "tasks_per_batch": 25}
    letters = {"ways": 5, "shots": 1, "queries": 15, "tasks_per_batch": 4}
    workloads = {
        "sinusoid": (("sinusoid", {}), mlp, waves, 0.01),
        "conv4": (("glyphs", {"size": 14}), conv, letters, 0.1),
    }
    for name, workload in workloads.items():
        for first_order, steps in itertools.product((False, True), (1, 5)):
            order = "first" if first_order else "second"
            of = f"{steps} step{'s' if steps > 1 else ''}, {order} order"
            yield Case(f"{name}, {of}", *workload, steps, first_order)


def plain_meta_loss(network: nn.Module, episode: Episode, case: Case) -> Tensor:
    """Return the mean query loss after `steps` steps on each support, one task after the other."""
    losses = []
    for sx, sy, qx, qy in zip(*episode.support, *episode.query, strict=True):
        params = {name: value.clone() for name, value in network.named_parameters()}
        for _ in range(case.steps):
            loss = _loss(functional_call(network, params, (sx,)), sy)
            slopes = torch.autograd.grad(
                loss, list(params.values()), create_graph=not case.first_order
            )
            pairs = zip(params.items(), slopes, strict=True)
            params = {name: value - case.lr * slope for (name, value), slope in pairs}
        losses.append(_loss(functional_call(network, params, (qx,)), qy))
    return torch.stack(losses).mean()


def measure(case: Case, rounds: int | None = None) -> Measured:
    """Time both sides of a case in turn.

    Args:
        case: What to time.
        rounds: How often; as often as fits `SECONDS` where None, and at least five times.

    Raises:
        SystemExit: The two sides have different gradients: they don't compute the same.
    """
    learner, network, episode = _prepared(case)
    sides = (
        lambda: torch.autograd.backward(learner.meta_loss(episode)),
        lambda: torch.autograd.backward(plain_meta_loss(network, episode, case)),
    )
    first = sum(_milliseconds(side) for side in sides)
    error = _difference(learner.built(), network)
    if error > TOLERANCE:
        raise SystemExit(f"{case.name}: the gradients differ by {error:.1e} of their norm")
    rounds = rounds or max(5, min(50, int(1000 * SECONDS / first)))
    times = []
    for round_ in range(rounds):
        order = (0, 1) if round_ % 2 else (1, 0)
        taken = {side: _milliseconds(sides[side]) for side in order}
        times.append((taken[0], taken[1]))
    return _summary(case.name, times, error)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure what was asked for, print the table and write the results."""
    options = _options(argv)
    chosen = [case for case in cases() if fnmatchcase(case.name, options.only)]
    if not chosen:
        known = "; ".join(case.name for case in cases())
        raise SystemExit(f"--only: '{options.only}' matches no case: {known}")
    torch.set_num_threads(1)
    table = sys.stderr if options.out == "-" else sys.stdout
    print(HEADINGS, file=table)
    found = []
    for case in chosen:
        found.append(measure(case, options.rounds))
        print(_line(found[-1]), file=table, flush=True)
    _write(found, options.out)


def _prepared(case: Case) -> tuple[GradientLearner, nn.Module, Episode]:
    """Return the learner, a copy of its network for the loop, and a batch of tasks."""
    name, options = case.domain
    inner = tlml.strategy("sgd", lr=case.lr, steps=case.steps)
    learner = tlml.learner("maml", strategy=inner, first_order=case.first_order, **case.learner)
    assert isinstance(learner, GradientLearner)
    view = learner.view(tlml.domain(name, **options), **case.view)
    network = copy.deepcopy(learner.built())
    for module in network.modules():
        if isinstance(module, _BatchNorm):  # statistics of the batch, as MAML uses them
            module.track_running_stats = False
            module.running_mean = module.running_var = module.num_batches_tracked = None
    return learner, network, next(iter(view.train_dataloader()))


def _loss(scores: Tensor, y: Tensor) -> Tensor:
    return F.mse_loss(scores, y) if y.is_floating_point() else F.cross_entropy(scores, y)


def _milliseconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return 1000 * (time.process_time() - start)


def _difference(one: nn.Module, other: nn.Module) -> float:
    """Return how far the gradients of two networks are apart, and clear them."""
    flat = []
    for network in (one, other):
        parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in network.parameters()]
        flat.append(torch.cat([part.flatten() for part in parts]))
        network.zero_grad()
    return float((flat[0] - flat[1]).norm() / flat[1].norm())


def _summary(name: str, times: Sequence[tuple[float, float]], error: float) -> Measured:
    ratios = [plain / ours for ours, plain in times]
    low, _, high = quantiles(ratios, n=4)
    ours, plain = (median(side) for side in zip(*times, strict=True))
    return Measured(
        name, round(ours, 3), round(plain, 3), round(median(ratios), 3),
        (round(low, 3), round(high, 3)), len(times), float(f"{error:.1e}"),
    )  # fmt: skip


def _line(found: Measured) -> str:
    low, high = found.quartiles
    between = f"{low:.2f}-{high:.2f}"
    return (
        f"{found.name:<30} {found.tlml_ms:8.1f} {found.plain_ms:9.1f} {found.ratio:6.2f}  "
        f"{between:<12} {found.rounds}"
    )


def _write(found: Sequence[Measured], out: str) -> None:
    content = {
        "command": " ".join(["python -m benchmarks.speed.meta", *sys.argv[1:]]),
        "versions": {"tlml": tlml.__version__, "torch": torch.__version__},
        "threads": torch.get_num_threads(),
        "cases": [asdict(one) for one in found],
    }
    text = json.dumps(content, indent=1) + "\n"
    if out == "-":
        print(text, end="")
        return
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    Path(out).write_text(text)
    print(f"written: {os.path.relpath(out)}")


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed.meta",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--only", metavar="PATTERN", default="*", help="cases, with * and ?")
    parser.add_argument(
        "--rounds", metavar="N", type=int, help="rounds of each case, at least 2; by default as "
        f"many as take {SECONDS:g} seconds",
    )  # fmt: skip
    parser.add_argument(
        "--out", metavar="FILE", default=str(RESULTS),
        help="where the JSON goes, benchmarks/results/meta.json by default; - prints it",
    )  # fmt: skip
    options = parser.parse_args(argv)
    if options.rounds is not None and options.rounds < 2:
        parser.error(f"--rounds: must be at least 2, is {options.rounds}")
    return options


if __name__ == "__main__":
    main()
