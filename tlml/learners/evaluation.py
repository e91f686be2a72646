"""How a learner is tested on target tasks, one by one, and what a test keeps of them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple, Protocol

import torch
import torch.distributed
from torch import Tensor

from tlml.data.domains import Domain
from tlml.data.raw_units import tell_raw_units
from tlml.data.sampling import KeyedSampler, processes
from tlml.data.tasks import SPLITS, Batch, Episode
from tlml.errors import DivergedError, TlmlError
from tlml.learners.adapter import Adaptable, TargetAdapter
from tlml.learners.block_draws import block_draws
from tlml.learners.keyed_draws import keyed_draws
from tlml.learners.together import Prediction, Together
from tlml.metrics.intervals import LEAST_UNITS
from tlml.metrics.seconds import now
from tlml.networks.batchnorm import TooFewExamplesError
from tlml.views.base import View
from tlml.views.contract import BESIDE_METRICS, Measurable, judge
from tlml.views.episode import EpisodeView

_NORMAL = 1.96  # half width of a 95% interval of the mean, in standard errors


class Testable(Adaptable, Measurable, Protocol):
    """What a test on episodes asks of a learner."""

    def predict(self, support: Batch, x: Tensor) -> Tensor:
        """Predict by the learner's own strategy for a task of which `support` is known."""

    def predict_by(self, adapter: TargetAdapter, support: Batch, x: Tensor) -> Tensor:
        """Predict by what adapts in this test."""

    def diverged_at(self, adapter: TargetAdapter, support: Batch) -> int | None:
        """Return the inner step after which parameters aren't finite, from 1 on, if one is so."""


class Evaluation(NamedTuple):
    """A learner being judged on tasks.

    Args:
        learner: The learner.
        adapter: What adapts; None: the learner's own strategy, on episodes of no known view.
        view: What the tasks are of, if it is known.
        stage: ``val`` or ``test``.
        together: Adapts to several tasks at once, where that is right.
    """

    learner: Testable
    adapter: TargetAdapter | None
    view: View | None
    stage: str
    together: Together | None = None

    def records(self, tasks: Sequence[Episode], numbers: Sequence[int]) -> list[dict[str, Any]]:
        """Adapt to tasks and return the metrics of each.

        Args:
            tasks: The tasks.
            numbers: Those of their episodes.

        Raises:
            TlmlError: An adaptation diverged: the inner step at which it did is named. Or
                BatchNorm is given too few examples.
        """
        found = None
        if self.together is not None:
            found = self.together.predictions(tasks, [self._key(number) for number in numbers])
        if found is None:
            return [self._record(*each) for each in zip(tasks, numbers, strict=True)]
        known = zip(tasks, numbers, found, strict=True)
        return [self._record(*each) for each in known]

    def _record(self, task: Episode, number: int, made: Prediction | None = None) -> dict[str, Any]:
        if made is None or not bool(torch.isfinite(made.scores).all()):  # alone, it says why
            made = self._predicted(task, number)
        learner, view, adapter = self.learner, self.view, self.adapter
        space = adapter.space if adapter else learner.target_space()
        domain = None if view is None else view.domain
        with torch.no_grad():
            found = judge(made.scores, task.query, domain, space, learner.loss_name())
            draws = block_draws(view, self.stage, number, task.query, made.scores, space)
        return {
            "episode": number,
            **{name: float(value) for name, value in found.items()},
            **_sample_size(learner, adapter),
            **made.spent.named(),
            "gradient_steps": made.steps,
            **draws,
        }

    def _predicted(self, task: Episode, number: int) -> Prediction:
        """Predict for one task by itself."""
        learner, adapter = self.learner, self.adapter
        if adapter is not None:
            adapter = adapter.turned_to(self._key(number), task.query.x)
        start = now()
        with keyed_draws((adapter.seed,), learner.device) if adapter else nullcontext():
            scores = _predicted(learner, adapter, task, number)
        spent = now() - start
        if not bool(torch.isfinite(scores).all()):
            domain = self.view.domain if self.view else None
            raise _divergence_error(learner, adapter, task, number, domain)
        return Prediction(scores, adapter.attempt.calls if adapter else 0, spent)

    def _key(self, number: int) -> tuple[int, ...]:
        """Return what is drawn in adapting to a task is a function of."""
        view = self.view
        split = getattr(view, "split", "target") if self.stage == "test" else "validation"
        return (self.learner.seed, view.seed if view else 0, SPLITS.index(split), number)


def episode_number(loader: Any, batch: int, i: int) -> int:
    """Return the number of item `i` of a batch of this process, over all processes."""
    sampler = getattr(loader, "sampler", None)
    position = batch * (getattr(loader, "batch_size", None) or 1) + i
    if not isinstance(sampler, KeyedSampler):
        return position
    return position * sampler.num_replicas + sampler.rank


def differentiable(task: Episode) -> Episode:
    """Return a task whose tensors can take part in gradients.

    Those that were made in Lightning's inference mode can't; their clones can.
    """

    def clone(values: Tensor) -> Tensor:
        return values.clone() if values.is_inference() else values

    (sx, sy), (qx, qy) = task
    return Episode(Batch(clone(sx), clone(sy)), Batch(clone(qx), clone(qy)))


def gather_records(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the records of all processes, by episode."""
    found = from_all_ranks(records)
    if found is records:
        return records
    return sorted(found, key=lambda record: int(record["episode"]))


def from_all_ranks(parts: list[Any]) -> list[Any]:
    """Return what all processes hold, in the order of their ranks; alone, the list itself."""
    world = processes()
    if world == 1:
        return parts
    found: list[Any] = [None] * world
    torch.distributed.all_gather_object(found, parts)
    return [one for rank in found for one in rank]


def half_intervals(records: Sequence[dict[str, Any]], view: View | None) -> dict[str, Tensor]:
    """Return half the width of the 95% interval of the mean, by metric.

    Episodes of one task, or of one part of it where tasks are few, are averaged first; of fewer
    than five of these there is no interval.

    Args:
        records: One for each episode.
        view: What they are episodes of.
    """
    units: dict[Any, list[dict[str, Any]]] = {}
    for record in records:
        units.setdefault(_unit(view, record["episode"]), []).append(record)
    if len(units) < LEAST_UNITS:
        return {}
    found = {}
    for name in (name for name in records[0] if name not in (*BESIDE_METRICS, "loss")):
        means = [sum(float(one[name]) for one in own) / len(own) for own in units.values()]
        found[name] = _NORMAL * torch.tensor(means).std() / len(means) ** 0.5
    return found


def _unit(view: View | None, episode: int) -> Any:
    turn = view.turn(episode) if isinstance(view, EpisodeView) else None
    return episode if turn is None else turn[:2]


def _sample_size(learner: Testable, adapter: TargetAdapter | None) -> dict[str, float]:
    strategies = [*([adapter.strategy] if adapter else []), learner.strategy]
    sizes = [one.effective_sample_size for one in strategies]
    known = [size for size in sizes if size is not None]
    return {"effective_sample_size": known[0]} if known else {}


def _predicted(
    learner: Testable, adapter: TargetAdapter | None, task: Episode, index: int
) -> Tensor:
    try:
        if adapter is None:
            return learner.predict(task.support, task.query.x)
        return learner.predict_by(adapter, task.support, task.query.x)
    except TooFewExamplesError as error:
        raise TlmlError(f"episode {index}: {error}") from error


def _divergence_error(
    learner: Testable,
    adapter: TargetAdapter | None,
    task: Episode,
    index: int,
    domain: Domain[Any] | None,
) -> DivergedError:
    """Return the error for predictions that aren't finite, with the inner step to blame."""
    where = f"episode {index}"
    if adapter is None or adapter.module is None:
        return DivergedError(f"{where}: predictions are NaN or infinite")
    name, step = type(adapter.strategy).__name__, learner.diverged_at(adapter, task.support)
    if step is not None:
        return DivergedError(
            f"{where}: adapting by {name} diverged at inner step {step} (NaN or infinity); "
            f"lower its lr{tell_raw_units(task.support, domain)}"
        )
    return DivergedError(f"{where}: predictions after adapting by {name} are NaN or infinite")
