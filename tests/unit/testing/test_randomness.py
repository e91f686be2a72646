"""Global random states are restored and watched."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tlml.testing import CheckFailed
from tlml.testing.randomness import global_state, without_global_draws


def test_global_random_states_are_restored_and_watched() -> None:
    with without_global_draws("this"), global_state(3):
        first = (np.random.rand(), float(torch.rand(())))
    with global_state(3):
        assert first == (np.random.rand(), float(torch.rand(())))
    text = "this draws from the global random state of torch"
    with pytest.raises(CheckFailed, match=text), without_global_draws("this"):
        torch.rand(())
