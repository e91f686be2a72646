"""Trainers of one process look once for what installed packages add to them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import metadata
from typing import Any

from lightning_fabric.utilities import registry


@cache
def _entry_points(*, group: str) -> Any:
    return metadata.entry_points(group=group)


@contextmanager
def scanned_once() -> Iterator[None]:
    """Let Trainers that are made inside know the entry points that the first one has read.

    Each Trainer reads those of all installed packages for the callbacks that some may bring, which
    costs a quarter of what a small cell does. Lightning has no option for that.
    """
    if getattr(registry, "entry_points", None) is not metadata.entry_points:
        yield  # another version, which does it in another way
        return
    registry.entry_points = _entry_points  # type: ignore[attr-defined, assignment]
    try:
        yield
    finally:
        registry.entry_points = metadata.entry_points  # type: ignore[attr-defined]
