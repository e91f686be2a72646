"""Raw units: inputs and targets far from the size that networks expect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from tlml.data.domains import Domain
from tlml.data.tasks import Batch

RAW = 10.0  # a mean or a deviation beyond it, where about 1 is expected
_MOST = 3  # columns that are told


def tell_raw_units(batch: Batch, domain: Domain[Any] | None = None) -> str:
    """Return what an error adds where examples are in raw units; nothing elsewhere.

    Args:
        batch: Inputs ``[n, d]``; those of another shape are not looked at. Targets ``[n, d]``.
        domain: It may know names.
    """
    names = ((), ()) if domain is None else (domain.input_names, domain.target_names)
    found = [
        *raw_columns(batch.x, "input", names[0]),
        *raw_columns(batch.y, "target", names[1]),
    ]
    more = f" and {len(found) - _MOST} more" if len(found) > _MOST else ""
    told = f"{'; '.join(found[:_MOST])}{more}"
    return f" or scale the data to about 1: {told}" if found else ""


def raw_columns(values: Tensor, kind: str, names: Sequence[str] = ()) -> Iterator[str]:
    """Tell columns ``[n, d]`` whose mean or deviation is beyond 10, one by one."""
    if values.dim() != 2 or not values.is_floating_point() or not len(values):
        return
    spreads, means = torch.std_mean(values.float(), 0, correction=0)
    raw = (means.abs() > RAW) | (spreads > RAW)
    for place in raw.nonzero()[:, 0].tolist():
        name = f"'{names[place]}'" if place < len(names) else str(place)
        yield f"{kind} {name} has mean {means[place]:.4g} and deviation {spreads[place]:.4g}"
