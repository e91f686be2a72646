"""Streams: tasks that come one after the other and don't come back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal

import pytorch_lightning as pl
import torch
from gymnasium.spaces import Discrete
from torch import Tensor

from tlml.data.domains import ClassPool, Domain
from tlml.data.sampling import even_chunks
from tlml.data.stored import part
from tlml.data.tasks import SPLITS, Held, Split, Step
from tlml.errors import TlmlError, check_choice, check_positive
from tlml.views.base import KeyedLoader, View, ViewSpaces
from tlml.views.contract import Measurable, Measurement, Place, measure_examples
from tlml.views.stream_data import JointDataset, JudgedDataset, StreamDataset
from tlml.views.stream_tasks import StreamTasks

_JUDGED = 256  # examples in a batch of validation


class StreamView(View):
    """Tasks one after the other, `epochs` epochs each, and a validation loader for each task.

    Validate at the end of each epoch and all through the sanity check
    (``Trainer(num_sanity_val_steps=-1)``), and the rows of R[t, j] and the row before training
    come by themselves: `tlml.Retention` keeps them. A fit ends with the stream, after `length`
    epochs, whatever the Trainer's ``max_epochs`` beyond it.

    Tasks are made when their epoch comes and let go when the next one begins, so that a stream may
    be larger than memory. ``setup`` makes each once, to check it and to learn its size.

    Args:
        domain: A family with a finite list of tasks, or a pool of classes.
        tasks: How many tasks, the first in `order`; all where None.
        ways: Classes in a task of a pool of classes; task t has the labels t·ways to
            (t + 1)·ways - 1.
        batch_size: Examples in a batch of each process.
        samples: Examples of each task; as many as the smallest task has where None.
        epochs: Epochs of each task.
        order: The tasks in the ``domain``'s order, or ``shuffled`` by the seed; of a pool, the
            classes.
        scenario: ``task`` tells tests which task an example is of: only its classes can be
            predicted (task-incremental). None does not.
        joint: Shuffle all tasks into one: what could be learned if nothing had to be retained.
        split: Whose tasks.
        seed: The key of all orders.
        num_workers: Loader processes of training; validation reads in the Trainer's process.

    Raises:
        TlmlError: An option is out of range, the family has no list of finite tasks, or all its
            tasks have the same classes, so that ``scenario="task"`` could tell nothing.
    """

    word = "stream"
    batch_types: ClassVar[tuple[type, ...]] = (Step,)

    def __init__(
        self,
        domain: Domain[Any],
        *,
        tasks: int | None = None,
        ways: int = 5,
        batch_size: int = 10,
        samples: int | None = None,
        epochs: int = 1,
        order: Literal["domain", "shuffled"] = "domain",
        scenario: Literal["task"] | None = None,
        joint: bool = False,
        split: Literal["source", "validation", "target"] = "source",
        seed: int = 0,
        num_workers: int = 0,
    ) -> None:
        super().__init__(domain, seed=seed, num_workers=num_workers)
        check_positive(
            tasks=tasks, ways=ways, batch_size=batch_size, samples=samples, epochs=epochs
        )
        check_choice("split", split, SPLITS)
        check_choice("order", order, ("domain", "shuffled"))
        if scenario is not None:
            check_choice("scenario", scenario, ("task",))
            _check_scenario(domain)
        self.ways, self.batch_size, self.epochs, self.joint = ways, batch_size, epochs, joint
        self.order, self.scenario = order, scenario
        self.split: Split = split
        self._tasks = StreamTasks(
            domain, split, number=tasks, ways=ways, samples=samples, seed=seed,
            shuffled=order == "shuffled",
        )  # fmt: skip

    @classmethod
    def measure(
        cls, learner: Measurable, batch: Any, place: Place, view: View | None
    ) -> Iterator[Measurement]:
        """Yield how the examples of a task are predicted; each task has a loader of its own."""
        scores = learner.predict_now(batch.batch.x)
        if isinstance(view, StreamView):
            scores = view.masked(scores, batch.task)  # where the scenario tells the task
        domain = None if view is None else view.domain
        yield measure_examples(learner, batch.batch, domain, scores)._replace(of_loader=True)

    @property
    def spaces(self) -> ViewSpaces:
        """The spaces of all tasks together."""
        if not isinstance(self.domain, ClassPool):
            return ViewSpaces(*self.domain.spaces(self.split))
        y = Discrete(self.number_of_tasks * self.ways)
        return ViewSpaces(self.domain.x, y, "pool" if self.order == "domain" else "stream")

    # What the stream is

    @property
    def number_of_tasks(self) -> int:
        """The number of tasks; none is read for it.

        Raises:
            TlmlError: There are fewer tasks than asked for, or no list of them.
        """
        return len(self._tasks)

    @property
    def number_of_examples(self) -> int:
        """The examples of the whole stream; each task is read for it, once."""
        return self.number_of_tasks * self.samples_of_a_task

    @property
    def samples_of_a_task(self) -> int:
        """The examples of each task that are learned from; each task is read for it, once."""
        return self._tasks.size()

    @property
    def length(self) -> int:
        """The epochs of the whole stream."""
        return self.epochs * (1 if self.joint else self.number_of_tasks)

    def task_of(self, epoch: int) -> int:
        """Return the task that an epoch trains on; 0 where all are shuffled into one."""
        return epoch // self.epochs

    def stream(self) -> Sequence[tuple[Held, Held]]:
        """Return the examples to learn from (before `samples` are chosen) and to be judged by.

        Item t makes task t, of which the last one asked for is kept.
        """
        return self._tasks

    def learned_from(self, task: int) -> Held:
        """Return the examples of a task that are trained on, as a data set of its own.

        Learners that look at a task once more when it ends (`Learner.consolidate`) take them; they
        are on the CPU.
        """
        return part(*self._tasks.learned(task))

    def classes_of(self, task: int) -> range:
        """Return the labels of a task.

        Raises:
            TlmlError: Targets are values.
        """
        if isinstance(self.domain, ClassPool):
            return range(task * self.ways, (task + 1) * self.ways)
        y = self.spaces.y
        if not isinstance(y, Discrete):
            raise TlmlError(f"classes_of: the targets of {type(self.domain).__name__} are values")
        return range(int(y.n))

    def masked(self, scores: Tensor, task: Tensor | int) -> Tensor:
        """Return scores with -inf for the classes of other tasks, where the task is told.

        Without ``scenario="task"`` they are returned as they are. Measurements use it; a learner
        may use it on the scores that its loss is of.

        Args:
            scores: ``[n, classes]``.
            task: The task of each example ``[n]``, or of all.
        """
        if self.scenario is None:
            return scores
        theirs = torch.arange(scores.shape[-1], device=scores.device) // self.ways
        own = torch.as_tensor(task, device=scores.device).reshape(-1, 1)
        return scores.masked_fill(theirs != own, -torch.inf)

    # Where the Trainer is in it

    def learned(self, trainer: pl.Trainer) -> int:
        """Return how many tasks have been learned, by the Trainer's progress alone."""
        return _whole_epochs(trainer)[0] // self.epochs

    def just_learned(self, trainer: pl.Trainer) -> int | None:
        """Return the task whose last epoch has been trained on and after which nothing has."""
        epochs, more = _whole_epochs(trainer)
        return None if more or not epochs or epochs % self.epochs else epochs // self.epochs - 1

    # Batches

    def setup(self, stage: str) -> None:
        """Check the data, one task after the other: errors come before long work."""
        self._tasks.size()

    def train_dataloader(self) -> KeyedLoader:
        """Return the stream; epoch e holds task ``task_of(e)``, or all where `joint`."""
        chunks, tasks = -(-self._tasks.size() // self.batch_size), self._tasks
        counted = f"batches of {self.batch_size} examples"
        if self.joint:
            chunks *= len(tasks)
            joint = JointDataset(tasks, chunks)
            return self.loader(joint, chunks, train=True, counted=counted, exact=True)
        data = StreamDataset(tasks, self.batch_size, chunks, self.epochs)
        return self.loader(data, chunks, train=True, counted=counted, exact=True)

    def val_dataloader(self) -> list[KeyedLoader]:
        """Return one loader for each task."""
        return [self._judge(place, sizes.test) for place, sizes in enumerate(self._tasks.sizes())]

    def test_dataloader(self) -> list[KeyedLoader]:
        """Return one loader for each task."""
        return self.val_dataloader()

    def _judge(self, place: int, size: int) -> KeyedLoader:
        chunks = even_chunks(size, _JUDGED, self.world()[1])
        # Workers of each of these loaders would hold a task of their own in memory.
        return self.loader(JudgedDataset(self._tasks, place, chunks), chunks, num_workers=0)


def _check_scenario(domain: Domain[Any]) -> None:
    if not isinstance(domain, ClassPool):
        raise TlmlError(
            f"scenario: 'task' limits predictions to the classes of a task, and all tasks of "
            f"{type(domain).__name__} have the same ones; leave it out, or take a pool of classes"
        )


def _whole_epochs(trainer: pl.Trainer) -> tuple[int, bool]:
    """Return the epochs that were trained on to their end, and whether more batches were."""
    loop: Any = trainer.fit_loop
    epochs, batches = loop.epoch_progress.current, loop.epoch_loop.batch_progress
    if epochs.started == epochs.processed:
        return epochs.processed, False
    if batches.is_last_batch:  # the epoch ends with its validation
        return epochs.processed + 1, False
    return epochs.processed, True
