"""What the tests of views share: the data of domains, compared."""

from __future__ import annotations

import torch
from hypothesis import settings
from hypothesis import strategies as st

few = settings(max_examples=25)


seeds = st.integers(0, 2**32)


def same(one, other) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    return len(one) == len(other) and all(map(same, one, other))
