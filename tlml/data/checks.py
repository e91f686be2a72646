"""Checks of what a domain gives: finite values, and enough of them."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed
from torch import Tensor

from tlml.data.counts import Counts, highest
from tlml.data.domains import ClassPool, Domain
from tlml.data.tasks import Batch, Examples, Finite, Split
from tlml.errors import TlmlError


def check_finite(batch: Batch, where: str) -> None:
    """Raise where inputs or targets hold NaN or infinity."""
    for name, values in (("x", batch.x), ("y", batch.y)):
        if values.is_floating_point() and not bool(torch.isfinite(values).all()):
            bad = (
                int((~torch.isfinite(values)).flatten(1).any(1).sum())
                if values.ndim > 1
                else int((~torch.isfinite(values)).sum())
            )
            raise TlmlError(
                f"{where}: {name} of {bad} of {len(values)} examples is NaN or infinite; remove or "
                "fill these examples in the domain"
            )


def check_data(domain: Domain[Any], split: Split) -> None:
    """Raise where data that a split holds in memory is NaN or infinite.

    What is on the disk is checked as it is read, and here no more than that it is there.
    """
    if isinstance(domain, ClassPool):
        for name, samples in domain.samples(split).items():
            if isinstance(samples, Tensor):
                check_finite(Batch(samples, torch.zeros(len(samples))), f"class '{name}'")
    elif type(domain).tasks is not Domain.tasks:
        for task in domain.tasks(split):
            for part in ("train", "val", "test") if isinstance(task, Finite) else ():
                data = task.split(part)
                if isinstance(data, Examples):
                    check_finite(Batch(data.x, data.y), f"task {task.name}")


def check_counts(domain: Domain[Any], split: Split, shots: Counts, queries: Counts) -> None:
    """Raise where a class of a pool has too few examples for the most shots and queries."""
    if not isinstance(domain, ClassPool):
        return
    for name, samples in domain.samples(split).items():
        if len(samples) < highest(shots) + highest(queries):
            raise TlmlError(
                f"class '{name}' of {type(domain).__name__} has {len(samples)} examples; "
                f"{highest(shots)} shots and {highest(queries)} queries are more"
            )
