"""Strategies that map the inputs of source and target to where one model serves both."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np
import torch

from tlml import Strategy, TlmlError
from tlml.networks import NamedBuffers
from tlml_transfer.rows import Rows, Values, as_array, as_given, check_rows

MOST_COMPONENTS = 30  # where their number is left open


class InputMap(Strategy):
    """Maps source and target inputs, ``[n, d]`` and ``[m, d]``: tensors or arrays, as they come.

    A subclass writes `map_both`, and `map_target` unless the target stays as it is. What the map of
    further inputs needs is in `kept`, which a checkpoint restores.
    """

    title: ClassVar[str]  # what errors call it

    def __init__(self) -> None:
        super().__init__()
        self.kept = NamedBuffers()

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
        source, target = as_array(source_x), as_array(target_x)
        _check_sides(self.title, source, target)
        mapped = self.map_both(source, target)
        return as_given(mapped[0], source_x), as_given(mapped[1], target_x)

    def transform(self, target_x: Rows) -> Rows:
        """Map more target inputs as `fit_transform` did.

        Raises:
            TlmlError: Nothing was mapped before, or they have other dimensions.
        """
        return as_given(self.map_target(as_array(target_x)), target_x)

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
        return as_array(self.kept[name])

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


def _check_sides(whose: str, source: Values, target: Values) -> None:
    for side, x in (("source", source), ("target", target)):
        if x.ndim != 2 or len(x) < 2:
            raise TlmlError(
                f"{whose}: {side} inputs must be [n, d] with n of at least 2, are {list(x.shape)}"
            )
        check_rows(x, f"{whose}: {side} inputs")
        if (x == x[0]).all():
            raise TlmlError(f"{whose}: all {side} inputs are equal, so that they say nothing")
    if source.shape[1] != target.shape[1]:
        raise TlmlError(
            f"{whose}: source inputs have {source.shape[1]} dimensions, target inputs "
            f"{target.shape[1]}"
        )
