"""The table of views: what each batch is of, and the words of the specs."""

from __future__ import annotations

import re

import pytest
import torch

from tlml import Batch, Episode, EpisodeView, Pair, PairView, Step, StreamView, TlmlError
from tlml.spec import VIEWS, VOCABULARY
from tlml.views import Environments, EnvView
from tlml.views.table import VIEW_TYPES, view_type_of

ONE = Batch(torch.zeros(1, 2), torch.zeros(1, 1))


def test_views_are_those_that_specs_speak_of() -> None:
    named = {kind.word: f"{kind.__module__}:{kind.__name__}" for kind in VIEW_TYPES}
    assert named == VIEWS
    assert VIEWS.keys() <= VOCABULARY["domain"]


@pytest.mark.parametrize(
    ("batch", "view"),
    [
        (Episode(ONE, ONE), EpisodeView),
        (Pair(ONE, ONE, torch.zeros(0, 2), torch.zeros(1)), PairView),
        (Step(ONE, torch.zeros(1)), StreamView),
        ([Environments(None, 0, 1, 0)], EnvView),  # type: ignore[arg-type]
    ],
)
def test_a_batch_is_of_its_view(batch: object, view: type) -> None:
    assert view_type_of(batch) is view


@pytest.mark.parametrize("batch", [ONE.x, [ONE.x], {"x": ONE.x}, ONE])
def test_other_batches_are_refused(batch: object) -> None:
    message = (
        f"batch: a {type(batch).__name__} is a batch of none of PairView, EpisodeView, StreamView, "
        "EnvView; take the loaders of one of them, or override validation_step() and test_step()"
    )
    with pytest.raises(TlmlError, match=f"^{re.escape(message)}$"):
        view_type_of(batch)
