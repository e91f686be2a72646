"""Rows of numbers as they come, tensors or arrays, and back."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tlml import TlmlError

Values = NDArray[np.float64]
Rows = TypeVar("Rows", Tensor, NDArray[Any])


def as_array(x: Tensor | NDArray[Any]) -> Values:
    """Return inputs as an array in float64."""
    values = x.detach().cpu().numpy() if isinstance(x, Tensor) else x
    return np.asarray(values, np.float64)


def check_rows(values: Values, whose: str) -> None:
    """Raise where rows hold what is no number; `whose` begins the error: ``kmm: source inputs``."""
    if not np.isfinite(values).all():
        raise TlmlError(f"{whose} hold NaN or infinity; leave such rows out")


def as_given(values: Values, given: Rows) -> Rows:
    """Return values as a tensor or an array, in the precision and place of what was given."""
    if isinstance(given, Tensor):
        kind = given.dtype if given.is_floating_point() else torch.get_default_dtype()
        return torch.as_tensor(values).to(given.device, kind)
    given = np.asarray(given)
    return values.astype(given.dtype if given.dtype.kind == "f" else np.float64)
