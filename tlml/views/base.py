"""What all views share: keyed loaders that resume where they stopped."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch.distributed
from gymnasium.spaces import Space
from pytorch_lightning import LightningDataModule, Trainer
from pytorch_lightning.utilities import rank_zero_warn
from torch.utils.data import DataLoader, Dataset

from tlml.data.domains import Domain
from tlml.data.sampling import KeyedSampler, processes
from tlml.data.spaces import same_space
from tlml.data.tasks import Split
from tlml.errors import TlmlError
from tlml.recorded import Recorded
from tlml.strategies.strategy import Strategy
from tlml.views.contract import Measurable, Measurement, Place

Labels = Literal["domain", "pool", "stream", "episode"]


@dataclass(frozen=True, slots=True)
class ViewSpaces:
    """The spaces that a learner on this view builds its network for.

    Args:
        x: Inputs.
        y: Targets.
        labels: What a class label means: the same in the whole `domain`, a class of the source
            `pool`, a class in the order that was drawn for a `stream`, or nothing beyond its
            `episode`. Heads are only kept where it is the same.
    """

    x: Space[Any]
    y: Space[Any]
    labels: Labels = "domain"

    def same_labels(self, other: ViewSpaces) -> bool:
        """Return whether a target means the same here and there, so that a head can be kept."""
        return same_space(self.y, other.y) and self.labels == other.labels


class KeyedLoader(DataLoader[Any]):
    """A DataLoader that knows its view."""

    view: View


class ResumableLoader(KeyedLoader):
    """A DataLoader whose position is a function of the Trainer's progress."""

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: `KeyedSampler` asks the Trainer where to go on."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Accept the empty state; having both methods tells Lightning that resuming is exact."""


class View(Recorded, LightningDataModule, ABC):
    """A domain as batches. Subclasses give datasets whose items are functions of their index.

    Args:
        domain: The family of tasks.
        seed: The key of every draw.
        num_workers: Loader processes; results don't depend on it.
    """

    word: ClassVar[str]  # with which a domain gives it and a learner needs it
    batch_types: ClassVar[tuple[type, ...]]  # what its batches are
    adapt: Strategy | None = None
    split: Split = "target"

    def __init__(self, domain: Domain[Any], *, seed: int = 0, num_workers: int = 0) -> None:
        super().__init__()
        if not isinstance(domain, Domain):
            raise TlmlError(
                f"domain: {domain!r} is not a Domain; make one with tlml.domain(name, **options)"
            )
        if seed < 0 or num_workers < 0:
            raise TlmlError(
                f"seed and num_workers: must be at least 0, are {seed} and {num_workers}"
            )
        self.domain, self.seed, self.num_workers = domain, seed, num_workers

    @property
    @abstractmethod
    def spaces(self) -> ViewSpaces:
        """The spaces of a training batch."""

    @classmethod
    def holds(cls, batch: Any) -> bool:
        """Return whether a batch is of such a view."""
        return isinstance(batch, cls.batch_types)

    @classmethod
    @abstractmethod
    def measure(
        cls, learner: Measurable, batch: Any, place: Place, view: View | None
    ) -> Iterable[Measurement]:
        """Yield what a validation or a test measures of a batch of such a view.

        Args:
            batch: One of `batch_types`.
            place: The stage, the batch's number and the loader's.
            view: What the Trainer uses; None: loaders of no view of ours.
        """

    def splits(self, stage: str) -> tuple[Split, ...]:
        """Return the splits that a stage of the Trainer draws from; a test, from `split`."""
        if stage == "fit":
            validates = self.trainer is None or self.trainer.limit_val_batches != 0
            return ("source", "validation") if validates else ("source",)
        return ("validation",) if stage == "validate" else (self.split,)

    def world(self) -> tuple[int, int]:
        """Return this process's rank and the number of processes."""
        if self.trainer is not None:
            return self.trainer.global_rank, self.trainer.world_size
        world = processes()
        return torch.distributed.get_rank() if world > 1 else 0, world

    def loader(
        self,
        dataset: Dataset[Any],
        number: int,
        *,
        batch_size: int | None = None,
        train: bool = False,
        collate: Callable[[list[Any]], Any] | None = None,
        counted: str = "",
        exact: bool = False,
        num_workers: int | None = None,
    ) -> KeyedLoader:
        """Make the loader of `number` indices of `dataset`; `batch_size` None: an item is a batch.

        Args:
            dataset: Items that are functions of their index.
            number: Indices in an epoch, over all processes.
            batch_size: Items in a batch of this process.
            train: Whether every epoch has indices of its own, and is resumed where it stopped.
            collate: Makes a batch of items.
            counted: What the indices count, for errors.
            exact: Don't leave out what can't be divided equally among the processes.
            num_workers: Loader processes; the view's where None.

        Raises:
            TlmlError: There are fewer indices than processes, or `exact` and a remainder; or the
                Trainer's `overfit_batches` is set.
        """
        rank, world = self.world()
        overfit = getattr(self.trainer, "overfit_batches", 0)
        if overfit:
            raise TlmlError(
                "overfit_batches: the batches of a view are functions of their number, and "
                "Lightning would number them anew; take limit_train_batches, "
                f"{overfit} here"
            )
        if number < world or (exact and number % world):
            fitting = [n for n in (number // world * world, (number // world + 1) * world) if n]
            raise TlmlError(
                f"{type(self).__name__}: {number} {counted or 'batches'} can't be divided among "
                f"{world} processes; take {' or '.join(map(str, fitting))}"
            )
        position = self.position if train and self.trainer is not None else None
        sampler = KeyedSampler(
            number,
            fixed=not train,
            rank=rank,
            world=world,
            per_batch=batch_size or 1,
            position=position,
        )
        workers = self.num_workers if num_workers is None else num_workers
        loader = (ResumableLoader if position else KeyedLoader)(
            dataset,
            batch_size=batch_size,
            sampler=sampler,
            num_workers=workers,
            collate_fn=collate,
            persistent_workers=workers > 0,
        )
        loader.view = self
        return loader

    def position(self) -> tuple[int, int]:
        """Return the epoch that the Trainer is in and the batches of it that were used."""
        loop: Any = self.trainer.fit_loop  # type: ignore[union-attr]
        epochs, batches = loop.epoch_progress.current, loop.epoch_loop.batch_progress
        if epochs.ready == epochs.processed:
            _warn_of_a_cut_epoch(batches)
            return epochs.processed, 0
        if batches.is_last_batch:  # saved between the last batch and the end of the epoch
            return epochs.processed + 1, 0
        return epochs.processed, batches.current.processed


def view_of(trainer: Trainer) -> View | None:
    """Return the view that a Trainer uses: its datamodule, or whose loaders it has."""
    module = getattr(trainer, "datamodule", None)
    if isinstance(module, View):
        return module
    loaders: Any = trainer.train_dataloader
    if trainer.testing:
        loaders = trainer.test_dataloaders
    elif trainer.validating or trainer.sanity_checking:
        loaders = trainer.val_dataloaders
    first = loaders[0] if isinstance(loaders, list) and loaders else loaders
    found: View | None = getattr(first, "view", None)
    return found


def begin_epoch(trainer: Trainer) -> None:
    """Let a fit that was killed right after the last batch of an epoch begin the next one.

    Lightning goes on as if it were in the middle of an epoch: without ``on_train_epoch_start``, and
    with one epoch too few begun from there on, so that a second checkpoint could not tell where it
    was saved. To be called when training starts.
    """
    loop: Any = trainer.fit_loop
    epochs = loop.epoch_progress.current
    if loop.restarted_mid_epoch and epochs.ready == epochs.processed:
        loop.reset_restart_stage()


def _warn_of_a_cut_epoch(batches: Any) -> None:
    # Lightning counts an epoch that max_steps cut as finished and begins with the next one.
    if batches.current.processed and not batches.is_last_batch:
        rank_zero_warn(
            f"the checkpoint was saved where max_steps had cut an epoch after "
            f"{batches.current.processed} batches; the rest of that epoch is skipped"
        )
