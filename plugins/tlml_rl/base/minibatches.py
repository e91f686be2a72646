"""A rollout in parts, each of which an optimiser steps by."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor

from tlml import TlmlError
from tlml_rl.base.objective import Rows

_EPS = 1e-8


def epochs(
    rows: Rows, valid: Tensor, number: int, rng: np.random.Generator, normalise: bool
) -> Iterator[list[Rows]]:
    """Yield rows again and again, each time divided at random into parts of the same size.

    Advantages and weights are those of a minibatch over all processes; weights sum to 1 in each.

    Args:
        rows: Of this process.
        valid: Which of them count ``[n]``.
        number: Parts; of one the order would make no difference, and there is none.
        rng: Draws the order.
        normalise: Whether advantages are brought to mean 0 and variance 1.
    """
    size = len(valid) // number
    whole = [] if number > 1 else [_weighed(rows, valid, 1, normalise)]
    while True:
        if whole:
            yield whole
            continue
        order = torch.from_numpy(rng.permutation(len(valid)))
        taken = _weighed(_taken(rows, order), valid[order], number, normalise)
        yield [_taken(taken, slice(n, n + size)) for n in range(0, len(valid), size)]


def weighed(
    advantages: Tensor, valid: Tensor, number: int, normalise: bool
) -> tuple[Tensor, Tensor]:
    """Return the weight of each row ``[n]``, and its advantage among those of its minibatch."""
    parts = advantages.detach().cpu().double().numpy().reshape(number, -1)
    counts = valid.cpu().numpy().reshape(number, -1).astype(np.float64)
    sums = np.stack([counts.sum(1), (counts * parts).sum(1), (counts * parts**2).sum(1)])
    processes = summed(sums)
    total = np.maximum(sums[0], 1.0)
    weights = counts * (processes / total)[:, None]
    if normalise:
        mean = sums[1] / total
        rest = np.maximum(sums[2] - total * mean**2, 0.0)
        deviation = np.where(total > 1, np.sqrt(rest / np.maximum(total - 1, 1.0)), 1.0)
        parts = (parts - mean[:, None]) / (deviation + _EPS)[:, None]
    return _like(weights, advantages), _like(parts, advantages)


def check_batch(batch: int, rollout: int, envs: int, processes: int, normalise: bool) -> None:
    """Raise where minibatches of a size don't make up a rollout.

    Args:
        batch: Rows of a minibatch, over all processes.
        rollout: Steps of an environment.
        envs: Environments of a process.
        processes: How many there are.
        normalise: Whether minibatches have statistics to take.
    """
    rows = rollout * envs * processes
    if rows % batch:
        near = [size for size in range(2, rows + 1) if rows % size == 0]
        near = sorted(sorted(near, key=lambda size: abs(size - batch))[:4])
        raise TlmlError(
            f"batch_size: {batch} does not divide the {rows} steps of a rollout (rollout_steps="
            f"{rollout} of {envs * processes} environments); take {_or(near)}"
        )
    if batch % processes:
        raise TlmlError(f"batch_size: {batch} rows can't be shared by {processes} processes")
    if batch == 1 and normalise:
        raise TlmlError(
            "batch_size: a minibatch of one step has no variance to normalise advantages by; take "
            "a larger one, or normalise_advantages=False"
        )


def summed(array: NDArray[np.float64]) -> int:
    """Sum an array over all processes, in place, and return their number."""
    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        return 1
    tensor = torch.from_numpy(array)
    on = tensor.cuda() if dist.get_backend() == "nccl" else tensor
    dist.all_reduce(on)
    tensor.copy_(on)
    return dist.get_world_size()


def _weighed(rows: Rows, valid: Tensor, number: int, normalise: bool) -> Rows:
    weights, advantages = weighed(rows.advantages, valid, number, normalise)
    return rows._replace(advantages=advantages, weights=weights)


def _taken(rows: Rows, which: Tensor | slice) -> Rows:
    return Rows(*(None if each is None else each[which] for each in rows))  # type: ignore[arg-type]


def _like(array: NDArray[np.float64], tensor: Tensor) -> Tensor:
    return torch.from_numpy(array.reshape(-1)).to(tensor)


def _or(numbers: list[int]) -> str:
    *first, last = map(str, numbers)
    return f"{', '.join(first)} or {last}" if first else last
