"""What the tests of draws share: keys drawn at random, and the text of an error."""

from __future__ import annotations

from hypothesis import strategies as st

from tlml.data import (
    SPLITS,
)

splits = st.sampled_from(SPLITS)


seeds = st.integers(0, 2**40)
