"""Generators and samplers that are functions of (seed, split, index)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.distributed
from torch.utils.data import DistributedSampler

from tlml.data.tasks import SPLITS
from tlml.errors import TlmlError, did_you_mean


def keyed_rng(seed: int, split: str, *index: int) -> np.random.Generator:
    """Return the generator of one draw; `split` is a split's name."""
    if split not in SPLITS:
        raise TlmlError(f"no split is called '{split}'{did_you_mean(split, SPLITS)}")
    # A key of four numbers in one list would equal the key of three where the fourth is 0.
    first, rest = index[:1], index[1:]
    key = np.random.SeedSequence([seed, SPLITS.index(split), *first], spawn_key=rest)
    return np.random.default_rng(key)


class KeyedSampler(DistributedSampler[int]):
    """Yields the indices e·n … e·n + n − 1 in epoch e, every `world`-th of them from `rank` on.

    The union over ranks is what one process sees, so results don't depend on their number. It
    subclasses torch's DistributedSampler because Lightning leaves those as they are.

    Args:
        number: Indices in an epoch, over all ranks.
        fixed: Yield 0 … n − 1 in every epoch, as evaluation does.
        rank: This process.
        world: How many processes there are.
        per_batch: Indices of this rank in a batch.
        position: Returns (epoch, batches of it already used), to resume within an epoch.
    """

    def __init__(
        self,
        number: int,
        *,
        fixed: bool = False,
        rank: int = 0,
        world: int = 1,
        per_batch: int = 1,
        position: Callable[[], tuple[int, int]] | None = None,
    ) -> None:
        super().__init__(range(number), num_replicas=world, rank=rank, shuffle=False)  # type: ignore[arg-type]
        self.number, self.fixed = number, fixed
        self.per_batch, self.position = per_batch, position

    def __iter__(self) -> Iterator[int]:
        self._check_world()
        epoch, used = self.position() if self.position else (self.epoch, 0)
        start = 0 if self.fixed else epoch * self.number
        mine = range(start, start + len(self) * self.num_replicas)[self.rank :: self.num_replicas]
        return iter(mine[used * self.per_batch :])

    def __len__(self) -> int:
        # Every rank has equally many, or they would wait for each other for ever.
        return self.number // self.num_replicas

    def _check_world(self) -> None:
        world = processes()
        if self.num_replicas == 1 < world:
            raise TlmlError(
                f"this loader was made for one process, and there are {world}, which would all see "
                "the same; pass the view itself to the Trainer: fit(learner, datamodule=view)"
            )


def processes() -> int:
    """Return how many processes train together, as torch knows."""
    known = torch.distributed.is_available() and torch.distributed.is_initialized()
    return torch.distributed.get_world_size() if known else 1


def even_chunks(total: int, size: int, world: int) -> int:
    """Return how many chunks of about `size` divide `total` so that each rank gets as many."""
    chunks = -(-total // size)
    rounded = -(-chunks // world) * world
    return rounded if rounded <= total else max(total // world * world, min(total, 1))


def even_chunk(total: int, chunks: int, chunk: int) -> slice:
    """Return where one of `chunks` nearly equal parts of `total` lies; none is empty or shared."""
    return slice(chunk * total // chunks, (chunk + 1) * total // chunks)
