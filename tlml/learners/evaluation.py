"""How every learner is validated and tested: on episodes, pairs, streams and environments."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import torch.distributed
from pytorch_lightning import LightningModule
from torch import Tensor

from tlml.data.domains import Domain
from tlml.data.sampling import KeyedSampler
from tlml.data.tasks import SPLITS, Batch, Episode, Episodes, Pair, Step, tasks_of
from tlml.errors import TlmlError
from tlml.learners.adapter import Carry, carry_for
from tlml.learners.keyed_draws import keyed_draws
from tlml.metrics.losses import criterion
from tlml.metrics.tasks import measured
from tlml.views.base import View
from tlml.views.env import Environments
from tlml.views.episode import EpisodeView
from tlml.views.pair import PairView

if TYPE_CHECKING:
    from tlml.views.base import KeyedLoader

_NORMAL = 1.96  # half width of a 95% interval of the mean, in standard errors
_COSTS = ("episode", "seconds", "gradient_steps")  # what of a record is no measurement


class Place(NamedTuple):
    """Where an evaluation is: its stage, the batch and the loader."""

    stage: str
    batch: int
    loader: int


class Evaluated(LightningModule, ABC):
    """The validation and test of a learner; what a batch is says what is measured.

    `Episode` and `Episodes` are adapted to, task by task, by the view's strategy or the learner's
    own; a `Pair` and a `Step` are predicted as they are; `Environments` are acted in. After a test
    `records` holds one dict for each episode.
    """

    carry: Carry | None = None
    records: list[dict[str, Any]]

    @abstractmethod
    def predict(self, support: Batch, x: Tensor) -> Tensor:
        """Predict for the inputs `x` of a task of which `support` is known.

        Args:
            support: ``Batch(x [K, ...], y [K, ...])``; may be empty.
            x: ``[n, ...]``; may serve unlabelled (transductive, named in results).

        Returns:
            Class scores ``[n, classes]`` or values ``[n, d]``.
        """

    def current_view(self) -> View | None:
        """Return the view that the Trainer uses: its datamodule, or whose loaders it has."""
        trainer = self._trainer
        if trainer is None:
            return None
        module = getattr(trainer, "datamodule", None)
        if isinstance(module, View):
            return module
        loaders: Any = trainer.train_dataloader
        if trainer.testing:
            loaders = trainer.test_dataloaders
        elif trainer.validating or trainer.sanity_checking:
            loaders = trainer.val_dataloaders
        first = loaders[0] if isinstance(loaders, list) and loaders else loaders
        return getattr(first, "view", None)

    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
        """Measure a batch of validation tasks."""
        return self._measure(batch, Place("val", batch_idx, dataloader_idx))

    def test_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
        """Measure a batch of target tasks."""
        return self._measure(batch, Place("test", batch_idx, dataloader_idx))

    def on_validation_epoch_end(self) -> None:
        """Put the validation strategy away."""
        self.carry = None

    def on_test_epoch_end(self) -> None:
        """Gather the records of all processes and log 95% intervals."""
        self.carry = None
        self.records = _gathered(self.records)
        for name in self.records[0] if self.records else ():
            values = torch.tensor([float(record[name]) for record in self.records])
            if name not in (*_COSTS, "loss") and len(values) > 1:
                half = _NORMAL * values.std() / len(values) ** 0.5
                self.log(f"test_{name}_ci95", half.to(self.device), sync_dist=True)

    def predict_now(self, x: Tensor) -> Tensor:
        """Predict without adapting, for pairs and streams."""
        raise TlmlError(f"{type(self).__name__} predicts episodes only; test it on an EpisodeView")

    def play(self, environments: Environments) -> float:
        """Return the mean return of acting in the environments of one task."""
        raise TlmlError(f"{type(self).__name__} can't act; environments need a learner that plays")

    def _measure(self, batch: Any, place: Place) -> Any:
        if place.batch == 0 and place.loader == 0:
            self.records, self.carry = [], None
        if isinstance(batch, Episode | Episodes):
            return self._measure_episodes(batch, place)
        if isinstance(batch, Pair):
            return self._measure_pair(batch, place)
        if isinstance(batch, Step):
            return self._measure_examples(batch.batch, place, add_loader=True)
        return self._measure_environments(batch, place)

    def _measure_episodes(self, batch: Episode | Episodes, place: Place) -> None:
        try:
            with torch.inference_mode(False), torch.enable_grad():
                latest = self._adapt_to([_normal(task) for task in tasks_of(batch)], place)
        except BaseException:
            self.carry = None  # later predictions are not this test's
            raise
        self.records += latest
        # In the same order on all ranks: their sums are matched by it.
        for name in latest[0]:
            if name not in _COSTS:
                mean = sum(record[name] for record in latest) / len(latest)
                self._note(place, name, mean, len(latest))

    def _adapt_to(self, tasks: list[Episode], place: Place) -> list[dict[str, Any]]:
        view, loader = self.current_view(), _loader_of(self, place)
        first = getattr(view, "first", 0) if place.stage == "test" else 0
        if self.carry is None and isinstance(view, EpisodeView):
            self.carry = carry_for(self, view)  # type: ignore[arg-type]
        return [
            evaluate(self, task, view, place.stage, first + _index_of(loader, place.batch, i))
            for i, task in enumerate(tasks)
        ]

    def _measure_pair(self, pair: Pair, place: Place) -> None:
        if len(pair.source.x):
            self._measure_examples(pair.source, place)
            return
        if not len(pair.target.x):  # inputs without labels: an adaptation watches them
            return
        view, trained = self.current_view(), getattr(self, "view_spaces", None)
        if isinstance(view, PairView) and trained and not trained.same_labels(view.target_spaces):
            raise TlmlError(
                f"{type(self).__name__}: the target's labels ({view.target_spaces.y}, of its "
                f"{view.target_spaces.labels}) are not those that it learned ({trained.y}, of the "
                f"{trained.labels}); test it on an EpisodeView, where it adapts"
            )
        self._measure_examples(pair.target, place)

    def _measure_examples(
        self, batch: Batch, place: Place, *, add_loader: bool = False
    ) -> dict[str, Tensor]:
        scores = self.predict_now(batch.x)
        y = batch.y.to(scores.dtype) if batch.y.is_floating_point() else batch.y
        found = {"loss": criterion(scores, y, getattr(self, "criterion", None))}
        found |= measured(_domain_of(self.current_view()), self._target_space(), batch, scores)
        for name, value in found.items():
            self._note(place, name, value, len(batch.x), add_loader)
        return found | {"examples": torch.tensor(len(batch.x))}

    def _measure_environments(self, batch: list[Environments], place: Place) -> None:
        with torch.inference_mode(False), torch.enable_grad():
            for environments in batch:
                played = self.play(environments)
                self.records.append({"episode": environments.index, "return": played})
                self._note(place, "return", played, 1)

    def _target_space(self) -> Any:
        spaces = getattr(self, "view_spaces", None)
        return spaces.y if spaces is not None else self.current_view().spaces.y  # type: ignore[union-attr]

    def _note(
        self, place: Place, name: str, value: Any, count: int, add_loader: bool = False
    ) -> None:
        self.log(
            f"{place.stage}_{name}", value, on_step=False, on_epoch=True, batch_size=count,
            prog_bar=name != "loss", sync_dist=self.trainer.world_size > 1,
            add_dataloader_idx=add_loader,
        )  # fmt: skip


def evaluate(
    learner: Evaluated, task: Episode, view: View | None, stage: str, index: int
) -> dict[str, Any]:
    """Adapt to one task and return its metrics.

    Raises:
        TlmlError: The adaptation diverged: the inner step at which it did is named.
    """
    carry = learner.carry
    space = carry.space if carry else learner._target_space()
    split = getattr(view, "split", "target") if stage == "test" else "validation"
    if carry is not None:
        seed = view.seed if view is not None else 0
        key = (getattr(learner, "seed", 0), seed, SPLITS.index(split), index)
        carry.turn_to(key, task.query.x)
    start = time.perf_counter()
    with keyed_draws((carry.seed(),), learner.device) if carry else nullcontext():
        scores = learner.predict(task.support, task.query.x)
    seconds = time.perf_counter() - start
    if not bool(torch.isfinite(scores).all()):
        raise diverged(learner, task, index)
    with torch.no_grad():
        y = task.query.y.to(scores.dtype) if task.query.y.is_floating_point() else task.query.y
        found = {"loss": criterion(scores, y, getattr(learner, "criterion", None))}
        found |= measured(_domain_of(view), space, task.query, scores)
    steps = carry.calls if carry else 0
    weighing: list[Any] = [carry.strategy] if carry else []
    weighing.append(getattr(learner, "strategy", None))
    sizes = [s.effective_sample_size for s in weighing if s and s.effective_sample_size is not None]
    return {
        "episode": index,
        **{name: float(value) for name, value in found.items()},
        **({"effective_sample_size": sizes[0]} if sizes else {}),
        "seconds": seconds,
        "gradient_steps": steps,
    }


def diverged(learner: Any, task: Episode, index: int) -> TlmlError:
    """Return the error for predictions that aren't finite, with the inner step to blame."""
    where = f"episode {index}"
    if not hasattr(learner, "adapted"):
        return TlmlError(f"{where}: predictions are NaN or infinite")
    strategy = learner.carry.strategy if learner.carry else learner.strategy
    name = type(strategy).__name__
    steps = strategy.steps(learner.inner_loss(), learner.start(), task.support)
    for step, params in enumerate(steps, 1):
        if not all(bool(torch.isfinite(value).all()) for value in params.values()):
            return TlmlError(
                f"{where}: adapting by {name} diverged at inner step {step} (NaN or infinity); "
                "lower its lr"
            )
    return TlmlError(f"{where}: predictions after adapting by {name} are NaN or infinite")


def _domain_of(view: View | None) -> Domain[Any] | None:
    return None if view is None else view.domain


def _normal(task: Episode) -> Episode:
    # Tensors made in Lightning's inference mode can't take part in gradients; clones can.
    def clone(values: Tensor) -> Tensor:
        return values.clone() if values.is_inference() else values

    (sx, sy), (qx, qy) = task
    return Episode(Batch(clone(sx), clone(sy)), Batch(clone(qx), clone(qy)))


def _loader_of(learner: LightningModule, place: Place) -> KeyedLoader | None:
    trainer = learner.trainer
    loaders: Any = trainer.test_dataloaders if place.stage == "test" else trainer.val_dataloaders
    found: KeyedLoader | None = loaders[place.loader] if isinstance(loaders, list) else loaders
    return found


def _index_of(loader: Any, batch: int, i: int) -> int:
    """Return the episode number of item `i` of a batch of this process."""
    sampler = getattr(loader, "sampler", None)
    position = batch * (getattr(loader, "batch_size", None) or 1) + i
    if not isinstance(sampler, KeyedSampler):
        return position
    return position * sampler.num_replicas + sampler.rank


def _gathered(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return records
    parts: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(parts, records)
    return sorted((r for part in parts for r in part), key=lambda record: int(record["episode"]))
