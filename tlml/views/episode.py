"""Episodes: tasks, each with support and query."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Literal

import torch
from gymnasium.spaces import Discrete
from torch.utils.data import Dataset, default_collate

from tlml.data.augmentation import Change, augmented, changes
from tlml.data.checks import check_batch, check_counts, check_data
from tlml.data.counts import (
    Amounts,
    Counts,
    as_amounts,
    as_counts,
    counted,
    highest,
    largest,
    lowest,
)
from tlml.data.domains import POOL_WAYS, ClassPool, Domain
from tlml.data.episode_files import EpisodeFile, check_fits, read_episodes
from tlml.data.episodes import Draw
from tlml.data.example_checks import is_finite
from tlml.data.parts import Turn
from tlml.data.sampling import keyed_rng
from tlml.data.tasks import SPLITS, Batch, Episode, Episodes, Split, tasks_of
from tlml.data.turns import NumberedEpisodes
from tlml.errors import TlmlError, check_choice, check_not_negative, check_positive
from tlml.strategies.strategy import Strategy
from tlml.views.base import KeyedLoader, View, ViewSpaces
from tlml.views.contract import BESIDE_METRICS, Measurable, Measurement, Place

_SHOTS, _QUERIES, _EPISODES, _TASKS = 5, 15, 200, 4  # where nothing is said
_VALIDATE = 100  # episodes where nothing is said: each is adapted to on its own
_TOGETHER = 64  # tasks of an evaluation's batch, of no more than so many numbers
_NUMBERS = 4_000_000
_CHANGES = 0  # the stream of changes to the examples, beside (seed, split, index)


@dataclass(frozen=True)
class EpisodeDataset(Dataset[Episode]):
    """Episode number i of a split: a function of (seed, split, i)."""

    domain: Domain[Any]
    split: Split
    ways: Counts | None
    shots: Amounts
    queries: Amounts
    seed: int
    augment: tuple[Change, ...] = ()
    first: int = 0

    def __getitem__(self, index: int) -> Episode:
        index += self.first
        episode = self.numbered[index].episode
        return self._changed(episode, index) if self.augment else episode

    def draw(self, index: int) -> Draw:
        """Return an episode with its task; where it is as drawn, it is still to be checked."""
        made = self.numbered.draw(index + self.first)
        if not self.augment:
            return made
        made.check()
        return made._replace(episode=self._changed(made.episode, index + self.first))

    @cached_property  # it looks at its tasks once
    def numbered(self) -> NumberedEpisodes:
        """The draws by number, with where each came from."""
        return NumberedEpisodes(
            self.domain, self.split, self.ways, self.shots, self.queries, self.seed
        )

    def _changed(self, episode: Episode, index: int) -> Episode:
        # A stream of its own: the examples are those that there would be without augmentation.
        rng = keyed_rng(self.seed, self.split, index, _CHANGES)
        (sx, sy), (qx, qy) = episode
        x = augmented(torch.cat([sx, qx]), self.augment, rng)
        return Episode(Batch(x[: len(sx)], sy), Batch(x[len(sx) :], qy))

    def smallest(self) -> Episode:
        """Draw an episode of the least classes and examples that there can be."""
        ways = None if self.ways is None else lowest(self.ways)
        shots, queries = (
            value[0] if isinstance(value, tuple) else value for value in (self.shots, self.queries)
        )
        return replace(self, ways=ways, shots=shots, queries=queries)[0]

    def check(self, number: int) -> None:
        """Draw the largest first episode that there can be, and compare the sizes of the others.

        Args:
            number: How many episodes are met.
        """
        check_data(self.domain, self.split)
        check_counts(self.domain, self.split, self.shots, self.queries)
        ways = None if self.ways is None else highest(self.ways)
        shots, queries = largest(self.shots), largest(self.queries)
        most = replace(self, ways=ways, shots=shots, queries=queries)[0]
        self.numbered.check(range(self.first, self.first + number))
        if not isinstance(self.domain, ClassPool):
            where = f"{self.split} tasks of {type(self.domain).__name__}"
            for batch in most:
                check_batch(batch, self.domain.spaces(self.split), where)


class EpisodeView(View):
    """Tasks with support and query: training from `source`, validation, and tests on target tasks.

    A batch is ``Episode(Batch(x[T, K, ...], y[T, K, ...]), Batch(...))``, or `Episodes` where its
    tasks differ in size. Training episodes are fresh in every epoch; validation and test episodes
    are the same for every learner.

    Target tasks of a finite domain are met in turn: n episodes meet all n tasks. Where there are
    fewer than five, queries come from disjoint parts of their examples, which are met in turn, too.
    Source tasks of training are drawn.

    Ways, shots and queries may be a range ``[low, high]``: it is drawn from for each episode, and
    for shots and queries for each class by itself, or for the episode where targets are values.
    Shots and queries may be a share, such as 0.1, of the examples of each class, or of the task
    where targets are values: rounded, at least one; or ``all`` that the other side leaves.

    Args:
        domain: The family of tasks.
        ways: Classes in an episode. None: the file's, else 5 of a pool of classes, all of any other
            domain.
        shots: Support examples, per class where targets are classes. None: the file's, else 5. A
            test may have 0: what was trained predicts as it is, or adapts to inputs without labels.
            ``all``: what the queries leave, or the whole train part where there is a test part.
        queries: Query examples, likewise. None: the file's, else 15. ``all``: what the support
            leaves, or the whole test part.
        tasks_per_batch: Tasks in a batch of each process. None: 4 in training, and in an evaluation
            up to 64, as many as are not much memory: those that can be adapted to together then
            take a fraction of the time.
        episodes: Episodes in a training epoch and in a test. None: 200, and all of a file.
        val_episodes: Episodes in a validation; as `episodes`, at most 100, where None.
        split: The tasks that a test draws from.
        file: Read the episodes of `split` from this file, in its order (`tlml.write_episodes`);
            other splits, training and validation come from the domain.
        augment: Change the images of training episodes: names among ``flip``, ``crop``, ``jitter``,
            ``rotate`` and ``erase``, or a function of ``x [n, C, H, W]`` and a torch.Generator.
        first: The number of the first episode of a test.
        adapt: The strategy that adapts in a test; the learner's own where None.
        head: Whether a test keeps the learner's head or adds a new one of zeros; kept where None
            and the labels mean the same as in training.
        seed: The key of every episode.
        num_workers: Loader processes.

    Raises:
        TlmlError: An option is out of range, or the domain can't be divided as asked.
    """

    word = "episodes"
    batch_types: ClassVar[tuple[type, ...]] = (Episode, Episodes)

    def __init__(
        self,
        domain: Domain[Any],
        *,
        ways: int | tuple[int, int] | None = None,
        shots: int | float | tuple[int, int] | Literal["all"] | None = None,
        queries: int | float | tuple[int, int] | Literal["all"] | None = None,
        tasks_per_batch: int | None = None,
        episodes: int | None = None,
        val_episodes: int | None = None,
        split: Literal["source", "validation", "target"] = "target",
        file: str | os.PathLike[str] | None = None,
        augment: str
        | Sequence[str]
        | Callable[[torch.Tensor, torch.Generator], torch.Tensor]
        | None = None,
        first: int = 0,
        adapt: Strategy | None = None,
        head: Literal["kept", "new"] | None = None,
        seed: int = 0,
        num_workers: int = 0,
    ) -> None:
        super().__init__(domain, seed=seed, num_workers=num_workers)
        check_positive(
            tasks_per_batch=tasks_per_batch, episodes=episodes, val_episodes=val_episodes
        )
        check_not_negative(first=first)
        check_choice("split", split, SPLITS)
        if file is not None and first:
            raise TlmlError("first: the episodes of a file are read from its first one on")
        if head is not None:
            check_choice("head", head, ("kept", "new"))
        self.split: Split = split
        self.file = None if file is None else _read(file, domain, split)
        self._drawn: dict[Split, EpisodeDataset] = {}  # as it was drawn last
        self._asked = {"ways": ways, "shots": shots, "queries": queries, "episodes": episodes}
        self.ways: Counts | None = self._count("ways")  # type: ignore[assignment]
        asked_shots = self._count("shots")
        self.shots = _SHOTS if asked_shots is None else asked_shots
        self.queries = self._count("queries") or _QUERIES
        _check_ways(self.ways, domain)
        self.tasks_per_batch = tasks_per_batch or _TASKS
        self._as_said = tasks_per_batch is not None
        self.episodes = episodes or _EPISODES
        self.val_episodes = min(self.episodes, _VALIDATE) if val_episodes is None else val_episodes
        self.augment = changes(augment, domain.spaces("source")[0], type(domain).__name__)
        self.first, self.adapt, self.head = first, adapt, head

    @classmethod
    def measure(
        cls, learner: Measurable, batch: Any, place: Place, view: View | None
    ) -> Iterator[Measurement]:
        """Adapt to each task, and yield the means over the tasks of a batch."""
        records = learner.adapt_to(tasks_of(batch), place)
        means = {
            name: sum(record[name] for record in records) / len(records)
            for name in records[0]
            if name not in BESIDE_METRICS
        }
        yield Measurement(means, len(records), records)

    @property
    def test_episodes(self) -> int:
        """How many episodes a test has."""
        data = self.dataset(self.split)
        if isinstance(data, EpisodeFile) and self._asked["episodes"] is None:
            return len(data)
        return self.episodes

    @property
    def spaces(self) -> ViewSpaces:
        """The spaces of an episode: `ways` classes, or the domain's targets."""
        if isinstance(self.domain, ClassPool):
            return ViewSpaces(self.domain.x, Discrete(highest(self.ways or POOL_WAYS)), "episode")
        x, y = self.domain.spaces("source")
        return self._narrow(ViewSpaces(x, y))

    @property
    def test_spaces(self) -> ViewSpaces:
        """The spaces of the episodes that a test draws."""
        if isinstance(self.domain, ClassPool):
            return self.spaces
        return self._narrow(ViewSpaces(*self.domain.spaces(self.split)))

    def dataset(self, split: Split) -> EpisodeDataset | EpisodeFile:
        """Return the episodes of a split, without augmentation; the file's where it holds them."""
        if self.file is not None and split == self.split == self.file.about.split:
            return self.file
        return self.drawn(split)

    def drawn(self, split: Split) -> EpisodeDataset:
        """Return the episodes that are drawn from a split of the domain."""
        made = EpisodeDataset(self.domain, split, self.ways, self.shots, self.queries, self.seed)
        if self._drawn.get(split) != made:
            self._drawn[split] = made
        return self._drawn[split]

    def turn(self, number: int) -> Turn | None:
        """Return the task of an episode of the test; None where tasks are drawn, or not known."""
        data = self.dataset(self.split)
        return data.turn(number) if isinstance(data, EpisodeFile) else data.numbered.turn(number)

    def setup(self, stage: str) -> None:
        """Check the data, the largest first episode, and the sizes of all tasks met in turn."""
        check_positive(blocks=self.domain.blocks)
        if stage == "fit" and lowest(self.shots) == 0:
            raise TlmlError("shots: 0 labelled examples leave nothing to adapt to in training")
        for split in self.splits(stage):
            data = self.dataset(split) if stage == "test" else self.drawn(split)
            if isinstance(data, EpisodeFile):
                self._check_file(data)
            elif stage == "test":
                replace(data, first=self.first).check(self.test_episodes)
            else:
                data.check(self.val_episodes)
        if stage == "fit" and self.augment:
            replace(self.drawn("source"), augment=self.augment)[0]

    def train_dataloader(self) -> KeyedLoader:
        """Return fresh episodes of source tasks."""
        data = replace(self.drawn("source"), augment=self.augment)
        return self._loader(data, self.episodes, train=True)

    def val_dataloader(self) -> KeyedLoader:
        """Return the fixed episodes of validation tasks."""
        return self._loader(self.drawn("validation"), self.val_episodes)

    def test_dataloader(self) -> KeyedLoader:
        """Return the fixed episodes of `split`."""
        data = self.dataset(self.split)
        if isinstance(data, EpisodeFile):
            self._check_file(data)
        else:
            data = replace(data, first=self.first)
        return self._loader(data, self.test_episodes)

    def _loader(
        self, data: EpisodeDataset | EpisodeFile, number: int, *, train: bool = False
    ) -> KeyedLoader:
        at_once = self.tasks_per_batch if train or self._as_said else self._that_fit()
        size = min(at_once, number)
        options: dict[str, Any] = {"counted": "episodes", "exact": True, "train": train}
        if isinstance(data, EpisodeFile):
            return self.loader(data, number, batch_size=size, collate=batched, **options)
        return self.loader(Draws(data), number, batch_size=size, collate=checked, **options)

    def _that_fit(self) -> int:
        """Return how many tasks of an evaluation are not much memory."""
        if not (counted(self.shots) and counted(self.queries)):
            return self.tasks_per_batch
        x, y = self.test_spaces.x, self.test_spaces.y
        each = highest(self.shots) + highest(self.queries)  # type: ignore[arg-type]
        numbers = each * math.prod(x.shape or ()) * (int(y.n) if isinstance(y, Discrete) else 1)
        return max(self.tasks_per_batch, min(_TOGETHER, _NUMBERS // max(numbers, 1)))

    def _count(self, name: str) -> Amounts | None:
        """Return what was asked for, or else the file's."""
        asked: Any = self._asked[name]
        if name == "shots" and asked == 0 and asked is not False:
            return 0
        if asked is not None:
            return (as_counts if name == "ways" else as_amounts)(name, asked)
        filed: Amounts | None = getattr(self.file.about, name) if self.file else None
        return filed

    def _check_file(self, file: EpisodeFile) -> None:
        """Raise where a test was asked for that the file doesn't hold; training may differ."""
        for name in ("ways", "shots", "queries"):
            asked, filed = self._count(name), getattr(file.about, name)
            if asked != filed:
                raise TlmlError(
                    f"{name}: {_said(asked)} was asked for, and the episodes of {file.path} have "
                    f"{_said(filed)}"
                )
        if self.test_episodes > len(file):
            raise TlmlError(
                f"episodes: {self.test_episodes} were asked for, and {file.path} has {len(file)}"
            )

    def _narrow(self, spaces: ViewSpaces) -> ViewSpaces:
        if isinstance(spaces.y, Discrete) and self.ways not in (None, int(spaces.y.n)):
            return ViewSpaces(spaces.x, Discrete(highest(self.ways)), "episode")
        return spaces


class Draws(Dataset[Draw]):
    """The episodes of a data set with their tasks, which `checked` makes a batch of.

    Args:
        data: The data set.
    """

    def __init__(self, data: EpisodeDataset) -> None:
        self.data = data

    def __getitem__(self, index: int) -> Draw:
        return self.data.draw(index)


def checked(draws: list[Draw]) -> Episode | Episodes:
    """Make a batch of draws. All are checked together, one by one only where something is wrong.

    Raises:
        TlmlError: Examples are not finite; of which task.
    """
    found = batched([made.episode for made in draws])
    if isinstance(found, Episodes) or not all(is_finite(batch) for batch in found):
        for made in draws:
            made.check()
    return found


def batched(tasks: list[Episode]) -> Episode | Episodes:
    """Stack tasks of equal sizes to one `Episode`; keep others apart."""
    shapes = {(s.x.shape, s.y.shape, q.x.shape, q.y.shape) for s, q in tasks}
    if len(shapes) > 1:
        return Episodes(tasks)
    stacked: Episode = default_collate(tasks)
    return stacked


def _read(file: str | os.PathLike[str], domain: Domain[Any], split: Split) -> EpisodeFile:
    found = read_episodes(file)
    check_fits(found, domain)
    # Another split than the target is for choosing options, which must not see the file's tasks.
    if split == "target" and found.about.split != "target":
        raise TlmlError(
            f"{found.path}: holds {found.about.split} episodes; take split='{found.about.split}'"
        )
    return found


def _said(value: Amounts | None) -> str:
    return "all" if value is None else str(list(value) if isinstance(value, tuple) else value)


def _check_ways(given: Counts | None, domain: Domain[Any]) -> None:
    if given is None:
        return
    if lowest(given) < 2:
        raise TlmlError(f"ways: must be at least 2, is {lowest(given)}")
    ways = highest(given)
    y = getattr(domain, "y", None)  # a pool of classes may have none: its splits differ
    name = type(domain).__name__
    if isinstance(y, Discrete) and not isinstance(domain, ClassPool) and ways > y.n:
        raise TlmlError(f"ways={ways}, but {name} has only {y.n} classes")
    if y is not None and not isinstance(y, Discrete) and not isinstance(domain, ClassPool):
        raise TlmlError(f"ways: {name} has no classes but values to predict; leave ways out")
