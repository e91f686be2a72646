"""All sides compute the same: their outer gradients are compared before anything is timed."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from benchmarks.speed.cases import Case, Images
from benchmarks.speed.sides import PLAIN, Side, side
from benchmarks.speed.workload import shared
from tlml import Batch, Episode

FLOAT32, FLOAT64 = 1e-4, 1e-9  # of the gradient's norm


def check(case: Case, sides: Mapping[str, Side], episode: Episode, peer: object) -> float:
    """Return the largest distance from the loop's gradient, as a share of that one's norm.

    Networks with BatchNorm magnify rounding from step to step, so they are compared in float64; one
    task will do, as all are computed alike.

    Raises:
        SystemExit: A side computes something else.
    """
    doubled = isinstance(case.data, Images)
    if doubled:
        sides = {name: _double(case, name, peer) for name in sides}
        episode = first_task(episode, torch.float64)
    gradients = {name: _gradient(one, episode) for name, one in sides.items()}
    right = gradients[PLAIN]
    errors = {name: float((g - right).norm() / right.norm()) for name, g in gradients.items()}
    worst = max(errors, key=errors.__getitem__)
    if errors[worst] > (FLOAT64 if doubled else FLOAT32):
        raise SystemExit(
            f"{case.name}: the gradient of {worst} is {errors[worst]:.1e} of its norm away from "
            "that of the plain loop, so nothing is timed"
        )
    return errors[worst]


def first_task(episode: Episode, dtype: torch.dtype = torch.float32) -> Episode:
    """Return a batch of the first task, its inputs in a precision."""
    return Episode(*(Batch(x[:1].to(dtype), y[:1]) for x, y in episode))


def _double(case: Case, name: str, peer: object) -> Side:
    made = side(case, name, peer)
    made.module.double()
    return made


def _gradient(one: Side, episode: Episode) -> Tensor:
    one.step(episode)
    parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in shared(one.module)]
    one.module.zero_grad()
    return torch.cat([part.flatten() for part in parts])
