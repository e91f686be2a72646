"""Environments: source or target tasks to act in."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import gymnasium
import torch
from torch.utils.data import Dataset

from tlml.data.domains import Domain
from tlml.data.sampling import keyed_rng
from tlml.data.tasks import MDP, SPLITS, Split
from tlml.errors import TlmlError, check_choice, check_positive
from tlml.views.base import KeyedLoader, View, ViewSpaces
from tlml.views.contract import Measurable, Measurement, Place


class Environments:
    """The environments of one task, not yet made: an item is stale as soon as it has been stepped.

    No dataclass: Lightning would look for tensors in its fields, and refuse frozen ones.

    Args:
        task: The Markov decision process.
        index: Its number in the split.
        number: How many environments run side by side.
        seed: The key of their randomness.
    """

    def __init__(self, task: MDP, index: int, number: int, seed: int) -> None:
        self.task, self.index, self.number, self.seed = task, index, number, seed

    def make(self, rollout: int = 0) -> gymnasium.vector.SyncVectorEnv:
        """Make the vectorised environments of a rollout; each has a seed of its own.

        At the end of an episode they follow gymnasium's NEXT_STEP mode: the step after `done`
        ignores the action and returns the reset observation.
        """
        rng = keyed_rng(self.seed, "source", self.index, rollout)
        seeds = [int(seed) for seed in rng.integers(2**31, size=self.number)]
        envs = gymnasium.vector.SyncVectorEnv(
            [functools.partial(self.task.make, seed) for seed in seeds]
        )
        envs.reset(seed=[*seeds])
        return envs


@dataclass(frozen=True)
class EnvDataset(Dataset[Environments]):
    """Environments number i of a split: a function of (seed, split, i)."""

    domain: Domain[Any]
    split: Split
    number: int
    seed: int

    def __getitem__(self, index: int) -> Environments:
        rng = keyed_rng(self.seed, self.split, index)
        task = self.domain.draw(self.split, rng)
        if not isinstance(task, MDP):
            raise TlmlError(f"task {getattr(task, 'name', task)}: EnvView needs tasks with make()")
        return Environments(task, index, self.number, int(rng.integers(2**31)))


class EnvView(View):
    """Tasks to act in; a batch is a list of `Environments`, one for each task.

    Args:
        domain: A family of Markov decision processes.
        envs: Environments of each task that run side by side.
        tasks_per_batch: Tasks in a batch of each process.
        tasks: Tasks in a training epoch.
        test_tasks: Tasks in a validation and in a test.
        split: The tasks that a test draws from.
        seed: The key of tasks and rollouts.
        num_workers: Loader processes.

    Raises:
        TlmlError: An option is out of range, or tasks are not Markov decision processes.
    """

    word = "env"
    batch_types: ClassVar[tuple[type, ...]] = (list,)

    def __init__(
        self,
        domain: Domain[MDP],
        *,
        envs: int = 8,
        tasks_per_batch: int = 1,
        tasks: int = 100,
        test_tasks: int = 20,
        split: Literal["source", "validation", "target"] = "target",
        seed: int = 0,
        num_workers: int = 0,
    ) -> None:
        super().__init__(domain, seed=seed, num_workers=num_workers)
        check_positive(
            envs=envs, tasks_per_batch=tasks_per_batch, tasks=tasks, test_tasks=test_tasks
        )
        check_choice("split", split, SPLITS)
        self.envs, self.tasks_per_batch = envs, tasks_per_batch
        self.tasks, self.test_tasks = tasks, test_tasks
        self.split: Split = split

    @classmethod
    def holds(cls, batch: Any) -> bool:
        """Return whether a batch is a list of `Environments`."""
        return isinstance(batch, list) and all(isinstance(one, Environments) for one in batch)

    @classmethod
    def measure(
        cls, learner: Measurable, batch: Any, place: Place, view: View | None
    ) -> Iterator[Measurement]:
        """Act in the environments of each task, and yield its mean return."""
        for environments in batch:
            with torch.inference_mode(False), torch.enable_grad():
                played = learner.play(environments)
            record = {"episode": environments.index, "return": played}
            yield Measurement({"return": played}, 1, [record])

    @property
    def spaces(self) -> ViewSpaces:
        """The spaces of observations and actions."""
        return ViewSpaces(*self.domain.spaces("source"))

    def dataset(self, split: Split) -> EnvDataset:
        """Return the environments of a split."""
        return EnvDataset(self.domain, split, self.envs, self.seed)

    def setup(self, stage: str) -> None:
        """Draw one task of each split that will be used: errors come before long work."""
        for split in self.splits(stage):
            self.dataset(split)[0]

    def train_dataloader(self) -> KeyedLoader:
        """Return source tasks, fresh in every epoch."""
        return self._loader("source", self.tasks, train=True)

    def val_dataloader(self) -> KeyedLoader:
        """Return the fixed validation tasks."""
        return self._loader("validation", self.test_tasks)

    def test_dataloader(self) -> KeyedLoader:
        """Return the fixed tasks of `split`."""
        return self._loader(self.split, self.test_tasks)

    def _loader(self, split: Split, number: int, *, train: bool = False) -> KeyedLoader:
        size = min(self.tasks_per_batch, number)
        return self.loader(
            self.dataset(split), number, batch_size=size, train=train, collate=list,
            counted="tasks", exact=True,
        )  # fmt: skip
