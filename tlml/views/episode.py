"""Episodes: tasks, each with support and query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from gymnasium.spaces import Discrete
from torch.utils.data import Dataset

from tlml.domains import ClassPool, Domain
from tlml.errors import TlmlError, check_choice, check_positive
from tlml.sampling import POOL_WAYS, check_data, draw_episode, draw_task, keyed_rng
from tlml.task import SPLITS, Episode, Split
from tlml.views.base import KeyedLoader, View, ViewSpaces

if TYPE_CHECKING:
    from tlml.strategies import Strategy

_VALIDATE = 100  # episodes where nothing is said: each is adapted to on its own


@dataclass(frozen=True)
class EpisodeDataset(Dataset[Episode]):
    """Episode number i of a split: a function of (seed, split, i)."""

    domain: Domain[Any]
    split: Split
    ways: int | None
    shots: int
    queries: int
    seed: int

    def __getitem__(self, index: int) -> Episode:
        rng = keyed_rng(self.seed, self.split, index)
        task = draw_task(self.domain, self.split, rng, self.ways)
        return draw_episode(task, self.shots, self.queries, rng, self.ways)


class EpisodeView(View):
    """Tasks with support and query: training from `source`, validation, and tests on target tasks.

    A batch is ``Episode(Batch(x[T, K, ...], y[T, K, ...]), Batch(...))``. Training episodes are
    fresh in every epoch; validation and test episodes are the same for every learner.

    Args:
        domain: The family of tasks.
        ways: Classes in an episode. None: 5 of a pool of classes, all of any other domain.
        shots: Support examples, per class where targets are classes.
        queries: Query examples, likewise.
        tasks_per_batch: Tasks in a batch of each process.
        episodes: Episodes in a training epoch and in a test.
        val_episodes: Episodes in a validation; as `episodes`, at most 100, where None.
        split: The tasks that a test draws from.
        adapt: The strategy that adapts in a test; the learner's own where None.
        head: Whether a test keeps the learner's head or adds a new one of zeros; kept where None
            and the labels mean the same as in training.
        seed: The key of every episode.
        num_workers: Loader processes.

    Raises:
        TlmlError: An option is out of range, or the domain can't be divided as asked.
    """

    def __init__(
        self,
        domain: Domain[Any],
        *,
        ways: int | None = None,
        shots: int = 5,
        queries: int = 15,
        tasks_per_batch: int = 4,
        episodes: int = 200,
        val_episodes: int | None = None,
        split: Literal["source", "validation", "target"] = "target",
        adapt: Strategy | None = None,
        head: Literal["kept", "new"] | None = None,
        seed: int = 0,
        num_workers: int = 0,
    ) -> None:
        super().__init__(domain, seed=seed, num_workers=num_workers)
        check_positive(
            shots=shots,
            queries=queries,
            tasks_per_batch=tasks_per_batch,
            episodes=episodes,
            val_episodes=val_episodes,
        )
        check_choice("split", split, SPLITS)
        if head is not None:
            check_choice("head", head, ("kept", "new"))
        _check_ways(ways, domain)
        self.ways, self.shots, self.queries = ways, shots, queries
        self.tasks_per_batch, self.episodes = tasks_per_batch, episodes
        self.val_episodes = min(episodes, _VALIDATE) if val_episodes is None else val_episodes
        self.split: Split = split
        self.adapt, self.head = adapt, head

    @property
    def spaces(self) -> ViewSpaces:
        """The spaces of an episode: `ways` classes, or the domain's targets."""
        if isinstance(self.domain, ClassPool):
            return ViewSpaces(self.domain.x, Discrete(self.ways or POOL_WAYS), "episode")
        x, y = self.domain.spaces("source")
        return self._narrowed(ViewSpaces(x, y))

    @property
    def test_spaces(self) -> ViewSpaces:
        """The spaces of the episodes that a test draws."""
        if isinstance(self.domain, ClassPool):
            return self.spaces
        return self._narrowed(ViewSpaces(*self.domain.spaces(self.split)))

    def dataset(self, split: Split) -> EpisodeDataset:
        """Return the episodes of a split."""
        return EpisodeDataset(self.domain, split, self.ways, self.shots, self.queries, self.seed)

    def setup(self, stage: str) -> None:
        """Check the data and draw an episode of each split: errors come before long work."""
        for split in self.splits(stage):
            check_data(self.domain, split)
            self.dataset(split)[0]

    def train_dataloader(self) -> KeyedLoader:
        """Return fresh episodes of source tasks."""
        return self._loader("source", self.episodes, train=True)

    def val_dataloader(self) -> KeyedLoader:
        """Return the fixed episodes of validation tasks."""
        return self._loader("validation", self.val_episodes)

    def test_dataloader(self) -> KeyedLoader:
        """Return the fixed episodes of `split`."""
        return self._loader(self.split, self.episodes)

    def _loader(self, split: Split, number: int, *, train: bool = False) -> KeyedLoader:
        size = min(self.tasks_per_batch, number)
        return self.loader(
            self.dataset(split), number, batch_size=size, train=train,
            counted="episodes", exact=True,
        )  # fmt: skip

    def _narrowed(self, spaces: ViewSpaces) -> ViewSpaces:
        if isinstance(spaces.y, Discrete) and self.ways not in (None, int(spaces.y.n)):
            return ViewSpaces(spaces.x, Discrete(self.ways), "episode")
        return spaces


def _check_ways(ways: int | None, domain: Domain[Any]) -> None:
    if ways is None:
        return
    if ways < 2:
        raise TlmlError(f"ways: must be at least 2, is {ways}")
    y = getattr(domain, "y", None)  # a pool of classes may have none: its splits differ
    name = type(domain).__name__
    if isinstance(y, Discrete) and not isinstance(domain, ClassPool) and ways > y.n:
        raise TlmlError(f"ways: {ways} are more than the {y.n} classes of {name}")
    if y is not None and not isinstance(y, Discrete) and not isinstance(domain, ClassPool):
        raise TlmlError(f"ways: {name} has no classes but values to predict; leave ways out")
