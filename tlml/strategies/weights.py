"""Weights of source examples, and what they amount to."""

from __future__ import annotations

import inspect

import torch
from torch import Tensor

from tlml.data.tasks import Batch, Examples
from tlml.errors import DivergedError, TlmlError
from tlml.strategies.strategy import Strategy


def weigh_source(strategy: Strategy, source: Batch | Examples, target_x: Tensor) -> Tensor | None:
    """Return a strategy's weights for source examples; it sees the labels if it asks for them."""
    takes = inspect.signature(strategy.weigh_samples).parameters
    labels = {"source_y": source.y} if "source_y" in takes else {}
    found = strategy.weigh_samples(source.x, target_x, **labels)
    return weights_of(found, len(source.x), strategy)


def weights_of(weights: Tensor | None, count: int, strategy: Strategy) -> Tensor | None:
    """Check a strategy's weights, and note in it their effective sample size (Kish 1965).

    Raises:
        TlmlError: They aren't one for each source example, finite, none negative, or all are 0.
    """
    if weights is None:
        return None
    name = type(strategy).__name__
    if weights.shape != (count,) or not bool(torch.isfinite(weights).all()) or weights.min() < 0:
        raise TlmlError(
            f"strategy {name}: weigh_samples must return {count} finite weights "
            f"≥ 0, one for each source example; it gave shape {tuple(weights.shape)}"
        )
    if not weights.any():
        raise DivergedError(
            f"strategy {name}: all {count} weights are 0, so that there is no source example to "
            "learn from; source and target may have nothing in common"
        )
    strategy.effective_sample_size = effective_sample_size(weights)
    return weights


def effective_sample_size(weights: Tensor) -> float:
    """Return (Σ w)² / Σ w²: how many equally weighted examples tell as much."""
    scaled = weights.double() / weights.max()  # squares of tiny weights would be 0
    return float(scaled.sum().square() / scaled.square().sum())
