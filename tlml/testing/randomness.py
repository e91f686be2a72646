"""Whether code draws from the global random states, which nothing in tlml may do."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from tlml.testing.failure import require

_KEPT = "draw from the generator that is passed, or make one from a seed"


@contextmanager
def global_state(seed: int) -> Iterator[None]:
    """Seed the global random states of Python, NumPy and torch, and restore them afterwards."""
    python, numpy, cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        random.seed(seed)
        np.random.seed(seed)
        torch.default_generator.manual_seed(seed)
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(cpu)


@contextmanager
def without_global_draws(whose: str) -> Iterator[None]:
    """Fail where what runs in here draws from a global random state.

    Args:
        whose: What draws, such as ``"domain tides: draw()"``.
    """
    before = _states()
    yield
    for name, state in _states().items():
        require(
            state == before[name], f"{whose} draws from the global random state of {name}; {_KEPT}"
        )


def _states() -> dict[str, object]:
    numpy = np.random.get_state(legacy=False)["state"]
    return {
        "Python": random.getstate(),
        "NumPy": (numpy["key"].tobytes(), numpy["pos"]),
        "torch": torch.get_rng_state().numpy().tobytes(),
    }
