"""Checks of what a domain gives, once and before long work; all views ask here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.distributed
from gymnasium.spaces import Space
from torch import Tensor

from tlml.data.counts import Amounts, largest, sides
from tlml.data.domains import ClassPool, Domain
from tlml.data.example_checks import (
    check_inputs,
    check_target_space,
    check_targets,
    check_tensor,
    check_tensors,
    is_array,
)
from tlml.data.tasks import Batch, Examples, Finite, Held, Part, Split, StoredExamples, readable
from tlml.errors import TlmlError
from tlml.registry.plugins import one_line

_PARTS: tuple[Part, ...] = ("train", "val", "test")


def check_finite(batch: Batch, where: str) -> None:
    """Raise where inputs or targets are not tensors of the same length, or hold NaN or infinity."""
    check_tensors(batch.x, batch.y, where)
    for name, values in (("x", batch.x), ("y", batch.y)):
        if values.is_floating_point() and not bool(torch.isfinite(values).all()):
            bad = int((~torch.isfinite(values)).reshape(len(values), -1).any(1).sum())
            raise TlmlError(
                f"{where}: {name} of {bad} of {len(values)} examples is NaN or infinite; remove or "
                "fill these examples in the domain"
            )


def check_batch(batch: Batch, spaces: tuple[Space[Any], Space[Any]], where: str) -> None:
    """Raise where examples in memory are not finite tensors of their spaces."""
    check_finite(batch, where)
    check_inputs(batch.x, spaces[0], where)
    check_targets(batch.y, spaces[1], where)


def check_data(domain: Domain[Any], split: Split) -> None:
    """Raise where data of a split can't be learned from as the domain's spaces say.

    It reads all that lies in memory once. What is on the disk is checked as it is read, and here
    no more than that it is there, and its targets.

    Raises:
        TlmlError: Inputs or targets are not tensors, of unequal lengths, of other shapes or kinds
            than the domain's spaces, classes not numbered from 0, or NaN or infinite; or there is
            nothing to train on.
    """
    if isinstance(domain, ClassPool):
        _check_pool(domain.samples(split), domain)
    elif type(domain).tasks is Domain.tasks:
        check_target_space(domain.spaces(split)[1], type(domain).__name__)
    else:
        _check_tasks(domain.tasks(split), domain, split)


def _check_tasks(tasks: Sequence[Any], domain: Domain[Any], split: Split) -> None:
    name, spaces = type(domain).__name__, domain.spaces(split)
    if not len(tasks) and split != "validation":  # without any, a part of the source validates
        raise TlmlError(f"{name} has no {split} tasks")
    sizes = [
        check_part(task.split(part), spaces, f"task {task.name}", part)
        for task in tasks
        if isinstance(task, Finite)
        for part in _PARTS
    ]
    if sizes and not any(sizes) and split != "validation":
        raise TlmlError(f"the {split} tasks of {name} hold no examples")


def check_part(
    dataset: Any, spaces: tuple[Space[Any], Space[Any]], where: str, part: Part = "train"
) -> int:
    """Check one part of a task, and return how many examples it has."""
    data = _read(dataset, where, part)
    check_tensors(data.x, data.y, where)
    if not isinstance(data, Examples):
        check_targets(data.y, spaces[1], where)
    elif len(data):
        check_batch(Batch(data.x, data.y), spaces, where)
    return len(data)


def check_counts(domain: Domain[Any], split: Split, shots: Amounts, queries: Amounts) -> None:
    """Raise where a class of a pool has too few examples for the most shots and queries."""
    if not isinstance(domain, ClassPool):
        return
    most, rng = (largest(shots), largest(queries)), np.random.default_rng(0)
    for name, samples in domain.samples(split).items():
        found = sides(*most, len(samples), None, rng)
        if found and len(samples) < sum(found):
            raise TlmlError(
                f"class '{name}' of {type(domain).__name__} has {len(samples)} examples; "
                f"{found[0]} shots and {found[1]} queries are more"
            )


def _check_pool(pool: Mapping[str, Any], domain: ClassPool) -> None:
    for name, samples in pool.items():
        where = f"class '{name}'"
        held = isinstance(samples, Tensor) or is_array(samples)
        if not held and hasattr(samples, "__len__"):
            continue  # what reads single ones from the disk
        check_tensor(samples, "x", where)
        check_finite(Batch(samples, torch.zeros(len(samples))), where)
        if len(samples):
            check_inputs(samples, domain.x, where)


def _read(dataset: Any, where: str, part: Part) -> Held:
    """Return a part's examples, read one by one where a data set gives no more than that."""
    if isinstance(dataset, Examples | StoredExamples):
        return dataset
    if isinstance(dataset, Batch | tuple) or not hasattr(dataset, "__getitem__"):
        raise TlmlError(
            f"{where}: split('{part}') gives a {type(dataset).__name__}; give tlml.Examples(x, y)"
        )
    try:
        return readable(dataset)
    except Exception as error:  # whatever a stranger's data set raises
        raise TlmlError(
            f"{where}: the examples of split('{part}') can't be read as pairs of tensors (x, y) of "
            f"equal shapes: {one_line(error)}"
        ) from error
