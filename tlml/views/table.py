"""Which view a batch is of."""

from __future__ import annotations

from typing import Any

from tlml.errors import TlmlError
from tlml.views.base import View
from tlml.views.env import EnvView
from tlml.views.episode import EpisodeView
from tlml.views.pair import PairView
from tlml.views.stream import StreamView

VIEW_TYPES: tuple[type[View], ...] = (PairView, EpisodeView, StreamView, EnvView)


def view_type_of(batch: Any) -> type[View]:
    """Return the class of the view whose batch this is: it knows how to measure it.

    Raises:
        TlmlError: It is a batch of no view.
    """
    for kind in VIEW_TYPES:
        if kind.holds(batch):
            return kind
    names = ", ".join(kind.__name__ for kind in VIEW_TYPES)
    raise TlmlError(
        f"batch: a {type(batch).__name__} is a batch of none of {names}; take the loaders of one "
        "of them, or override validation_step() and test_step()"
    )
