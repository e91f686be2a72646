"""What the tests of protocols share."""

from __future__ import annotations

import pytest
import stream_learners
import walking

from tlml.registry import Registry


@pytest.fixture(scope="module")
def registry() -> Registry:
    """All that is installed, learners of streams, and environments with agents."""
    made = Registry()
    made.register(stream_learners, "stream_learners")
    made.register(walking, "walking")
    return made
