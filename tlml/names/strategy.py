"""The classes of the registered strategies as attributes, imported when they are asked for."""

from __future__ import annotations

from typing import Any

from tlml.names import listing, lookup


def __getattr__(name: str) -> type[Any]:
    return lookup("strategy", name)


def __dir__() -> list[str]:
    return listing("strategy")
