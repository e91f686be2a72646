"""Policies: what an actor's outputs say about actions, by the space of actions.

A policy has no parameters. Outputs ``[n, size]`` and, where actions are numbers, the logarithms of
standard deviations come from a network. Drawing is NumPy, one step of all environments at a time,
with noise that was drawn for a whole rollout at once; log-probabilities and entropies are torch and
can be differentiated.

Actions are known in two forms. What a policy draws is *raw*: classes from 0 on, or numbers of which
−1 and 1 are the bounds of a Box. What environments take, `to_env` makes of it: numbered from the
space's start, scaled to the Box and kept within it. Log-probabilities are those of raw actions; the
scaling to a Box, being linear, changes them by a constant alone, `log_scale`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete, MultiBinary, MultiDiscrete, Space
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from tlml import TlmlError

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
_NEAREST = 1 - 1e-6  # to the bounds of a squashed action: at them its logarithm is infinite


class Policy(ABC):
    """A family of distributions over actions.

    Args:
        space: The space of actions.

    Attributes:
        size: Numbers that an actor gives for each observation.
        has_log_std: Whether standard deviations belong to it.
    """

    size: int
    has_log_std = False

    def noise(self, rng: np.random.Generator, steps: int) -> NDArray[np.float32]:
        """Draw what decides the actions of some steps of one environment ``[steps, size]``."""
        return self._draw(rng, (steps, self.size)).astype(np.float32)

    @abstractmethod
    def choose(
        self, outputs: NDArray[Any], noise: NDArray[Any], log_std: NDArray[Any] | None = None
    ) -> NDArray[Any]:
        """Draw raw actions ``[n, ...]`` by outputs and noise, ``[n, size]`` both."""

    @abstractmethod
    def best(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Return the likeliest raw actions ``[n, ...]``."""

    @abstractmethod
    def log_prob(self, outputs: Tensor, actions: Tensor, log_std: Tensor | None = None) -> Tensor:
        """Return the log-probability of raw actions ``[n]``, or the logarithm of their density."""

    @abstractmethod
    def entropy(self, outputs: Tensor, log_std: Tensor | None = None) -> Tensor:
        """Return the entropy ``[n]``."""

    def to_env(self, actions: NDArray[Any]) -> NDArray[Any]:
        """Return raw actions as environments take them."""
        return actions

    def from_env(self, actions: Tensor) -> Tensor:
        """Return what environments took as raw actions."""
        return actions

    def masked(self, outputs: NDArray[Any], mask: NDArray[Any]) -> NDArray[Any]:
        """Return outputs that rule out the actions for which a mask ``[n, size]`` is 0.

        Raises:
            TlmlError: Actions can't be ruled out, or the mask has another shape.
        """
        raise TlmlError(
            "action_mask: only numbered actions can be ruled out, not those of "
            f"{type(self).__name__}"
        )

    @abstractmethod
    def _draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[Any]: ...


class Categorical(Policy):
    """One of several actions; outputs are logits.

    Drawn by the largest of logits and Gumbel noise, which has the distribution of the softmax.
    """

    def __init__(self, space: Discrete) -> None:
        self.size, self.start = int(space.n), int(space.start)

    def choose(
        self, outputs: NDArray[Any], noise: NDArray[Any], log_std: NDArray[Any] | None = None
    ) -> NDArray[Any]:
        """Draw actions ``[n]``."""
        found: NDArray[Any] = (outputs + noise).argmax(-1)
        return found

    def best(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Return the actions of the largest logit ``[n]``."""
        found: NDArray[Any] = outputs.argmax(-1)
        return found

    def log_prob(self, outputs: Tensor, actions: Tensor, log_std: Tensor | None = None) -> Tensor:
        """Return log-probabilities ``[n]``."""
        return F.log_softmax(outputs, -1).gather(-1, actions.long()[..., None])[..., 0]

    def entropy(self, outputs: Tensor, log_std: Tensor | None = None) -> Tensor:
        """Return the entropy ``[n]``; what is ruled out adds nothing."""
        logs = F.log_softmax(outputs, -1)
        probabilities = logs.exp()
        return -(probabilities * logs.masked_fill(outputs == -math.inf, 0.0)).sum(-1)

    def to_env(self, actions: NDArray[Any]) -> NDArray[Any]:
        """Number actions from the space's start."""
        return actions + self.start if self.start else actions

    def from_env(self, actions: Tensor) -> Tensor:
        """Number actions from 0."""
        return actions - self.start if self.start else actions

    def masked(self, outputs: NDArray[Any], mask: NDArray[Any]) -> NDArray[Any]:
        """Return logits that are −∞ where the mask is 0."""
        return rule_out(outputs, mask)

    def _draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[Any]:
        return rng.gumbel(size=shape)


class MultiCategorical(Policy):
    """Several choices at once, each as of `Categorical`; outputs are their logits in a row."""

    def __init__(self, space: MultiDiscrete) -> None:
        if np.ndim(space.nvec) != 1:
            raise TlmlError(f"actions: MultiDiscrete must be of one dimension, is {space}")
        self.sizes = [int(n) for n in space.nvec]
        self.size, self.starts = sum(self.sizes), np.asarray(space.start)
        self._bounds = [0, *np.cumsum(self.sizes).tolist()]
        self._parts = [Categorical(Discrete(n)) for n in self.sizes]

    def choose(
        self, outputs: NDArray[Any], noise: NDArray[Any], log_std: NDArray[Any] | None = None
    ) -> NDArray[Any]:
        """Draw actions ``[n, choices]``."""
        return self.best(outputs + noise)

    def best(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Return the actions of the largest logits ``[n, choices]``."""
        return np.stack([outputs[..., part].argmax(-1) for part in self.slices()], -1)

    def log_prob(self, outputs: Tensor, actions: Tensor, log_std: Tensor | None = None) -> Tensor:
        """Return log-probabilities ``[n]``: of all choices together."""
        logs = [
            part.log_prob(outputs[..., where], actions[..., place])
            for place, (part, where) in enumerate(zip(self._parts, self.slices(), strict=True))
        ]
        return torch.stack(logs).sum(0)

    def entropy(self, outputs: Tensor, log_std: Tensor | None = None) -> Tensor:
        """Return the entropy ``[n]``: the sum of the choices'."""
        pairs = zip(self._parts, self.slices(), strict=True)
        return torch.stack([part.entropy(outputs[..., where]) for part, where in pairs]).sum(0)

    def to_env(self, actions: NDArray[Any]) -> NDArray[Any]:
        """Number actions from the space's starts."""
        return actions + self.starts

    def from_env(self, actions: Tensor) -> Tensor:
        """Number actions from 0."""
        return actions - torch.from_numpy(self.starts).to(actions.device)

    def masked(self, outputs: NDArray[Any], mask: NDArray[Any]) -> NDArray[Any]:
        """Return logits that are −∞ where the mask, of all choices in a row, is 0."""
        for part in self.slices():
            rule_out(outputs[..., part], np.reshape(mask, outputs.shape)[..., part])
        return rule_out(outputs, mask)

    def slices(self) -> Iterator[slice]:
        """Yield where each choice's logits stand."""
        for first, last in zip(self._bounds, self._bounds[1:], strict=False):
            yield slice(first, last)

    def _draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[Any]:
        return rng.gumbel(size=shape)


class Bernoulli(Policy):
    """Switches, each on or off; outputs are the logits of being on."""

    def __init__(self, space: MultiBinary) -> None:
        self.shape: tuple[int, ...] = space.shape
        self.size, self._dtype = math.prod(self.shape), space.dtype

    def choose(
        self, outputs: NDArray[Any], noise: NDArray[Any], log_std: NDArray[Any] | None = None
    ) -> NDArray[Any]:
        """Draw switches ``[n, size]``."""
        return self.best(outputs + noise)

    def best(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Return the likelier state of each ``[n, size]``."""
        return (outputs > 0).astype(self._dtype)

    def log_prob(self, outputs: Tensor, actions: Tensor, log_std: Tensor | None = None) -> Tensor:
        """Return log-probabilities ``[n]``: of all switches together."""
        on = actions.to(outputs.dtype)
        return -F.binary_cross_entropy_with_logits(outputs, on, reduction="none").sum(-1)

    def entropy(self, outputs: Tensor, log_std: Tensor | None = None) -> Tensor:
        """Return the entropy ``[n]``."""
        return (F.softplus(outputs) - outputs * outputs.sigmoid()).sum(-1)

    def to_env(self, actions: NDArray[Any]) -> NDArray[Any]:
        """Return switches in the space's shape."""
        return actions.reshape(*actions.shape[:-1], *self.shape)

    def from_env(self, actions: Tensor) -> Tensor:
        """Return switches in a row."""
        return actions.reshape(*actions.shape[: actions.dim() - len(self.shape)], self.size)

    def _draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[Any]:
        return rng.logistic(size=shape)


class DiagonalGaussian(Policy):
    """Numbers, each normally distributed; outputs are means, with −1 and 1 for a Box's bounds.

    What lies beyond the bounds is at them for the environment, and where it was drawn for the
    log-probability.
    """

    has_log_std = True

    def __init__(self, space: Box) -> None:
        self.shape: tuple[int, ...] = space.shape
        self.size, self._dtype = math.prod(self.shape), space.dtype
        low, high = (np.asarray(b, np.float64).reshape(-1) for b in (space.low, space.high))
        bounded = np.isfinite(low) & np.isfinite(high)
        self._low, self._high = low, high
        with np.errstate(all="ignore"):
            self._middle = np.where(bounded, low + 0.5 * (high - low), 0.0)
            self._half = np.where(bounded & (high > low), 0.5 * (high - low), 1.0)
        self.bounded = bool(bounded.all())
        self._as_they_are = bool((self._middle == 0).all() and (self._half == 1).all())

    @property
    def log_scale(self) -> float:
        """By how much the density of an action in the Box is less in its logarithm."""
        return float(np.log(self._half).sum())

    def choose(
        self, outputs: NDArray[Any], noise: NDArray[Any], log_std: NDArray[Any] | None = None
    ) -> NDArray[Any]:
        """Draw numbers ``[n, size]``."""
        assert log_std is not None
        found: NDArray[Any] = outputs + np.exp(log_std) * noise
        return found

    def best(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Return the means ``[n, size]``."""
        return outputs.copy()

    def log_prob(self, outputs: Tensor, actions: Tensor, log_std: Tensor | None = None) -> Tensor:
        """Return the logarithms of densities ``[n]``."""
        assert log_std is not None
        errors = (actions - outputs) * torch.exp(-log_std)
        return (-0.5 * errors * errors - log_std - _HALF_LOG_2PI).sum(-1)

    def entropy(self, outputs: Tensor, log_std: Tensor | None = None) -> Tensor:
        """Return the differential entropy ``[n]``."""
        assert log_std is not None
        return (log_std + (0.5 + _HALF_LOG_2PI)).expand_as(outputs).sum(-1)

    def to_env(self, actions: NDArray[Any]) -> NDArray[Any]:
        """Scale numbers to the Box, and keep them in it."""
        if not self._as_they_are:
            actions = self._middle + self._half * actions
        kept = np.clip(actions, self._low, self._high)
        found: NDArray[Any] = kept.astype(self._dtype).reshape(*actions.shape[:-1], *self.shape)
        return found

    def from_env(self, actions: Tensor) -> Tensor:
        """Scale numbers of the Box to −1 to 1."""
        rows = actions.reshape(*actions.shape[: actions.dim() - len(self.shape)], self.size)
        if self._as_they_are:
            return rows
        middle, half = (torch.from_numpy(each).to(rows) for each in (self._middle, self._half))
        return (rows - middle) / half

    def _draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[Any]:
        return rng.standard_normal(shape)


class SquashedGaussian(DiagonalGaussian):
    """Numbers whose inverse hyperbolic tangent is normally distributed: never beyond a Box.

    The density of a = tanh u is that of u, divided by 1 − tanh² u (Haarnoja et al. 2018, arXiv
    1801.01290, equation 21).
    """

    def __init__(self, space: Box) -> None:
        super().__init__(space)
        if not self.bounded:
            raise TlmlError(f"actions: squashed ones need a Box with bounds, the space is {space}")

    def choose(
        self, outputs: NDArray[Any], noise: NDArray[Any], log_std: NDArray[Any] | None = None
    ) -> NDArray[Any]:
        """Draw numbers from −1 to 1 ``[n, size]``."""
        squashed = np.tanh(super().choose(outputs, noise, log_std))
        found: NDArray[Any] = np.clip(squashed, -_NEAREST, _NEAREST)
        return found

    def best(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Return the hyperbolic tangents of the means ``[n, size]``."""
        found: NDArray[Any] = np.tanh(outputs)
        return found

    def log_prob(self, outputs: Tensor, actions: Tensor, log_std: Tensor | None = None) -> Tensor:
        """Return the logarithms of densities ``[n]``."""
        before = torch.atanh(actions.clamp(-_NEAREST, _NEAREST))
        # log(1 − tanh² u), which rounds to −∞ where u is large.
        shrunk = 2 * (math.log(2.0) - before - F.softplus(-2 * before))
        return super().log_prob(outputs, before, log_std) - shrunk.sum(-1)

    def entropy(self, outputs: Tensor, log_std: Tensor | None = None) -> Tensor:
        """Return the entropy ``[n]`` of what is squashed: that of actions has no closed form."""
        return super().entropy(outputs, log_std)


def policy_for(space: Space[Any], boxes: Literal["gaussian", "squashed"] = "gaussian") -> Policy:
    """Return the policy for a space of actions.

    Args:
        space: Discrete, MultiDiscrete, MultiBinary or a Box.
        boxes: What numbers are drawn by.

    Raises:
        TlmlError: There is none for the space.
    """
    if isinstance(space, Discrete):
        return Categorical(space)
    if isinstance(space, MultiDiscrete):
        return MultiCategorical(space)
    if isinstance(space, MultiBinary):
        return Bernoulli(space)
    if isinstance(space, Box) and np.issubdtype(space.dtype, np.floating):
        return SquashedGaussian(space) if boxes == "squashed" else DiagonalGaussian(space)
    raise TlmlError(
        f"actions: no policy chooses from {space}; there are some for Discrete, MultiDiscrete, "
        "MultiBinary and a Box of floats"
    )


def rule_out(outputs: NDArray[Any], mask: NDArray[Any]) -> NDArray[Any]:
    """Return logits that are −∞ where a mask of as many entries is 0.

    Raises:
        TlmlError: The mask has another shape, or rules out everything.
    """
    if np.size(mask) != outputs.size:
        raise TlmlError(
            f"action_mask: must have {outputs.shape[-1]} entries for each environment, "
            f"is {list(np.shape(mask))}"
        )
    allowed = np.asarray(mask, bool).reshape(outputs.shape)
    if not allowed.any(-1).all():
        raise TlmlError("action_mask: it rules out all actions of an environment")
    return np.where(allowed, outputs, outputs.dtype.type(-np.inf))
