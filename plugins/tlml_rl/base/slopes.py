"""Log-probabilities and entropies of policies, and what they depend on, by hand in NumPy.

Arrays are turned: ``[size, n]``, a row for each output. Then sums over outputs are sums of rows,
and the matrix products of a last layer need no copies.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tlml_rl.base.policies import (
    Bernoulli,
    Categorical,
    DiagonalGaussian,
    MultiCategorical,
    Policy,
    SquashedGaussian,
)

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
_RULED_OUT = -1e9  # a logit of what is ruled out: its probability rounds to 0, and 0 times it is 0
Array = NDArray[Any]


class Slopes(ABC):
    """A policy at some outputs: `at` looks, and the others tell of what was seen.

    Attributes:
        log_probs: Of the actions ``[n]``.
    """

    log_probs: Array

    @abstractmethod
    def at(self, outputs: Array, actions: Array, log_std: Array | None) -> Array:
        """Look at outputs ``[size, n]`` and raw actions ``[n, ...]``; return log-probabilities."""

    @abstractmethod
    def entropy(self) -> Array:
        """Return the entropy ``[n]``."""

    @abstractmethod
    def back(
        self, by_log_prob: Array, by_entropy: Array | None, out: Array, out_std: Array | None
    ) -> None:
        """Write slopes by outputs ``[size, n]``, and by deviations ``[size]``.

        Args:
            by_log_prob: The loss's slopes by log-probabilities ``[n]``.
            by_entropy: Those by entropies ``[n]``, where they take part.
            out: Where slopes by outputs go.
            out_std: Where slopes by the logarithms of standard deviations go.
        """


class OfCategorical(Slopes):
    """d log p(a) / dz = 1_a − p and dH / dz = −p (log p + H)."""

    def at(self, outputs: Array, actions: Array, log_std: Array | None) -> Array:
        """Look at logits."""
        self._logs = outputs - outputs.max(0)
        self._shares = np.exp(self._logs)
        total = self._shares.sum(0)
        self._shares /= total
        self._logs -= np.log(total)
        number = outputs.shape[1]
        self._chosen = actions.reshape(-1) * number + np.arange(number)
        found: Array = self._logs.reshape(-1).take(self._chosen)
        return found

    def entropy(self) -> Array:
        """Return −Σ p log p."""
        found: Array = -(self._shares * self._logs).sum(0)
        return found

    def back(
        self, by_log_prob: Array, by_entropy: Array | None, out: Array, out_std: Array | None
    ) -> None:
        """Write slopes by logits."""
        weights: Array = -by_log_prob
        if by_entropy is not None:
            weights = weights - by_entropy * (self._logs + self.entropy())
        np.multiply(self._shares, weights, out=out)
        out.reshape(-1)[self._chosen] += by_log_prob


class OfMultiCategorical(Slopes):
    """Choices are independent: what they tell adds up."""

    def __init__(self, policy: MultiCategorical) -> None:
        self._slices = list(policy.slices())
        self._parts = [OfCategorical() for _ in self._slices]

    def at(self, outputs: Array, actions: Array, log_std: Array | None) -> Array:
        """Look at logits of all choices."""
        found = np.zeros(outputs.shape[1], outputs.dtype)
        for place, (part, where) in enumerate(zip(self._parts, self._slices, strict=True)):
            found += part.at(outputs[where], actions[:, place], None)
        return found

    def entropy(self) -> Array:
        """Return the sum of the choices' entropies."""
        found: Array = sum((part.entropy() for part in self._parts[1:]), self._parts[0].entropy())
        return found

    def back(
        self, by_log_prob: Array, by_entropy: Array | None, out: Array, out_std: Array | None
    ) -> None:
        """Write slopes by logits of all choices."""
        for part, where in zip(self._parts, self._slices, strict=True):
            part.back(by_log_prob, by_entropy, out[where], None)


class OfBernoulli(Slopes):
    """d log p(a) / dz = a − σ and dH / dz = −z σ (1 − σ)."""

    def at(self, outputs: Array, actions: Array, log_std: Array | None) -> Array:
        """Look at logits of being on."""
        self._outputs, self._on = outputs, actions.T.astype(outputs.dtype)
        self._soft = np.logaddexp(0, outputs)
        self._shares = np.exp(outputs - self._soft)
        found: Array = (self._on * outputs - self._soft).sum(0)
        return found

    def entropy(self) -> Array:
        """Return Σ log(1 + eᶻ) − z σ."""
        found: Array = (self._soft - self._outputs * self._shares).sum(0)
        return found

    def back(
        self, by_log_prob: Array, by_entropy: Array | None, out: Array, out_std: Array | None
    ) -> None:
        """Write slopes by logits."""
        np.multiply(self._on - self._shares, by_log_prob, out=out)
        if by_entropy is not None:
            out -= by_entropy * self._outputs * self._shares * (1 - self._shares)


class OfGaussian(Slopes):
    """With e = (a − μ) / σ: d log p / dμ = e / σ and d log p / d log σ = e² − 1; dH / d log σ = 1.

    Args:
        squashed: Whether actions are hyperbolic tangents of what is normally distributed.
    """

    def __init__(self, squashed: bool = False) -> None:
        self._squashed = squashed

    def at(self, outputs: Array, actions: Array, log_std: Array | None) -> Array:
        """Look at means."""
        assert log_std is not None
        self._log_std = log_std[:, None]
        before = actions.T
        if self._squashed:
            before = np.arctanh(np.clip(actions.T, -1 + 1e-6, 1 - 1e-6))
        self._inverse = np.exp(-self._log_std)
        self._errors = (before - outputs) * self._inverse
        self._rows = outputs.shape[1]
        found: Array = (-0.5 * self._errors**2).sum(0)
        found -= self._log_std.sum() + len(log_std) * _HALF_LOG_2PI
        if self._squashed:
            shrunk = 2 * (math.log(2.0) - before - np.logaddexp(0, -2 * before))
            found -= shrunk.sum(0).astype(found.dtype)
        return found

    def entropy(self) -> Array:
        """Return Σ log σ, and a constant; of what is squashed, before it is."""
        total = self._log_std.sum() + len(self._log_std) * (0.5 + _HALF_LOG_2PI)
        return np.full(self._rows, total, self._errors.dtype)

    def back(
        self, by_log_prob: Array, by_entropy: Array | None, out: Array, out_std: Array | None
    ) -> None:
        """Write slopes by means and by logarithms of standard deviations."""
        assert out_std is not None
        np.multiply(self._errors, by_log_prob, out=out)
        np.sum(self._errors * out, axis=1, out=out_std)
        out_std -= by_log_prob.sum()
        out *= self._inverse
        if by_entropy is not None:
            out_std += by_entropy.sum()


def slopes_of(policy: Policy) -> Slopes:
    """Return what a policy is by hand."""
    if isinstance(policy, Categorical):
        return OfCategorical()
    if isinstance(policy, MultiCategorical):
        return OfMultiCategorical(policy)
    if isinstance(policy, Bernoulli):
        return OfBernoulli()
    assert isinstance(policy, DiagonalGaussian)
    return OfGaussian(isinstance(policy, SquashedGaussian))


def ruled_out(outputs: Array, masks: Array) -> Array:
    """Return logits ``[size, n]`` that give what a mask ``[n, size]`` rules out no probability."""
    return np.where(masks.T, outputs, outputs.dtype.type(_RULED_OUT))
