"""One adaptation of a learner, followed step by step, as a test would make it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

import torch
from torch import Tensor

from tlml.data.tasks import Batch, Episode, Params
from tlml.inspection.cka import linear_cka
from tlml.learners.adapter import TargetAdapter
from tlml.learners.gradient_learner import GradientLearner
from tlml.learners.keyed_draws import keyed_draws
from tlml.meta.problem import InnerProblem
from tlml.networks.layers import Layer, layer_outputs, norm, relative_change
from tlml.strategies.gradients import Loss, gradient
from tlml.views.contract import judge

Row = dict[str, Any]
_DEBIASED_FROM = 4  # examples that the debiased CKA needs


class Trace(NamedTuple):
    """What one adaptation did: a row for each step from 0 on, and one for each layer."""

    steps: list[Row]
    layers: list[Row]


class NormedLoss:
    """A loss that notes the norm of each gradient that is taken of it.

    Args:
        loss: The loss; how it is differentiated stays its own.
    """

    def __init__(self, loss: Loss) -> None:
        self.loss = loss
        self.latest = float("nan")

    def __call__(self, params: Params, batch: Any) -> Tensor:
        """Return the loss."""
        return self.loss(params, batch)

    def slopes(self, params: Params, batch: Any, names: Iterable[str]) -> dict[str, Tensor]:
        """Return its gradient by the parameters `names`, and note the norm."""
        found = gradient(self.loss, params, batch, names)
        self.latest = norm(found.values())
        return found

    def take(self) -> float:
        """Return the latest norm; NaN where none was taken since the last call."""
        latest, self.latest = self.latest, float("nan")
        return latest


def trace_adaptation(
    learner: GradientLearner, adapter: TargetAdapter, episode: Episode, layers: Sequence[Layer]
) -> Trace:
    """Adapt to one task, and measure before and after each step.

    The gradient norm of a step is that of the gradient that leads to the next one, by the
    parameters that it moves; it is NaN at the last. No gradient is taken for it.
    """
    place = _Place(learner, adapter, learner.problem(adapter))
    loss, rows = NormedLoss(place.problem.inner_loss()), list[Row]()
    with keyed_draws((adapter.seed,), learner.device):
        first: Params = place.problem.start()
        last = first
        found = place.problem.steps(first, episode.support, loss)
        for step, last in enumerate(chain([first], found)):
            if rows:
                rows[-1]["gradient_norm"] = loss.take()
            rows.append({"step": step, **_measures(place, last, episode)})
    return Trace(rows, list(_changes(place, layers, (first, last), episode.query.x)))


class _Place(NamedTuple):
    """A learner at work on one task."""

    learner: GradientLearner
    adapter: TargetAdapter
    problem: InnerProblem

    def scores(self, params: Params, x: Tensor) -> Tensor:
        """Return the scores of ``x``; what the steps draw goes on undisturbed."""
        with keyed_draws((self.adapter.seed,), self.learner.device):
            return self.problem.scores(params, x)


def _measures(place: _Place, params: Params, episode: Episode) -> Row:
    """Return losses and metrics of support and query at some parameters."""
    row: Row = {}
    for side, batch in zip(episode._fields, episode, strict=True):
        found = _judged(place, params, batch)
        row |= {f"{side}_{name}": float(value) for name, value in found.items()}
    return {**row, "gradient_norm": float("nan")}


@torch.no_grad()
def _judged(place: _Place, params: Params, batch: Batch) -> dict[str, Tensor]:
    scores, adapter = place.scores(params, batch.x), place.adapter
    return judge(scores, batch, adapter.domain, adapter.space, place.learner.loss_name())


def _changes(
    place: _Place, layers: Sequence[Layer], ends: tuple[Params, Params], x: Tensor
) -> Iterator[Row]:
    """Yield for each layer how its outputs for `x` and its parameters have changed."""
    before, after = (_outputs(place, layers, params, x) for params in ends)
    for layer in layers:
        pair = before.get(layer.name), after.get(layer.name)
        yield {
            "layer": layer.name,
            "cka": _cka(*pair, len(x), debiased=False),
            "cka_debiased": _cka(*pair, len(x), debiased=True),
            "relative_change": relative_change(layer, *ends),
        }


@torch.no_grad()
def _outputs(
    place: _Place, layers: Sequence[Layer], params: Params, x: Tensor
) -> dict[str, Tensor]:
    with layer_outputs(place.adapter.network, layers) as seen:
        place.scores(params, x)
    return dict(seen)


def _cka(before: Tensor | None, after: Tensor | None, n: int, *, debiased: bool) -> float:
    # A layer that was not run, or that gives no row for each example, has no CKA.
    fits = all(given is not None and given.dim() and len(given) == n for given in (before, after))
    if not fits or n < (_DEBIASED_FROM if debiased else 2):
        return float("nan")
    assert before is not None and after is not None
    return linear_cka(before, after, debiased=debiased)
