"""Keyed draws: every episode, batch and rollout is a function of (seed, split, index)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.distributed
from torch import Tensor
from torch.utils.data import DistributedSampler

from tlml.counts import Counts, drawn, highest
from tlml.domains import ClassPool, ClassTask, Domain
from tlml.errors import TlmlError, did_you_mean
from tlml.task import (
    SPLITS,
    Batch,
    Episode,
    Examples,
    Finite,
    Split,
    StoredExamples,
    Task,
    readable,
)

Held = Examples | StoredExamples

POOL_WAYS = 5  # classes in an episode of a class pool where nothing else is said


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
        if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
            return
        world = torch.distributed.get_world_size()
        if self.num_replicas == 1 < world:
            raise TlmlError(
                f"this loader was made for one process, and there are {world}, which would all see "
                "the same; pass the view itself to the Trainer: fit(learner, datamodule=view)"
            )


def even_chunks(total: int, size: int, world: int) -> int:
    """Return how many chunks of about `size` divide `total` so that each rank gets as many."""
    chunks = -(-total // size)
    rounded = -(-chunks // world) * world
    return rounded if rounded <= total else max(total // world * world, min(total, 1))


def even_chunk(total: int, chunks: int, chunk: int) -> slice:
    """Return where one of `chunks` nearly equal parts of `total` lies; none is empty or shared."""
    return slice(chunk * total // chunks, (chunk + 1) * total // chunks)


class Draw(NamedTuple):
    """An episode and, for a finite task, where its query came from."""

    task: Any
    episode: Episode
    query_part: str
    query_index: Tensor


def draw_task(domain: Domain[Any], split: Split, rng: np.random.Generator, ways: int | None) -> Any:
    """Draw a task of p(T), with `ways` classes where the domain is a pool of classes."""
    if isinstance(domain, ClassPool):
        return domain.draw(split, rng, ways=POOL_WAYS if ways is None else ways)
    return domain.draw(split, rng)


def draw_episode(
    task: Any,
    shots: Counts,
    queries: Counts,
    rng: np.random.Generator,
    ways: int | None = None,
) -> Episode:
    """Draw support and query of one task; no example is in both.

    A `Finite` task is permuted: `shots` and `queries` examples of each class where targets are
    classes, unless the task says ``by_class = False``, else of the whole; the query comes from its
    ``test`` part if it has one. Any other task gives one sample, which is divided. A range of
    counts is drawn from for each class by itself, or once where the task isn't divided by class.

    Args:
        task: A `Finite` or a `Task`.
        shots: Support examples, per class where targets are classes.
        queries: Query examples, likewise.
        rng: The generator that the episode is a function of.
        ways: Keep that many classes, drawn and labelled anew; all, with their labels, where None.

    Raises:
        TlmlError: The task has too few examples or classes, or holds NaN.
    """
    return draw(task, shots, queries, rng, ways).episode


def draw(
    task: Any, shots: Counts, queries: Counts, rng: np.random.Generator, ways: int | None = None
) -> Draw:
    """Draw an episode and remember where its query came from."""
    if isinstance(task, ClassTask) and ways in (None, len(task.samples)):
        made = _draw_classes(task, shots, queries, rng)
    elif isinstance(task, Finite):
        made = _draw_finite(task, shots, queries, rng, ways)
    elif isinstance(task, Task):
        made = _draw_sampled(task, drawn(shots, rng), drawn(queries, rng), rng)
    else:
        raise TlmlError(
            f"task {getattr(task, 'name', task)}: an episode needs sample() or split(), and it has "
            "neither (environments are seen through EnvView)"
        )
    for batch in made.episode:
        check_finite(batch, f"task {task.name}")
    return made


def check_finite(batch: Batch, where: str) -> None:
    """Raise where inputs or targets hold NaN or infinity."""
    for name, values in (("x", batch.x), ("y", batch.y)):
        if values.is_floating_point() and not bool(torch.isfinite(values).all()):
            bad = (
                int((~torch.isfinite(values)).flatten(1).any(1).sum())
                if values.ndim > 1
                else int((~torch.isfinite(values)).sum())
            )
            raise TlmlError(
                f"{where}: {name} of {bad} of {len(values)} examples is NaN or infinite; remove or "
                "fill these examples in the domain"
            )


def check_data(domain: Domain[Any], split: Split) -> None:
    """Raise where data that a split holds in memory is NaN or infinite.

    What is on the disk is checked as it is read, and here no more than that it is there.
    """
    if isinstance(domain, ClassPool):
        for name, samples in domain.samples(split).items():
            if isinstance(samples, Tensor):
                check_finite(Batch(samples, torch.zeros(len(samples))), f"class '{name}'")
    elif type(domain).tasks is not Domain.tasks:
        for task in domain.tasks(split):
            for part in ("train", "val", "test") if isinstance(task, Finite) else ():
                data = task.split(part)
                if isinstance(data, Examples):
                    check_finite(Batch(data.x, data.y), f"task {task.name}")


def check_counts(domain: Domain[Any], split: Split, shots: Counts, queries: Counts) -> None:
    """Raise where a class of a pool has too few examples for the most shots and queries."""
    if not isinstance(domain, ClassPool):
        return
    for name, samples in domain.samples(split).items():
        if len(samples) < highest(shots) + highest(queries):
            raise TlmlError(
                f"class '{name}' of {type(domain).__name__} has {len(samples)} examples; "
                f"{highest(shots)} shots and {highest(queries)} queries are more"
            )


def _draw_sampled(task: Task, shots: int, queries: int, rng: np.random.Generator) -> Draw:
    both = task.sample(shots + queries, rng)
    support = Batch(both.x[:shots], both.y[:shots])
    return Draw(task, Episode(support, Batch(both.x[shots:], both.y[shots:])), "", torch.empty(0))


def _draw_classes(
    task: ClassTask, shots: Counts, queries: Counts, rng: np.random.Generator
) -> Draw:
    """Draw what `_draw_finite` would, reading only the samples that are drawn."""
    support: list[Tensor] = []
    query: list[Tensor] = []
    places: list[Tensor] = []
    start = 0
    for label, samples in enumerate(task.samples):
        near, far = drawn(shots, rng), drawn(queries, rng)
        own = torch.from_numpy(rng.permutation(len(samples)))
        others = own[near:]
        _check_enough(task, label, len(own), len(others), near, far, False)
        support.append(samples[own[:near]])
        query.append(samples[others[:far]])
        places.append(start + others[:far])
        start += len(samples)
    return Draw(task, Episode(_labelled(support), _labelled(query)), "train", torch.cat(places))


def _labelled(samples: list[Tensor]) -> Batch:
    counts = torch.tensor([len(own) for own in samples])
    return Batch(torch.cat(samples), torch.repeat_interleave(torch.arange(len(samples)), counts))


def _draw_finite(
    task: Finite, shots: Counts, queries: Counts, rng: np.random.Generator, ways: int | None
) -> Draw:
    pool, test = readable(task.split("train")), readable(task.split("test"))
    if pool.y.is_floating_point() or not getattr(task, "by_class", True):
        return _draw_whole(task, pool, test, drawn(shots, rng), drawn(queries, rng), rng)
    labels = _labels(task, pool, ways, rng)
    part = "test" if len(test) else "train"
    support, query = [], []
    for label in labels:
        near, far = drawn(shots, rng), drawn(queries, rng)
        own = _permuted(pool, label, rng)
        others = _permuted(test, label, rng) if len(test) else own[near:]
        _check_enough(task, label, len(own), len(others), near, far, bool(len(test)))
        support.append(own[:near])
        query.append(others[:far])
    relabel = None if ways is None or labels == list(range(ways)) else labels
    query_index = torch.cat(query)
    episode = Episode(
        _take(pool, torch.cat(support), relabel),
        _take(test if len(test) else pool, query_index, relabel),
    )
    return Draw(task, episode, part, query_index)


def _draw_whole(
    task: Finite, pool: Held, test: Held, shots: int, queries: int, rng: np.random.Generator
) -> Draw:
    order = torch.from_numpy(rng.permutation(len(pool)))
    others = torch.from_numpy(rng.permutation(len(test))) if len(test) else order[shots:]
    if len(order) < shots or len(others) < queries:
        has = f"{len(pool)} to train on, {len(test)} to test on" if len(test) else f"{len(pool)}"
        raise TlmlError(
            f"task {task.name}: {shots} shots and {queries} queries are more examples than it has: "
            f"{has}"
        )
    query_index = others[:queries]
    source = test if len(test) else pool
    episode = Episode(_take(pool, order[:shots], None), _take(source, query_index, None))
    return Draw(task, episode, "test" if len(test) else "train", query_index)


def _classes(pool: Held) -> list[int]:
    return [int(label) for label in torch.unique(pool.y)]


def _labels(task: Finite, pool: Held, ways: int | None, rng: np.random.Generator) -> list[int]:
    labels = _classes(pool)
    if ways is None or labels == list(range(ways)):
        return labels
    if not 2 <= ways <= len(labels):
        raise TlmlError(
            f"ways: {ways} does not fit task {task.name}: it has {len(labels)} classes, "
            "and at least 2 are needed"
        )
    return [labels[i] for i in rng.permutation(len(labels))[:ways]]


def _permuted(pool: Held, label: int, rng: np.random.Generator) -> Tensor:
    own = torch.nonzero(pool.y == label).flatten()
    return own[torch.from_numpy(rng.permutation(len(own)))]


def _check_enough(
    task: Finite | ClassTask,
    label: int,
    own: int,
    others: int,
    shots: int,
    queries: int,
    tested: bool,
) -> None:
    if own >= shots and others >= queries:
        return
    name = task.classes if isinstance(task, ClassTask) else ()
    called = f"class '{name[label]}'" if label < len(name) else f"class {label}"
    has = f"{own} examples to train on, {others} to test on" if tested else f"{own} examples"
    raise TlmlError(
        f"task {task.name}: {called} has {has}; {shots} shots and {queries} queries are more"
    )


def _take(pool: Held, index: Tensor, relabel: list[int] | None) -> Batch:
    y = pool.y[index]
    if relabel is not None:
        table = torch.full((max(relabel) + 1,), -1)
        table[torch.tensor(relabel)] = torch.arange(len(relabel))
        y = table[y]
    return Batch(pool.x[index], y)
