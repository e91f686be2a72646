"""Scores of a series whose blocks were resampled, kept where predictions are: in a test."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import torch
from torch import Tensor

from tlml.data.sampling import keyed_rng
from tlml.data.tasks import Batch
from tlml.metrics.blocks import drawn_blocks
from tlml.metrics.targets import primary
from tlml.metrics.tasks import measure_predictions
from tlml.views.episode import EpisodeView

DRAWS = 1000  # of which 25 lie beyond each end of a 95% interval
LARGEST = 10_000  # examples of a query that is resampled
_DIGITS = 6  # that count, of each kept score
_BLOCKS = 2  # the stream of blocks, beside (seed, split, task, part)


def block_draws(
    view: Any, stage: str, index: int, query: Batch, scores: Tensor, space: Any
) -> dict[str, Any]:
    """Return a query's scores under resampled blocks, where its domain asks for `blocks`.

    Draws are a function of the view's seed, the task and the part: the same for all methods and
    training seeds, so that differences stay paired.

    Args:
        view: What the episode is of.
        stage: ``val`` or ``test``; a test on target tasks keeps draws.
        index: The number of the episode.
        query: What was predicted, in the order of time.
        scores: The predictions.
        space: Of the targets.

    Returns:
        ``resampled`` (the scores) and ``blocks`` (how many lie side by side in the query); nothing
        where tasks are enough to resample, or the query has more than 10,000 examples.
    """
    if not isinstance(view, EpisodeView) or stage != "test" or view.split != "target":
        return {}
    length, number = view.domain.blocks, len(query.y)
    if length is None or number > LARGEST:
        return {}
    turn = view.turn(index)
    if turn is None or turn.part is None:
        return {}
    rng = keyed_rng(view.seed, view.split, crc32(turn.task.encode()), turn.part, _BLOCKS)
    places = torch.from_numpy(drawn_blocks(number, length, DRAWS, rng)).to(scores.device)
    name, _ = primary(space, view.domain)
    found = [
        measure_predictions(view.domain, space, Batch(query.x[own], query.y[own]), scores[own])
        for own in places
    ]
    values = [float(f"{float(one[name]):.{_DIGITS}g}") for one in found]
    return {"resampled": values, "blocks": number // min(length, number)}
