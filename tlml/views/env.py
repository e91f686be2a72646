"""Environments: source or target tasks to act in."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import gymnasium
import numpy as np
import torch
from torch.utils.data import Dataset, Subset

from tlml.data.domains import Domain
from tlml.data.env_places import EnvPlace
from tlml.data.env_stream import VECTORIZATIONS, Vectorization
from tlml.data.sampling import keyed_rng
from tlml.data.tasks import MDP, SPLITS, Split
from tlml.errors import TlmlError, check_choice, check_not_negative, check_positive
from tlml.metrics.seconds import now
from tlml.strategies.strategy import Strategy
from tlml.views.base import KeyedLoader, View, ViewSpaces
from tlml.views.contract import Measurable, Measurement, Place, Played


class Environments:
    """The environments of one task, not yet made: an item is stale as soon as it has been stepped.

    No dataclass: Lightning would look for tensors in its fields, and refuse frozen ones.

    Args:
        task: The Markov decision process.
        index: Its number in the split.
        number: How many environments run side by side.
        seed: The key of their randomness.
        split: The task's split.
        key: The key of the view.
        vectorization: How whole episodes in them are stepped.
        learning: In how many an agent adapts to the task; `number` where None.
    """

    def __init__(
        self, task: MDP, index: int, number: int, seed: int,
        split: Split = "source", key: int = 0, vectorization: Vectorization = "sync",
        learning: int | None = None,
    ) -> None:  # fmt: skip
        self.task, self.index, self.number, self.seed = task, index, number, seed
        self.split: Split = split
        self.key = key
        self.vectorization: Vectorization = vectorization
        self.learning = learning

    def places(self) -> list[EnvPlace]:
        """Return the places in whose episodes an agent adapts to the task."""
        return [
            EnvPlace(self.task, self.split, self.index, number, self.key)
            for number in range(self.learning or self.number)
        ]

    def judging(self) -> list[EnvPlace]:
        """Return as many places, each of which judges an agent by its first episode."""
        return [
            EnvPlace(self.task, self.split, self.index, number, self.key, judges=True)
            for number in range(self.number)
        ]

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
    """Environments number i of a split: a function of (seed, split, i); of few tasks, in turn."""

    domain: Domain[Any]
    split: Split
    number: int
    seed: int
    vectorization: Vectorization = "sync"
    learning: int | None = None

    def __getitem__(self, index: int) -> Environments:
        rng = keyed_rng(self.seed, self.split, index)
        task = self.task(index, rng)
        key = int(rng.integers(2**31))
        return Environments(
            task, index, self.number, key, self.split, self.seed, self.vectorization,
            self.learning,
        )  # fmt: skip

    def task(self, index: int, rng: np.random.Generator) -> MDP:
        """Return a task of the split: of a finite family the one whose turn it is."""
        tasks = known_tasks(self.domain, self.split)
        task = self.domain.draw(self.split, rng) if tasks is None else tasks[index % len(tasks)]
        if not isinstance(task, MDP):
            raise TlmlError(f"task {getattr(task, 'name', task)}: EnvView needs tasks with make()")
        return task


class EnvView(View):
    """Tasks to act in; a batch is a list of `Environments`, one for each task.

    Agents that learn from rollouts keep environments of `places` alive from batch to batch; those
    that adapt to each task make their own from the batch.

    Args:
        domain: A family of Markov decision processes.
        envs: Environments that run side by side in each process: of all tasks to train on, in
            turn, or of each task of a batch.
        tasks_per_batch: Tasks in a batch of each process.
        tasks: Tasks in a training epoch, so that it has ``tasks / tasks_per_batch`` batches.
        test_tasks: Tasks in a validation and in a test; of a finite family at most all.
        test_episodes: Episodes of each of them, which no agent learns from.
        split: The tasks that a test draws from.
        train_split: The tasks to train on.
        task: The one of them to train and be tested on; all where None.
        adapt: The strategy that adapts to each task of a test, by rollouts of its own in `envs`
            environments; the learner's own where None. For learners that adapt, as ``maml_rl``.
        head: Whether a test keeps the head, or begins with a new one of zeros (``new``).
        vectorization: Step environments one after the other in this process (``sync``), each in
            one of its own (``async``), or by arithmetic over all that tasks bring (``native``).
        seed: The key of tasks and rollouts.
        judging_seed: The key of tasks and episodes that agents are judged by; as `seed` where
            None.
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
        test_episodes: int = 10,
        split: Literal["source", "validation", "target"] = "target",
        train_split: Literal["source", "validation", "target"] = "source",
        task: int | None = None,
        adapt: Strategy | None = None,
        head: Literal["kept", "new"] | None = None,
        vectorization: Vectorization = "sync",
        seed: int = 0,
        judging_seed: int | None = None,
        num_workers: int = 0,
    ) -> None:
        super().__init__(domain, seed=seed, num_workers=num_workers)
        check_not_negative(judging_seed=judging_seed or 0)
        check_positive(
            envs=envs, tasks_per_batch=tasks_per_batch, tasks=tasks, test_tasks=test_tasks,
            test_episodes=test_episodes,
        )  # fmt: skip
        check_choice("split", split, SPLITS)
        check_choice("train_split", train_split, SPLITS)
        check_choice("vectorization", vectorization, VECTORIZATIONS)
        if head is not None:
            check_choice("head", head, ("kept", "new"))
        self.envs, self.tasks_per_batch = envs, tasks_per_batch
        self.tasks, self.test_tasks, self.test_episodes = tasks, test_tasks, test_episodes
        self.split: Split = split
        self.train_split: Split = train_split
        self.task, self.vectorization = task, vectorization
        self.adapt, self.head = adapt, head
        self.judging_seed = seed if judging_seed is None else judging_seed
        self._check_task()

    @classmethod
    def holds(cls, batch: Any) -> bool:
        """Return whether a batch is a list of `Environments`."""
        return isinstance(batch, list) and all(isinstance(one, Environments) for one in batch)

    @classmethod
    def measure(
        cls, learner: Measurable, batch: Any, place: Place, view: View | None
    ) -> Iterator[Measurement]:
        """Act in the environments of each task, and yield its mean return.

        Where it is adapted to, that is the return after the last step, and the record tells the
        return before any (``return_before``), before and after each (``return_by_step``), and the
        steps in environments that were learned from (``adapt_env_steps``).
        """
        for environments in batch:
            start = now()
            with torch.inference_mode(False), torch.enable_grad():
                plays = list(learner.plays(environments))
            record = {
                "episode": environments.index,
                **_told(plays),
                **(now() - start).named(),
            }
            shown = ("return", "length", "return_before")
            yield Measurement({n: record[n] for n in shown if n in record}, 1, [record])

    @property
    def spaces(self) -> ViewSpaces:
        """The spaces of observations, flattened where they have several parts, and of actions."""
        x, y = self.domain.spaces(self.train_split)
        if isinstance(x, gymnasium.spaces.Dict | gymnasium.spaces.Tuple):
            x = gymnasium.spaces.flatten_space(x)
        return ViewSpaces(x, y)

    def places(self) -> list[EnvPlace]:
        """Return where this process's environments to train in are: of all tasks in turn.

        Raises:
            TlmlError: There are fewer environments than tasks.
        """
        rank, world = self.world()
        # The one task is that which is judged, whatever the key of rollouts.
        key = self.seed if self.task is None else self.judging_seed
        data = EnvDataset(self.domain, self.train_split, self.envs, key)
        known = known_tasks(self.domain, self.train_split)
        if known is not None and self.task is None and self.envs * world < len(known):
            raise TlmlError(
                f"envs: {self.envs * world} environments can't act in all {len(known)} "
                f"{self.train_split} tasks; take envs={-(-len(known) // world)}, or one task"
            )
        found = []
        for number in range(rank * self.envs, (rank + 1) * self.envs):
            drawn = data[self._turn(number, known)]
            index = drawn.index if known is None else drawn.index % len(known)
            found.append(EnvPlace(drawn.task, self.train_split, index, number, self.seed))
        return found

    def dataset(self, split: Split, number: int | None = None) -> EnvDataset:
        """Return the environments of a split, so many of each task."""
        size = number or self.envs
        return EnvDataset(self.domain, split, size, self.seed, self.vectorization)

    def splits(self, stage: str) -> tuple[Split, ...]:
        """Return the splits that a stage of the Trainer draws from; a fit, from `train_split`."""
        found = super().splits(stage)
        return (self.train_split, *found[1:]) if stage == "fit" else found

    def setup(self, stage: str) -> None:
        """Draw one task of each split that will be used: errors come before long work."""
        for split in self.splits(stage):
            self.dataset(split)[0]

    def train_dataloader(self) -> KeyedLoader:
        """Return tasks to train on, fresh in every epoch."""
        return self._loader(self.dataset(self.train_split), self.tasks, train=True)

    def val_dataloader(self) -> KeyedLoader:
        """Return the fixed validation tasks."""
        return self._judging("validation")

    def test_dataloader(self) -> KeyedLoader:
        """Return the fixed tasks of `split`."""
        return self._judging(self.split)

    def _judging(self, split: Split) -> KeyedLoader:
        known = known_tasks(self.domain, split)
        number = self.test_tasks if known is None else min(self.test_tasks, len(known))
        data: Dataset[Any] = EnvDataset(
            self.domain, split, self.test_episodes, self.judging_seed, self.vectorization, self.envs
        )
        if self.task is not None and split == self.train_split:
            data, number = Subset(data, [self.task]), 1
        return self._loader(data, number)

    def _turn(self, number: int, known: Sequence[MDP] | None) -> int:
        if self.task is not None:
            return self.task
        return number if known is None else number % len(known)

    def _check_task(self) -> None:
        known = known_tasks(self.domain, self.train_split)
        if self.task is None or (self.task >= 0 and (known is None or self.task < len(known))):
            return
        there = "from 0" if known is None else f"0 to {len(known) - 1}"
        raise TlmlError(
            f"task: there is no {self.train_split} task {self.task} of "
            f"{type(self.domain).__name__}; take one {there}"
        )

    def _loader(self, data: Dataset[Any], number: int, *, train: bool = False) -> KeyedLoader:
        size = min(self.tasks_per_batch, number)
        return self.loader(
            data, number, batch_size=size, train=train, collate=list, counted="tasks", exact=True
        )


def known_tasks(domain: Domain[Any], split: Split) -> Sequence[Any] | None:
    """Return the tasks of a finite family; None where they are endless."""
    return None if type(domain).tasks is Domain.tasks else domain.tasks(split)


def _told(plays: Sequence[Played]) -> dict[str, Any]:
    """Return what a record holds of how a task was played, before and after each step."""
    totals, lengths = zip(*plays[-1].episodes, strict=True)
    means = [float(np.mean([total for total, _ in each.episodes])) for each in plays]
    found = {
        "return": means[-1],
        "length": float(np.mean(lengths)),
        "env_steps": sum(lengths),
        "returns": list(totals),
        "gradient_steps": plays[-1].gradient_steps,
    }
    if len(plays) > 1:
        cost = plays[-1].env_steps
        found |= {"return_before": means[0], "return_by_step": means, "adapt_env_steps": cost}
    return found
