"""What a space of targets asks for."""

from __future__ import annotations

from measures import CLASSES, VALUES

from tlml.metrics import (
    primary,
)


def test_the_primary_metric_follows_the_space():
    assert primary(CLASSES) == ("accuracy", True)
    assert primary(VALUES) == ("mse", False)
