"""What the episodes of several tasks say: advantages by a baseline that is fitted to each task."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tlml.data import Rollout
from tlml_rl.base.inputs import Inputs
from tlml_rl.returns import discounted_returns

_RIDGE = 1e-5
_FURTHEST = 10.0  # that an observation counts for in the baseline
_PER = 100.0  # steps that time is counted in


class Experience(NamedTuple):
    """The steps of T tasks, n of each, to learn from.

    Args:
        inputs: What the network is given ``[T, n, ...]``.
        actions: Raw actions ``[T, n, ...]``.
        advantages: ``[T, n]``; of each task with mean 0 and variance 1.
        weights: Shares of a task's mean ``[T, n]``, which sum to 1; 0 where nothing was done.
        log_probs: Log-probabilities of the actions when they were drawn ``[T, n]``.
        returns: The sum of each episode's rewards ``[T, episodes]``.
    """

    inputs: Tensor
    actions: Tensor
    advantages: Tensor
    weights: Tensor
    log_probs: Tensor
    returns: Tensor


def experience(rollout: Rollout, tasks: int, inputs: Inputs, gamma: float) -> Experience:
    """Return what a rollout ``[steps, T · episodes, ...]`` of whole episodes says of each task.

    Log-probabilities are 0 as yet.

    Args:
        rollout: Of all tasks.
        tasks: Their number T; the environments of each stand together.
        inputs: How a network is given observations.
        gamma: The discount rate.
    """
    seen = rollout.observations[:-1]
    rows = inputs.encode(seen.reshape(-1, *seen.shape[2:]).numpy())
    given = torch.from_numpy(rows).reshape(*seen.shape[:2], *rows.shape[1:])
    to_go = discounted_returns(
        rollout.rewards.double(), rollout.terminated, rollout.truncated, gamma, 0.0, rollout.valid
    )
    valid = rollout.valid.double()
    weights = _by_task(valid, tasks)
    expected = linear_baseline(
        _by_task(given, tasks).flatten(2).double().numpy(),
        _by_task(_times(valid), tasks).numpy(),
        _by_task(to_go, tasks).numpy(),
        weights.numpy(),
    )
    away = _by_task(to_go, tasks) - torch.from_numpy(expected)
    weights = weights / weights.sum(1, keepdim=True)
    advantages = _standardised(away, weights)
    sums = (rollout.rewards.double() * valid).sum(0).reshape(tasks, -1)
    nothing = torch.zeros_like(advantages)
    actions = _by_task(rollout.actions, tasks)
    return Experience(_by_task(given, tasks), actions, advantages, weights, nothing, sums)


def linear_baseline(
    seen: NDArray[np.float64], times: NDArray[np.float64], to_go: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:  # fmt: skip
    """Return what is expected to come from each step on, by a linear fit to each task.

    Features are the observation and its squares, and time, its square and its cube (Duan et al.
    2016, arXiv 1604.06778, "linear feature baseline"), as Finn et al. 2017 take it; it is fitted to
    the very steps whose returns it is subtracted from.

    Args:
        seen: ``[T, n, d]``.
        times: Steps since the beginning of the episode ``[T, n]``.
        to_go: What came from each step on ``[T, n]``.
        weights: 0 where nothing was done, else 1 ``[T, n]``.
    """
    seen, time = np.clip(seen, -_FURTHEST, _FURTHEST), times[..., None] / _PER
    features = [seen, seen * seen, time, time**2, time**3, np.ones_like(time)]
    x = np.concatenate(features, -1) * weights[..., None]
    ridge = _RIDGE * np.eye(x.shape[-1])
    fitted = np.linalg.solve(x.mT @ x + ridge, x.mT @ (to_go * weights)[..., None])
    found: NDArray[np.float64] = (x @ fitted)[..., 0]
    return found


def _by_task(rows: Tensor, tasks: int) -> Tensor:
    """Return ``[steps, T · episodes, ...]`` as ``[T, episodes · steps, ...]``."""
    parts = rows.reshape(len(rows), tasks, -1, *rows.shape[2:])
    return parts.permute(1, 2, 0, *range(3, parts.dim())).flatten(1, 2)


def _times(valid: Tensor) -> Tensor:
    return torch.arange(len(valid), dtype=valid.dtype)[:, None].expand_as(valid)


def _standardised(values: Tensor, weights: Tensor) -> Tensor:
    """Return values of each task with mean 0 and variance 1, under weights that sum to 1."""
    away = values - (weights * values).sum(1, keepdim=True)
    deviation = (weights * away * away).sum(1, keepdim=True).sqrt()
    return away / (deviation + 1e-8)
