"""What is watched while a stream is learned: gradients, learned rates, speed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from tlml import Step, StreamView
from tlml.networks import evaluating, seeded_draws
from tlml_continual.memories.reservoir import ReservoirBuffer

_PROBE = 64  # examples that gradients of old tasks are taken on
_QUANTILES = (0.1, 0.5, 0.9)
_MOST = 1_000_000  # rates of a layer whose quantiles are taken; of more, so many of them


class Watch(pl.Callback):
    """Tells loggers every `log_every_n_steps` how a stream is learned; learners bring it.

    ``alignment``
        The cosine between the gradients of the loss on the batch and on examples of earlier
        tasks: above 0 a step on one helps the other, below 0 it harms it. The examples are
        uniformly drawn from what came, and are this callback's own, so that learners without a
        memory are watched as well, and all of one seed by the same examples.
    ``alpha/LAYER/mean``, ``/q10``, ``/q50``, ``/q90``; ``alpha/frozen``
        Of learners with a rate for each weight (`alpha`, tensors by name): these rates, and the
        share of weights whose rate is not above 0, which such a learner no longer moves.
    ``samples_per_second``
        Examples trained on in a second, since the last time.

    Nothing of it takes part in training: its draws are its own, and the network is in evaluation
    mode. Without a logger nothing is done.

    Attributes:
        course: Steps with the alignment at each; checkpoints hold them.
    """

    def __init__(self) -> None:
        self.course: list[tuple[int, float]] = []
        self._probe: ReservoirBuffer | None = None
        self._state: dict[str, Tensor] = {}
        self._examples, self._seconds, self._since = 0, 0.0, 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Forget an earlier fit."""
        if trainer.global_step == 0:
            self.course, self._probe, self._state = [], None, {}

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._since = time.perf_counter()

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Compare gradients before the step, and tell what is known."""
        if not _is_told(trainer) or not isinstance(batch, Step):
            return
        learner: Any = pl_module  # a `StreamLearner`, which brings this
        told = {**_of_rates(getattr(learner, "alpha", None)), **self._speed()}
        cosine = self._alignment(learner, batch)
        if cosine is not None:
            told["alignment"] = cosine
            self.course.append((trainer.global_step, cosine))
        learner.log_dict(told, batch_size=len(batch.task))

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count a batch."""
        now = time.perf_counter()
        self._seconds, self._since = self._seconds + now - self._since, now
        self._examples += len(batch.task) if isinstance(batch, Step) else 0

    def state_dict(self) -> dict[str, Any]:
        """Return what is told of later, as plain data and tensors."""
        probe = self._state if self._probe is None else self._probe.state_dict()
        return {"course": self.course, "probe": dict(probe)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.course = [(int(step), float(value)) for step, value in state_dict["course"]]
        self._state = state_dict["probe"]

    def _speed(self) -> dict[str, float]:
        examples, seconds = self._examples, self._seconds
        self._examples, self._seconds = 0, 0.0
        return {"samples_per_second": examples / seconds} if seconds else {}

    def _alignment(self, learner: Any, batch: Step) -> float | None:
        """Return the cosine where earlier tasks are known, and show the batch to the probe."""
        view = learner.current_view()
        if not (learner.aligns and isinstance(view, StreamView)) or view.joint:
            return None
        probe = self._probe_for(learner)
        known = probe.task[: len(probe)] < int(batch.task[0])
        cosine = None
        if bool(known.any()):
            old = Step(probe.at(known.nonzero()[:, 0]), probe.task[: len(probe)][known])
            cosine = cosine_between(gradient_on(learner, old), gradient_on(learner, batch))
        with seeded_draws(learner.seed + learner.global_step):
            probe.push(batch.batch, batch.task)
        return cosine

    def _probe_for(self, learner: Any) -> ReservoirBuffer:
        if self._probe is None:
            assert learner.view_spaces is not None  # a fit has begun
            self._probe = ReservoirBuffer(_PROBE, learner.view_spaces)
            if self._state:
                self._probe.load_state_dict(self._state)
            self._probe.to(learner.device)
        return self._probe


def gradient_on(learner: Any, step: Step) -> Tensor:
    """Return the gradient of the loss on examples by all parameters of the network, as one vector.

    The network is in evaluation mode, so that nothing in it changes.
    """
    network = learner.built()
    params = [p for p in network.parameters() if p.requires_grad]
    if not params:
        return torch.zeros(0)
    with evaluating(network), torch.enable_grad():
        loss = learner.loss_of(learner.scores_of(step.batch.x), step.batch.y, step.task)
    slopes = torch.autograd.grad(loss, params, allow_unused=True, materialize_grads=True)
    return torch.cat([slope.detach().flatten() for slope in slopes])


def cosine_between(one: Tensor, other: Tensor) -> float | None:
    """Return the cosine of the angle between two vectors; None where one has no direction."""
    size = float(one.norm()) * float(other.norm())
    return float(one @ other) / size if size else None


def _of_rates(alpha: Any) -> dict[str, float]:
    """Return means and quantiles of learned rates by layer, and the share that is not above 0."""
    if not isinstance(alpha, Mapping) or not alpha:
        return {}
    frozen = sum(int((rates <= 0).sum()) for rates in alpha.values())
    told = {"alpha/frozen": frozen / sum(rates.numel() for rates in alpha.values())}
    for name, rates in alpha.items():
        told |= {f"alpha/{name}/{word}": value for word, value in _spread(rates.detach())}
    return told


def _spread(rates: Tensor) -> Iterator[tuple[str, float]]:
    flat = rates.flatten().float()
    yield "mean", float(flat.mean())
    some = flat[:: -(-len(flat) // _MOST)]
    quantiles = torch.quantile(some, torch.tensor(_QUANTILES, device=some.device))
    for share, value in zip(_QUANTILES, quantiles.tolist(), strict=True):
        yield f"q{100 * share:.0f}", value


def _is_told(trainer: pl.Trainer) -> bool:
    """Say whether Lightning passes on to loggers what is logged in the coming step."""
    every: int = trainer.log_every_n_steps  # type: ignore[attr-defined]
    return bool(trainer.loggers) and every > 0 and (trainer.global_step + 1) % every == 0
