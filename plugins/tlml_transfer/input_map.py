"""Strategies that map the inputs of source and target to where one model serves both."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tlml import Strategy, TlmlError
from tlml.named import Kept

Values = NDArray[np.float64]
Rows = TypeVar("Rows", Tensor, NDArray[Any])

MOST_COMPONENTS = 30  # where their number is left open


class InputMap(Strategy):
    """Maps source and target inputs, ``[n, d]`` and ``[m, d]``: tensors or arrays, as they come.

    A subclass writes `map_both`, and `map_target` unless the target stays as it is. What the map of
    further inputs needs is in `kept`, which a checkpoint restores.
    """

    title: ClassVar[str]  # what errors call it

    def __init__(self) -> None:
        super().__init__()
        self.kept = Kept()

    @abstractmethod
    def map_both(self, source: Values, target: Values) -> tuple[Values, Values]:
        """Learn the map, and return both sides mapped."""

    def map_target(self, target: Values) -> Values:
        """Return further target inputs mapped."""
        return target

    def fit_transform(self, source_x: Rows, target_x: Rows) -> tuple[Rows, Rows]:
        """Learn the map from inputs without labels, and return both sides mapped.

        Computes in float64, and returns what kind of tensors or arrays it was given.

        Raises:
            TlmlError: A side has less than two different inputs or one that is not finite, they
                have different dimensions, or the map needs more than they have.
        """
        source, target = _array(source_x), _array(target_x)
        _check_sides(self.title, source, target)
        mapped = self.map_both(source, target)
        return _like(mapped[0], source_x), _like(mapped[1], target_x)

    def transform(self, target_x: Rows) -> Rows:
        """Map more target inputs as `fit_transform` did.

        Raises:
            TlmlError: Nothing was mapped before, or they have other dimensions.
        """
        return _like(self.map_target(_array(target_x)), target_x)

    def keep(self, **values: Values | float) -> None:
        """Keep what `map_target` needs."""
        self.kept.update({name: torch.as_tensor(np.array(value)) for name, value in values.items()})

    def recall(self, name: str) -> Values:
        """Return what was kept.

        Raises:
            TlmlError: Nothing was mapped before.
        """
        if name not in self.kept:
            raise TlmlError(
                f"{self.title}: there is no map yet; learn it by fit_transform(source_x, target_x)"
            )
        return _array(self.kept[name])

    def check_dimensions(self, target: Values, dimensions: int) -> None:
        """Raise where inputs have other dimensions than those that the map was learned from."""
        if target.shape[1:] != (dimensions,):
            raise TlmlError(
                f"{self.title}: inputs must be [n, {dimensions}], as those that the map was "
                f"learned from, are {list(target.shape)}"
            )


def count_components(wanted: int | None, variances: Values, whose: str) -> int:
    """Return how many components to take.

    Args:
        wanted: How many are asked for; None: all there are, at most `MOST_COMPONENTS`.
        variances: Along each direction, the largest first.
        whose: What varies along them, for the error.

    Raises:
        TlmlError: There are less than are asked for.
    """
    there = int((variances > 1e-12 * variances[0]).sum())
    if wanted is not None and wanted > there:
        raise TlmlError(
            f"components: {wanted} is more than the {there} directions in which {whose} varies; "
            f"take at most {there}"
        )
    return wanted or min(there, MOST_COMPONENTS)


def _array(x: Tensor | NDArray[Any]) -> Values:
    values = x.detach().cpu().numpy() if isinstance(x, Tensor) else x
    return np.asarray(values, np.float64)


def _like(values: Values, given: Rows) -> Rows:
    """Return values as a tensor or an array, in the precision and place of what was given."""
    if isinstance(given, Tensor):
        kind = given.dtype if given.is_floating_point() else torch.get_default_dtype()
        return torch.as_tensor(values).to(given.device, kind)
    return values.astype(given.dtype if given.dtype.kind == "f" else np.float64)


def _check_sides(whose: str, source: Values, target: Values) -> None:
    for side, x in (("source", source), ("target", target)):
        if x.ndim != 2 or len(x) < 2:
            raise TlmlError(
                f"{whose}: {side} inputs must be [n, d] with n of at least 2, are {list(x.shape)}"
            )
        if not np.isfinite(x).all():
            raise TlmlError(f"{whose}: {side} inputs hold NaN or infinity; leave such rows out")
        if (x == x[0]).all():
            raise TlmlError(f"{whose}: all {side} inputs are equal, so that they say nothing")
    if source.shape[1] != target.shape[1]:
        raise TlmlError(
            f"{whose}: source inputs have {source.shape[1]} dimensions, target inputs "
            f"{target.shape[1]}"
        )
