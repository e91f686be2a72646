"""Features of source and target in the plane, for a look at what alignment does."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from gymnasium.spaces import Box

from tlml.data.tasks import Batch
from tlml.errors import TlmlError
from tlml.files import write_atomic
from tlml.learners.gradient_learner import GradientLearner
from tlml.selection.criteria import forward_pass, held_out
from tlml.views.pair import PairView

EXAMPLES = 400  # of each side


def write_projection(learner: GradientLearner, view: PairView, path: Path) -> None:
    """Write the two main directions of the features of both sides, with classes and sides.

    Source examples are those held out of training, target examples the episode's query, whose
    labels serve for colours only. Nothing is written where the labels differ or are values, or
    where the target has no such episode.
    """
    from sklearn.decomposition import PCA

    if (
        not view.source
        or not view.spaces.same_labels(view.target_spaces)
        or isinstance(view.spaces.y, Box)
    ):
        return
    try:
        query = view.drawn().episode.query
    except TlmlError:  # the fit did without it, and so does its picture
        return
    sides = [_some(held_out(view)), _some(query)]
    with learner.on_source():
        of_source = forward_pass(learner, sides[0].x).features
    features = [of_source, forward_pass(learner, sides[1].x).features]
    plane = PCA(2, svd_solver="full").fit_transform(torch.cat(features).double().numpy())
    found = {
        "x": plane.round(4).tolist(),
        "label": torch.cat([side.y for side in sides]).tolist(),
        "source": len(sides[0].x),
    }
    write_atomic(path, json.dumps(found) + "\n")


def _some(batch: Batch) -> Batch:
    rows = torch.linspace(0, len(batch.x) - 1, min(len(batch.x), EXAMPLES)).long()
    return Batch(batch.x[rows], batch.y[rows])
