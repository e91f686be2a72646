"""Pairs: labelled source, and labelled and unlabelled target, side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from gymnasium.spaces import Discrete
from torch import Tensor
from torch.utils.data import Dataset

from tlml.data.augmentation import Change, augmented, changes
from tlml.data.checks import check_batch, check_data, check_finite
from tlml.data.counts import as_amounts, as_counts, highest
from tlml.data.domains import POOL_WAYS, ClassPool, Domain
from tlml.data.episodes import Draw
from tlml.data.sampling import even_chunk, even_chunks, keyed_rng
from tlml.data.spaces import same_space
from tlml.data.stored import join_examples, on_disk, part, pool_examples
from tlml.data.tasks import (
    SPLITS,
    Batch,
    Examples,
    Finite,
    Held,
    Pair,
    Part,
    Split,
    examples,
    readable,
)
from tlml.data.turns import NumberedEpisodes
from tlml.errors import TlmlError, check_not_negative, check_positive
from tlml.views.base import KeyedLoader, View, ViewSpaces
from tlml.views.contract import Measurable, Measurement, Place, measure_examples

# Streams of draws beside the episodes of (seed, split, index), which have no fourth number.
_ORDER, _TARGET, _UNLABELLED, _HELD_OUT, _CHANGES = range(5)
LEAST = 2  # examples of a source that is divided
_LABELLED: tuple[Part, ...] = ("train", "test")  # what episodes and streams see of source tasks


@dataclass(frozen=True)
class PairDataset(Dataset[Pair]):
    """Batch number i: chunk i mod `chunks` of epoch i div `chunks`, a function of (seed, i).

    The data set that drives (the source, else the target, else the unlabelled target) is passed
    once in an epoch in a fresh order; the other parts are drawn to fill the same number of batches.
    Without shuffling the chunks are nearly equal, so that any number of processes can share them.
    """

    source: Held
    target: Examples
    unlabelled: Tensor
    batch_size: int
    chunks: int
    seed: int
    balanced: bool = False
    shuffle: bool = True
    augment: tuple[Change, ...] = ()

    def __getitem__(self, number: int) -> Pair:
        index = self._part(self.source, number, _ORDER)
        target = self._part(self.target, number, _TARGET)
        free = self._part(self.unlabelled, number, _UNLABELLED)
        x = self.source.x[index]
        if self.augment:
            x = augmented(x, self.augment, keyed_rng(self.seed, "source", _CHANGES, number))
        return Pair(
            Batch(x, self.source.y[index]),
            Batch(self.target.x[target], self.target.y[target]),
            self.unlabelled[free],
            index,
        )

    def _part(self, data: Held | Tensor, number: int, stream: int) -> Tensor:
        parts = (self.source, self.target, self.unlabelled)
        if data is next((part for part in parts if len(part)), None):
            return self._drive(data, number)
        return self._some(len(data), number, stream)

    def _drive(self, data: Held | Tensor, number: int) -> Tensor:
        epoch, chunk = divmod(number, self.chunks)
        if not self.shuffle:
            return torch.arange(len(data))[even_chunk(len(data), self.chunks, chunk)]
        rng = keyed_rng(self.seed, "source", _ORDER, epoch)
        if self.balanced:
            order = _balance(data.y, rng)  # type: ignore[union-attr]  # labels were asked for
        else:
            order = torch.from_numpy(rng.permutation(len(data)))
        return order[chunk * self.batch_size : (chunk + 1) * self.batch_size]

    def _some(self, total: int, number: int, stream: int) -> Tensor:
        if total <= self.batch_size:
            return torch.arange(total)
        rng = keyed_rng(self.seed, "target", stream, number)
        return torch.from_numpy(rng.choice(total, self.batch_size, replace=False))


@dataclass(frozen=True)
class EndlessPairDataset(Dataset[Pair]):
    """Batch number i of a family that is sampled: one example of each of `batch_size` tasks."""

    domain: Domain[Any]
    split: Split
    batch_size: int
    seed: int
    target: Examples
    unlabelled: Tensor
    augment: tuple[Change, ...] = ()

    def __getitem__(self, number: int) -> Pair:
        rng = keyed_rng(self.seed, self.split, _ORDER, number)
        drawn = [self.domain.draw(self.split, rng).sample(1, rng) for _ in range(self.batch_size)]
        source = Batch(torch.cat([one.x for one in drawn]), torch.cat([one.y for one in drawn]))
        check_finite(source, f"{self.split} tasks of {type(self.domain).__name__}")
        index = torch.arange(self.batch_size) + number * self.batch_size
        if self.augment:
            rng = keyed_rng(self.seed, self.split, _CHANGES, number)
            source = Batch(augmented(source.x, self.augment, rng), source.y)
        return Pair(source, Batch(self.target.x, self.target.y), self.unlabelled, index)


class PairView(View):
    """Source tasks pooled, with labelled and unlabelled examples of one target task beside them.

    A batch is a `Pair`. The labelled target is the support of target episode number `episode`, as
    `EpisodeView` with the same `seed`, `ways`, `shots` and `queries` draws it, from ranges of them
    too; the test is that episode's query; the unlabelled target holds the rest.

    The source is what episodes and streams see of source tasks, too: their ``train`` and ``test``
    parts. Training is validated by validation tasks where these have the source's labels, else by
    the ``val`` parts of the source tasks, else by a share of the source that is held out.

    Args:
        domain: The family of tasks.
        batch_size: Examples of each part in a batch.
        shots: Labelled target examples, per class where targets are classes, as an `EpisodeView`
            takes them; 0 for none.
        unlabelled: Whether target inputs without labels are given.
        transductive: Let the unlabelled target hold the query's inputs; results name it.
        source: Whether source examples are given; without them the labelled target drives, or the
            unlabelled one where there are no labels.
        balanced: Draw the source classes equally often, with replacement.
        samples: Source examples in an epoch of a family that is sampled without end.
        held_out: Share of the source kept for validation where no validation task has its labels
            and no source task a ``val`` part.
        episode: Which target episode.
        episode_seed: The key of target episodes, as that of an `EpisodeView`; `seed` where None.
        ways: Classes of that episode.
        queries: Query examples of that episode, per class where targets are classes.
        augment: Change the source images of training batches: names among ``flip``, ``crop``,
            ``jitter``, ``rotate`` and ``erase``, or a function of ``x [n, C, H, W]`` and a
            torch.Generator.
        seed: The key of every draw.
        num_workers: Loader processes.

    Raises:
        TlmlError: An option is out of range, or both source and target are left out.
    """

    word = "pair"
    batch_types: ClassVar[tuple[type, ...]] = (Pair,)

    def __init__(
        self,
        domain: Domain[Any],
        *,
        batch_size: int = 64,
        shots: int | float | tuple[int, int] | Literal["all"] = 0,
        unlabelled: bool = False,
        transductive: bool = False,
        source: bool = True,
        balanced: bool = False,
        samples: int = 10_000,
        held_out: float = 0.1,
        episode: int = 0,
        episode_seed: int | None = None,
        ways: int | tuple[int, int] | None = None,
        queries: int | float | tuple[int, int] | Literal["all"] = 15,
        augment: str
        | Sequence[str]
        | Callable[[torch.Tensor, torch.Generator], torch.Tensor]
        | None = None,
        seed: int = 0,
        num_workers: int = 0,
    ) -> None:
        super().__init__(domain, seed=seed, num_workers=num_workers)
        check_positive(batch_size=batch_size, samples=samples)
        check_not_negative(
            shots=shots if isinstance(shots, int) else None, episode=episode,
            episode_seed=episode_seed,
        )  # fmt: skip
        if not 0 < held_out < 1:
            raise TlmlError(f"held_out: must be a share between 0 and 1, is {held_out}")
        if not (source or shots or unlabelled):
            raise TlmlError(
                "shots: 0 labelled target examples, no unlabelled ones and no source leave nothing "
                "to fit"
            )
        if balanced and not (source or shots):
            raise TlmlError("balanced: there are no labels whose classes could be balanced")
        if augment is not None and not source:
            raise TlmlError("augment: changes source images, and source=False leaves none")
        self.augment = changes(augment, domain.spaces("source")[0], type(domain).__name__)
        self.batch_size = batch_size
        self.shots = as_amounts("shots", shots) if shots else 0
        self.queries = as_amounts("queries", queries)
        self.ways = None if ways is None else as_counts("ways", ways)
        self.unlabelled, self.transductive = unlabelled, transductive
        self.source, self.balanced, self.episode = source, balanced, episode
        self.episode_seed = seed if episode_seed is None else episode_seed
        self.samples, self.held_out = samples, held_out

    @classmethod
    def measure(
        cls, learner: Measurable, batch: Any, place: Place, view: View | None
    ) -> Iterator[Measurement]:
        """Yield how the source is predicted, or else the target; inputs alone are not measured."""
        domain = None if view is None else view.domain
        if len(batch.source.x):
            with learner.on_source():
                yield measure_examples(learner, batch.source, domain)
        elif len(batch.target.x):  # inputs without labels: an adaptation watches them
            if view is not None:
                learner.check_labels(view)
            yield measure_examples(learner, batch.target, domain)

    @property
    def spaces(self) -> ViewSpaces:
        """The spaces of the source examples, or of the target where there is no source."""
        if not self.source:
            return self.target_spaces
        x, y = self.domain.spaces("source")
        return ViewSpaces(x, y, "pool" if isinstance(self.domain, ClassPool) else "domain")

    @property
    def target_spaces(self) -> ViewSpaces:
        """The spaces of the labelled target."""
        if isinstance(self.domain, ClassPool):
            return ViewSpaces(self.domain.x, Discrete(highest(self.ways or POOL_WAYS)), "episode")
        x, y = self.domain.spaces("target")
        if isinstance(y, Discrete) and self.ways not in (None, int(y.n)):
            return ViewSpaces(x, Discrete(highest(self.ways)), "episode")
        return ViewSpaces(x, y)

    def drawn(self) -> Draw:
        """Return the target episode."""
        episodes = NumberedEpisodes(
            self.domain, "target", self.ways, self.shots, self.queries, self.episode_seed
        )
        return episodes[self.episode]

    def setup(self, stage: str) -> None:
        """Check the data that this view uses: errors come before long work."""
        for split in SPLITS[:2] if self.source else ():
            check_data(self.domain, split)
        if self.source:
            self._check_source()
        if self._needs_target(stage):
            check_data(self.domain, "target")
            self.drawn()

    def train_dataloader(self) -> KeyedLoader:
        """Return source batches with labelled and unlabelled target beside them."""
        target, unlabelled = self._target()
        if self.source and not self.finite:
            data: Dataset[Pair] = EndlessPairDataset(
                self.domain, "source", self.batch_size, self.seed, target, unlabelled, self.augment
            )
            return self.loader(data, -(-self.samples // self.batch_size), train=True)
        source = self._pool()[0] if self.source else _nothing(target)
        chunks = self._chunks(len(source) or len(target) or len(unlabelled))
        pairs = PairDataset(
            source, target, unlabelled, self.batch_size, chunks, self.seed, self.balanced,
            augment=self.augment,
        )  # fmt: skip
        return self.loader(pairs, chunks, train=True)

    def val_dataloader(self) -> KeyedLoader:
        """Return examples of validation tasks with the same labels, else of the source.

        Without source: the ``val`` part of the target task, if it has one, else the unlabelled
        target, if it is given, else nothing. The query is for testing.
        """
        if not self.source:
            return self._watched()
        if not self.finite:
            none = torch.zeros(0)
            endless = EndlessPairDataset(
                self.domain, "validation", self.batch_size, self.seed, Examples(none, none), none
            )
            return self.loader(endless, max(self._chunks(self.samples) // 10, self.world()[1]))
        held = self._pool()[1]
        return self._fixed(held, _nothing(held))

    def test_dataloader(self) -> KeyedLoader:
        """Return the query of the target episode as labelled target."""
        query = self.drawn().episode.query
        data = Examples(query.x, query.y)
        return self._fixed(_nothing(data), data)

    @property
    def finite(self) -> bool:
        """Whether the source tasks are data sets."""
        if isinstance(self.domain, ClassPool):
            return True
        endless = type(self.domain).tasks is Domain.tasks
        return not endless and isinstance(self.domain.tasks("source")[0], Finite)

    def source_examples(self) -> Examples:
        """Return the pooled source in the order that `Pair.index` counts in.

        Raises:
            TlmlError: The family is sampled without end, so that it has no fixed examples.
        """
        if not self.finite:
            raise TlmlError(
                f"{type(self.domain).__name__} is sampled without end: there are no fixed source "
                "examples to weigh"
            )
        pool = self._pool()[0]
        return Examples(pool.x[:], pool.y)

    def unlabelled_examples(self) -> Tensor:
        """Return all target inputs that may be used without labels."""
        return self._unlabelled(self.drawn())

    def _check_source(self) -> None:
        """Check that there is enough, or one example of a family of which nothing lies in memory.

        Raises:
            TlmlError: There is one example only, and none to validate with; or what is drawn does
                not lie in its space.
        """
        name = type(self.domain).__name__
        if not self.finite:
            rng = keyed_rng(self.seed, "source", _ORDER, 0)
            one = self.domain.draw("source", rng).sample(1, rng)
            check_batch(one, self.domain.spaces("source"), f"source tasks of {name}")
        elif not isinstance(self.domain, ClassPool) and not self._validates():
            total = sum(map(len, self._parts("source", _LABELLED)))
            if total < LEAST and not any(map(len, self._parts("source", ("val",)))):
                raise TlmlError(
                    f"the source tasks of {name} hold {total} example; {LEAST} are needed at "
                    "least, for some are held out to validate with"
                )

    def _needs_target(self, stage: str) -> bool:
        return stage == "test" or bool(self.shots) or self.unlabelled

    def _chunks(self, examples_: int) -> int:
        return -(-examples_ // self.batch_size)

    def _watched(self) -> KeyedLoader:
        drawn = self.drawn()
        nothing = _nothing(Examples(*drawn.episode.support))
        if isinstance(drawn.task, Finite) and self.target_spaces.labels == "domain":
            granted = examples(drawn.task.split("val"))
            if len(granted):
                return self._fixed(nothing, granted)
        free = self._unlabelled(drawn) if self.unlabelled else nothing.x
        return self._fixed(nothing, nothing, free)

    def _fixed(
        self, source: Held, target: Examples, unlabelled: Tensor | None = None
    ) -> KeyedLoader:
        unlabelled = source.x[:0] if unlabelled is None else unlabelled
        total, world = max(len(source), len(target), len(unlabelled)), self.world()[1]
        # Nothing comes as one empty batch: Lightning warns of loaders that have none.
        chunks = even_chunks(total, self.batch_size, world) if total else world
        data = PairDataset(
            source, target, unlabelled, self.batch_size, chunks, self.seed, shuffle=False
        )
        return self.loader(data, chunks)

    def _target(self) -> tuple[Examples, Tensor]:
        if not (self.shots or self.unlabelled):
            none = torch.zeros(0)
            nothing = _nothing(self._pool()[0] if self.finite else Examples(none, none))
            return nothing, nothing.x
        drawn = self.drawn()
        support = Examples(*drawn.episode.support)
        free = self._unlabelled(drawn) if self.unlabelled else support.x[:0]
        return (support if self.shots else _nothing(support)), free

    def _unlabelled(self, drawn: Draw) -> Tensor:
        task = drawn.task
        if not isinstance(task, Finite):
            rng = keyed_rng(self.episode_seed, "target", self.episode, _UNLABELLED)
            x: Tensor = task.sample(self.samples, rng).x
            return torch.cat([x, drawn.episode.query.x]) if self.transductive else x
        train = readable(task.split("train")).x
        if drawn.query_part == "test":
            return torch.cat([train[:], drawn.episode.query.x]) if self.transductive else train[:]
        keep = torch.ones(len(train), dtype=torch.bool)
        keep[drawn.query_index] = self.transductive
        return train[keep]

    def _pool(self) -> tuple[Held, Held]:
        """Return the pooled source to train on, and what validates it."""
        pool = self._whole("source")
        if not isinstance(self.domain, ClassPool):
            if self._validates():
                return pool, self._whole("validation")
            if any(map(len, granted := self._parts("source", ("val",)))):
                return pool, self._joined("source", granted)
        order = keyed_rng(self.seed, "source", _HELD_OUT).permutation(len(pool))
        kept = max(1, round(len(pool) * self.held_out))
        held, train = np.sort(order[:kept]), np.sort(order[kept:])
        return part(pool, torch.from_numpy(train)), part(pool, torch.from_numpy(held))

    def _whole(self, split: Split) -> Held:
        if isinstance(self.domain, ClassPool) and on_disk(self.domain, split):
            return pool_examples(self.domain, split)
        return self._joined(
            split, self._parts(split, _LABELLED if split == "source" else ("train",))
        )

    def _joined(self, split: Split, parts: Sequence[Held]) -> Held:
        return join_examples(parts, f"{split} tasks of {type(self.domain).__name__}")

    def _parts(self, split: Split, names: Sequence[Part]) -> list[Held]:
        return [readable(task.split(name)) for task in self.domain.tasks(split) for name in names]

    def _validates(self) -> bool:
        """Return whether there are validation tasks with the source's labels."""
        same = same_space(self.domain.spaces("validation")[1], self.domain.spaces("source")[1])
        return same and bool(self.domain.tasks("validation"))


def _nothing(like: Held) -> Examples:
    return Examples(like.x[:0], like.y[:0])


def _balance(y: Tensor, rng: np.random.Generator) -> Tensor:
    if y.is_floating_point():
        raise TlmlError("balanced: targets are values, not classes")
    _, inverse, counts = torch.unique(y, return_inverse=True, return_counts=True)
    weight = (1.0 / (counts[inverse] * len(counts))).double().numpy()
    return torch.from_numpy(rng.choice(len(y), len(y), p=weight / weight.sum()))
