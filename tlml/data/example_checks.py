"""Checks of examples: tensors of equal length that are finite and lie in their spaces."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete, Space
from torch import Tensor

from tlml.data.spaces import describe_space
from tlml.data.tasks import Batch
from tlml.errors import TlmlError

_CLASSES = (torch.int64, torch.int32)  # what tensors are indexed by


def check_tensors(x: Any, y: Any, where: str) -> None:
    """Raise where inputs and targets are not tensors of the same length.

    Args:
        x: Inputs ``[n, ...]``, or what reads single ones of them.
        y: Targets ``[n]`` or ``[n, d]``.
        where: Whose they are, for the error.

    Raises:
        TlmlError: In one line, with what would mend it.
    """
    if isinstance(x, Tensor) or is_array(x) or not hasattr(x, "__len__"):
        check_tensor(x, "x", where)
    check_tensor(y, "y", where)
    if len(x) != len(y):
        raise TlmlError(f"{where}: y has {len(y)} entries, x {len(x)}; give one for each")


def is_plain(batch: Batch) -> bool:
    """Say whether `check_tensors` would find nothing wrong with examples in memory; quickly."""
    x, y = batch
    return _is_plain(x) and _is_plain(y) and x.shape[0] == y.shape[0]


def is_finite(batch: Batch) -> bool:
    """Say whether examples are surely finite, of tensors; False also where a sum of them is not."""
    return all(
        not values.is_floating_point() or math.isfinite(float(values.sum())) for values in batch
    )


def _is_plain(values: Any) -> bool:
    return (
        isinstance(values, Tensor)
        and values.dim() > 0
        and values.layout == torch.strided
        and not values.is_complex()
        and not values.requires_grad
    )


def check_tensor(values: Any, name: str, where: str) -> None:
    """Raise where something isn't a plain tensor ``[n, ...]`` without a gradient."""
    if not isinstance(values, Tensor):
        raise TlmlError(f"{where}: {name} is {_called(values)}; {_as_tensor(values, name)}")
    if values.dim() == 0:
        raise TlmlError(f"{where}: {name} is a single number; give a tensor [n, ...]")
    if values.layout != torch.strided:
        raise TlmlError(f"{where}: {name} is a sparse tensor; give {name}.to_dense()")
    if values.is_complex():
        raise TlmlError(f"{where}: {name} is complex; give torch.view_as_real({name}), for one")
    if values.requires_grad:
        raise TlmlError(f"{where}: {name} requires a gradient; give {name}.detach()")


def check_inputs(x: Tensor, space: Space[Any], where: str) -> None:
    """Raise where inputs are of another shape or kind than their space."""
    if not isinstance(space, Box):
        return
    if tuple(x.shape[1:]) != tuple(space.shape):
        raise TlmlError(
            f"{where}: x is {_shape(x)}, and the space {describe_space(space)} has "
            f"{_listed(space.shape)}; set the domain's x to a Box of shape {tuple(x.shape[1:])}"
        )
    if np.issubdtype(space.dtype, np.floating) and not x.is_floating_point():
        raise TlmlError(
            f"{where}: x is {_type(x)} and the space {describe_space(space)}; give x.float()"
        )


def check_targets(y: Tensor, space: Space[Any], where: str) -> None:
    """Raise where targets are not of their space: classes 0 to n-1, or values of its shape."""
    if isinstance(space, Discrete):
        _check_labels(y, space, where)
    elif isinstance(space, Box):
        _check_values(y, space, where)


def check_target_space(space: Space[Any], where: str) -> None:
    """Raise where values are told as single numbers: networks and losses take ``[n, d]``."""
    if isinstance(space, Box) and space.shape == ():
        raise TlmlError(
            f"{where}: targets [n] of {describe_space(space)} are single numbers; give y[:, None], "
            "[n, 1], and a Box of shape (1,)"
        )


def _check_labels(y: Tensor, space: Discrete, where: str) -> None:
    if y.dtype not in _CLASSES:
        mend = "give whole numbers, y.long()" if y.is_floating_point() else "give y.long()"
        raise TlmlError(f"{where}: y is {_type(y)} and the space {describe_space(space)}; {mend}")
    if y.dim() != 1:
        raise TlmlError(
            f"{where}: y is {_shape(y)}, and classes are [n]; "
            + ("give y[:, 0]" if y.shape[1:] == (1,) else "give y.argmax(1) where it is one-hot")
        )
    if not len(y):
        return
    low, high = (int(end) for end in torch.aminmax(y))
    if space.start != 0 or low < 0 or high >= space.n:
        found = f"labels are {low} to {high}" if low != high else f"all labels are {low}"
        mend = f"number them 0 to {space.n - 1}"
        mend += f" and take Discrete({space.n})" if space.start != 0 else ""
        mend += f", or take Discrete({high + 1})" if low == 0 and space.start == 0 else ""
        raise TlmlError(f"{where}: {found}; the space is {describe_space(space)}: {mend}")


def _check_values(y: Tensor, space: Box, where: str) -> None:
    check_target_space(space, where)
    if not y.is_floating_point():
        raise TlmlError(
            f"{where}: y is {_type(y)} and the space {describe_space(space)}; give y.float()"
        )
    if tuple(y.shape[1:]) != tuple(space.shape):
        mend = f"set the domain's y to a Box of shape {tuple(y.shape[1:])}"
        if y.dim() == 1 and space.shape == (1,):
            mend = "give y[:, None]"
        raise TlmlError(
            f"{where}: y is {_shape(y)}, and the space {describe_space(space)} has "
            f"{_listed(space.shape)}; {mend}"
        )


def is_array(values: Any) -> bool:
    """Return whether something holds data in memory that is no tensor, as numpy and pandas do."""
    held = isinstance(values, list | tuple | str | np.ndarray)
    return held or type(values).__module__.partition(".")[0] in ("pandas", "polars")


def _called(values: Any) -> str:
    if isinstance(values, np.ndarray):
        return "a numpy array of text" if values.dtype.kind in "OSUT" else "a numpy array"
    return "None" if values is None else f"a {type(values).__name__}"


def _as_tensor(values: Any, name: str) -> str:
    if isinstance(values, np.ndarray):
        if values.dtype.kind in "OSUT":
            return "number what it says from 0, and give a tensor"
        return f"give a tensor, torch.from_numpy({name})"
    if hasattr(values, "to_numpy"):
        return f"give a tensor, torch.from_numpy({name}.to_numpy())"
    return f"give a tensor, torch.tensor({name})" if values is not None else "give a tensor"


def _shape(values: Tensor) -> str:
    return _listed(values.shape[1:])


def _listed(shape: Sequence[int] | None) -> str:
    return "[" + ", ".join(["n", *map(str, shape or ())]) + "]"


def _type(values: Tensor) -> str:
    return str(values.dtype).removeprefix("torch.")
