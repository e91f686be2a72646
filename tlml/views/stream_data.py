"""The batches of a stream, as functions of their index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from tlml.data.sampling import even_chunk, keyed_rng
from tlml.data.stored import join_examples, part
from tlml.data.tasks import Batch, Step
from tlml.views.stream_tasks import Shown, StreamTasks

_JOINT = 5  # the draw of the order of all tasks together, beside those in stream_tasks


@dataclass(frozen=True)
class StreamDataset(Dataset[Step]):
    """Batch number i: chunk i mod `chunks` of epoch i div `chunks`.

    Args:
        tasks: The tasks.
        batch_size: Examples in a batch; the last of an epoch may have fewer.
        chunks: Batches in an epoch.
        epochs: Epochs of a task.
    """

    tasks: StreamTasks
    batch_size: int
    chunks: int
    epochs: int

    def __getitem__(self, number: int) -> Step:
        epoch, chunk = divmod(number, self.chunks)
        place, again = divmod(epoch, self.epochs)
        order = self.tasks.order(place, again)
        index = order[chunk * self.batch_size : (chunk + 1) * self.batch_size]
        return _step(self.tasks.training(place), index, place)


@dataclass(frozen=True)
class JudgedDataset(Dataset[Step]):
    """Batch number i: part i of `chunks` nearly equal ones of what a task is judged by.

    So any number of processes can share them.
    """

    tasks: StreamTasks
    place: int
    chunks: int

    def __getitem__(self, number: int) -> Step:
        shown = self.tasks.judging(self.place)
        total = len(shown.rows)
        index = torch.arange(total)[even_chunk(total, self.chunks, number)]
        return _step(shown, index, self.place)


class JointDataset(Dataset[Step]):
    """Batch number i: part i mod `chunks` of all tasks shuffled together, in epoch i div `chunks`.

    What is learned from of all tasks lies in memory together, unless the domain reads it from the
    disk. It pickles without it.
    """

    def __init__(self, tasks: StreamTasks, chunks: int) -> None:
        self.tasks, self.chunks = tasks, chunks
        self._together: Shown | None = None
        self._order: tuple[int, Tensor] | None = None

    def __getitem__(self, number: int) -> Step:
        epoch, chunk = divmod(number, self.chunks)
        together, order = self._all(), self._shuffle(epoch)
        index = order[even_chunk(len(order), self.chunks, chunk)]
        batch = together.batch(index, "the stream")
        return Step(batch, torch.div(index, self.tasks.size(), rounding_mode="floor"))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_together": None, "_order": None}

    def _all(self) -> Shown:
        if self._together is None:
            own = [part(*self.tasks.learned(place)) for place in range(len(self.tasks))]
            data = join_examples(own, "the stream")
            self._together = Shown(data, torch.arange(len(data)))
        return self._together

    def _shuffle(self, epoch: int) -> Tensor:
        if self._order is None or self._order[0] != epoch:
            total = len(self.tasks) * self.tasks.size()
            rng = keyed_rng(self.tasks.seed, "source", 0, _JOINT, epoch)
            self._order = epoch, torch.from_numpy(rng.permutation(total))
        return self._order[1]


def _step(shown: Shown, index: Tensor, place: int) -> Step:
    batch: Batch = shown.batch(index, f"task {place} of the stream")
    return Step(batch, torch.full((len(index),), place))
