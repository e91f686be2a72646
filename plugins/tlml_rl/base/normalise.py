"""Observations and rewards on one scale, by what was seen in training and never in a test.

Moments are registered buffers: a saved agent keeps them, without which it would see other numbers
than it learned from. Several processes take in what all of them saw.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor, nn

from tlml.data import Rollout

_LARGEST = 10.0  # standard deviations that anything may be away from the mean
_EPS = 1e-8


class Moments(nn.Module):
    """Running mean and variance of numbers of some shape.

    Args:
        shape: Of what comes.
    """

    count: Tensor
    mean: Tensor
    square: Tensor

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))
        self.register_buffer("mean", torch.zeros(shape, dtype=torch.float64))
        # Summed squares of distances from the mean.
        self.register_buffer("square", torch.zeros(shape, dtype=torch.float64))

    @torch.no_grad()
    def update(self, rows: NDArray[Any]) -> None:
        """Take in rows ``[n, *shape]`` of all processes (Chan, Golub & LeVeque 1983)."""
        given = torch.from_numpy(np.asarray(rows, np.float64)).to(self.mean.device)
        count, total = self.count.new_tensor(float(len(given))), given.sum(0)
        _summed(count, total)
        if not count:
            return
        mean = total / count
        square = ((given - mean) ** 2).sum(0)
        _summed(square)
        away, whole = mean - self.mean, self.count + count
        self.square += square + away**2 * self.count * count / whole
        self.mean += away * count / whole
        self.count.copy_(whole)

    def deviation(self) -> NDArray[np.float64]:
        """Return the standard deviation; 1 before anything came."""
        if not self.count:
            return np.ones(self.mean.shape)
        return np.sqrt((self.square / self.count).cpu().numpy() + _EPS)


class ObservationScale(Moments):
    """Brings observations to mean 0 and variance 1."""

    def apply(self, rows: NDArray[Any]) -> NDArray[np.float32]:  # type: ignore[override]
        """Return rows ``[n, *shape]`` on the scale of now."""
        mean = self.mean.cpu().numpy()
        found: NDArray[np.float32] = np.clip(
            (rows - mean) / self.deviation(), -_LARGEST, _LARGEST
        ).astype(np.float32)
        return found


class RewardScale(Moments):
    """Divides rewards by the standard deviation of their discounted sums over time.

    Args:
        gamma: The discount rate.
    """

    running: Tensor

    def __init__(self, gamma: float) -> None:
        super().__init__(())
        self.gamma = gamma
        self.register_buffer("running", torch.zeros(0, dtype=torch.float64))

    def update_by(self, rollout: Rollout, first: int, total: int) -> None:
        """Take in a rollout.

        Args:
            rollout: Of this process.
            first: The number of its first environment.
            total: Environments of all processes.
        """
        rewards = rollout.rewards.numpy().astype(np.float64)
        over = (rollout.terminated | rollout.truncated).numpy()
        own = slice(first, first + rewards.shape[1])
        if len(self.running) != total:
            self.running = self.mean.new_zeros(total)
        sums, running = np.empty_like(rewards), self.running[own].cpu().numpy().copy()
        for step, row in enumerate(rewards):
            running = running * self.gamma + row
            sums[step] = running
            running[over[step]] = 0.0
        self.running.zero_()
        self.running[own] = torch.from_numpy(running).to(self.running.device)
        _summed(self.running)  # each process knows its own
        self.update(sums[rollout.valid.numpy()])

    def apply(self, rewards: Tensor) -> Tensor:  # type: ignore[override]
        """Return rewards on the scale of now."""
        return (rewards / float(self.deviation())).clamp(-_LARGEST, _LARGEST)

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
        # There are as many running sums as environments, which a fit alone knows.
        saved = state_dict.get(f"{prefix}running")
        if saved is not None:
            self.running = torch.zeros_like(saved, device=self.mean.device)
        super()._load_from_state_dict(state_dict, prefix, *args)


def _summed(*tensors: Tensor) -> None:
    if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
        for tensor in tensors:
            dist.all_reduce(tensor)
