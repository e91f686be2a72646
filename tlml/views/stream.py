"""Streams: tasks one after the other, each seen once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from gymnasium.spaces import Discrete
from torch.utils.data import Dataset

from tlml.data.checks import check_finite
from tlml.data.domains import ClassPool, Domain
from tlml.data.keyed import even_chunk, even_chunks, keyed_rng
from tlml.data.tasks import SPLITS, Batch, Examples, Finite, Split, Step, examples
from tlml.errors import TlmlError, check_choice, check_positive
from tlml.views.base import KeyedLoader, View, ViewSpaces
from tlml.views.contract import Measurable, Measurement, Place, measure_examples

_HELD_OUT = 0.2  # share of a task without a test part that measures what is retained
_JUDGED = 256  # examples in a batch of validation


@dataclass(frozen=True)
class StreamDataset(Dataset[Step]):
    """Batch number i: chunk i mod `chunks` of task i div `chunks`, keyed by the task.

    Without shuffling the chunks are nearly equal, so that any number of processes can share them.
    """

    tasks: Sequence[Examples]
    first: int
    batch_size: int
    chunks: int
    seed: int
    shuffle: bool = True

    def __getitem__(self, number: int) -> Step:
        place, chunk = divmod(number, self.chunks)
        data = self.tasks[place]
        if self.shuffle:
            order = torch.from_numpy(keyed_rng(self.seed, "source", place).permutation(len(data)))
            index = order[chunk * self.batch_size : (chunk + 1) * self.batch_size]
        else:
            index = torch.arange(len(data))[even_chunk(len(data), self.chunks, chunk)]
        batch = Batch(data.x[index], data.y[index])
        return Step(batch, torch.full((len(index),), self.first + place))


class StreamView(View):
    """Tasks one after the other: epoch t is task t, and there is a validation loader for each task.

    Validate at the end of each epoch and all through the sanity check
    (``Trainer(num_sanity_val_steps=-1)``), and the rows of R[t, j] and the row before training
    come by themselves: `tlml.Retention` keeps them.

    Args:
        domain: A family with a finite list of tasks, or a pool of classes.
        tasks: How many tasks, in the domain's order; all where None.
        ways: Classes in a task of a pool of classes, which keep labels of their own.
        batch_size: Examples in a batch of each process.
        samples: Examples of each task; as many as the smallest task has where None.
        split: Whose tasks.
        seed: The key of the order within a task.
        num_workers: Loader processes.

    Raises:
        TlmlError: An option is out of range, or the family has no list of finite tasks.
    """

    batch_types: ClassVar[tuple[type, ...]] = (Step,)

    def __init__(
        self,
        domain: Domain[Any],
        *,
        tasks: int | None = None,
        ways: int = 5,
        batch_size: int = 10,
        samples: int | None = None,
        split: Literal["source", "validation", "target"] = "source",
        seed: int = 0,
        num_workers: int = 0,
    ) -> None:
        super().__init__(domain, seed=seed, num_workers=num_workers)
        check_positive(tasks=tasks, ways=ways, batch_size=batch_size, samples=samples)
        check_choice("split", split, SPLITS)
        self.number, self.ways, self.batch_size, self.samples = tasks, ways, batch_size, samples
        self.split: Split = split

    @classmethod
    def measure(
        cls, learner: Measurable, batch: Any, place: Place, view: View | None
    ) -> Iterator[Measurement]:
        """Yield how the examples of a task are predicted; each task has a loader of its own."""
        domain = None if view is None else view.domain
        yield measure_examples(learner, batch.batch, domain)._replace(of_loader=True)

    @property
    def spaces(self) -> ViewSpaces:
        """The spaces of all tasks together."""
        if isinstance(self.domain, ClassPool):
            return ViewSpaces(self.domain.x, Discrete(len(self.stream()) * self.ways), "pool")
        return ViewSpaces(*self.domain.spaces(self.split))

    def stream(self) -> list[tuple[Examples, Examples]]:
        """Return the examples to learn from and to be judged by, task after task.

        Raises:
            TlmlError: There are fewer tasks than asked for, or a task has no fixed examples.
        """
        parts = self._pool() if isinstance(self.domain, ClassPool) else self._tasks()
        if self.number is not None and self.number > len(parts):
            raise TlmlError(
                f"tasks: {self.number} are more than the {len(parts)} {self.split} tasks of "
                f"{type(self.domain).__name__}"
            )
        return parts[: self.number]

    def setup(self, stage: str) -> None:
        """Check the data: errors come before long work."""
        for number, parts in enumerate(self.stream()):
            for part in parts:
                check_finite(Batch(part.x, part.y), f"task {number} of the stream")

    def train_dataloader(self) -> KeyedLoader:
        """Return the stream; epoch t holds task t."""
        tasks = [train for train, _ in self.stream()]
        size = self.samples or min(len(train) for train in tasks)
        if size > min(len(train) for train in tasks):
            raise TlmlError(
                f"samples: {size} are more than the {min(len(train) for train in tasks)} examples "
                "of the smallest task"
            )
        tasks = [self._subset(train, size, place) for place, train in enumerate(tasks)]
        chunks = -(-size // self.batch_size)
        return self.loader(
            StreamDataset(tasks, 0, self.batch_size, chunks, self.seed), chunks, train=True,
            counted=f"batches of {self.batch_size} examples", exact=True,
        )  # fmt: skip

    def val_dataloader(self) -> list[KeyedLoader]:
        """Return one loader for each task."""
        return [self._judge(place, test) for place, (_, test) in enumerate(self.stream())]

    def test_dataloader(self) -> list[KeyedLoader]:
        """Return one loader for each task."""
        return self.val_dataloader()

    def _judge(self, place: int, data: Examples) -> KeyedLoader:
        chunks = even_chunks(len(data), _JUDGED, self.world()[1])
        return self.loader(
            StreamDataset([data], place, _JUDGED, chunks, self.seed, shuffle=False), chunks
        )

    def _subset(self, data: Examples, size: int, place: int) -> Examples:
        order = keyed_rng(self.seed, "source", place, 1).permutation(len(data))[:size]
        return Examples(data.x[order], data.y[order])

    def _tasks(self) -> list[tuple[Examples, Examples]]:
        parts = []
        for place, task in enumerate(self.domain.tasks(self.split)):
            if not isinstance(task, Finite):
                raise TlmlError(f"task {task.name}: a stream needs tasks with split()")
            train, test = examples(task.split("train")), examples(task.split("test"))
            parts.append((train, test) if len(test) else self._divided(train, place))
        return parts

    def _pool(self) -> list[tuple[Examples, Examples]]:
        task = self.domain.tasks(self.split)[0]
        whole, classes = task.split("train"), len(task.classes)
        if classes < self.ways:
            raise TlmlError(
                f"ways: {self.ways} are more than the {classes} {self.split} classes of "
                f"{type(self.domain).__name__}"
            )
        parts = []
        for place, low in enumerate(range(0, classes - classes % self.ways, self.ways)):
            own = (whole.y >= low) & (whole.y < low + self.ways)
            parts.append(self._divided(Examples(whole.x[own], whole.y[own]), place))
        return parts

    def _divided(self, data: Examples, place: int) -> tuple[Examples, Examples]:
        order = torch.from_numpy(keyed_rng(self.seed, "source", place, 2).permutation(len(data)))
        held = max(1, round(len(data) * _HELD_OUT))
        test, train = order[:held], order[held:]
        return Examples(data.x[train], data.y[train]), Examples(data.x[test], data.y[test])
