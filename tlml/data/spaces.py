"""Input and target spaces as plain data, for checkpoints, and what they say about a task."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Box, Discrete, MultiBinary, MultiDiscrete, Space

from tlml.errors import TlmlError

KINDS = (Box, Discrete, MultiBinary, MultiDiscrete)


def space_to_plain(space: Space[Any]) -> dict[str, Any]:
    """Return a space of `KINDS` as numbers, text, lists and dicts."""
    if isinstance(space, Discrete):
        return {"type": "Discrete", "n": int(space.n), "start": int(space.start)}
    if isinstance(space, MultiDiscrete):
        return {"type": "MultiDiscrete", "nvec": space.nvec.tolist(), "start": space.start.tolist()}
    if isinstance(space, MultiBinary):
        return {"type": "MultiBinary", "shape": list(space.shape)}
    if isinstance(space, Box):
        return {
            "type": "Box",
            "low": _bound_to_plain(space.low),
            "high": _bound_to_plain(space.high),
            "shape": list(space.shape),
            "dtype": str(space.dtype),
        }
    kinds = ", ".join(kind.__name__ for kind in KINDS)
    raise TlmlError(f"space {space}: only spaces of {kinds} are supported")


def space_from_plain(data: dict[str, Any]) -> Space[Any]:
    """Rebuild a space that `space_to_plain` wrote."""
    if data["type"] == "Discrete":
        return Discrete(data["n"], start=data["start"])
    if data["type"] == "MultiDiscrete":
        return MultiDiscrete(data["nvec"], start=data["start"])
    if data["type"] == "MultiBinary":
        return MultiBinary(data["shape"])
    shape = tuple(data["shape"])
    low, high = (np.broadcast_to(np.asarray(data[side]), shape) for side in ("low", "high"))
    return Box(
        low.astype(data["dtype"]), high.astype(data["dtype"]), dtype=np.dtype(data["dtype"]).type
    )


def outputs(space: Space[Any]) -> int:
    """Return how many numbers a network gives for one example of a target space."""
    if isinstance(space, Discrete):
        return int(space.n)
    if isinstance(space, MultiDiscrete):
        return int(space.nvec.sum())  # scores of each action's choices, one after the other
    return int(np.prod(space.shape or (1,)))


def describe_space(space: Space[Any]) -> str:
    """Return a space in a few words: a Box of a thousand bounds is told by its shape."""
    if isinstance(space, Box):
        return f"Box({tuple(space.shape)}, {np.dtype(space.dtype).name})"
    return str(space)


def same_space(a: Space[Any], b: Space[Any]) -> bool:
    """Return whether two spaces hold values of the same kind and shape (bounds don't matter)."""
    counted = (Discrete, MultiBinary, MultiDiscrete)
    if [isinstance(a, kind) for kind in counted] != [isinstance(b, kind) for kind in counted]:
        return False
    if isinstance(a, Discrete) and isinstance(b, Discrete):
        return bool(a.n == b.n)
    if isinstance(a, MultiDiscrete) and isinstance(b, MultiDiscrete):
        return bool(np.array_equal(a.nvec, b.nvec))
    return a.shape == b.shape


def _bound_to_plain(bound: np.ndarray[Any, Any]) -> Any:
    first = bound.flat[0] if bound.size else 0.0
    return float(first) if (bound == first).all() else bound.tolist()
