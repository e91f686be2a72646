"""Draws of episodes: each is a function of (seed, split, index)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
import torch.distributed
from torch import Tensor

from tlml.data.checks import check_finite
from tlml.data.counts import ALL, Amounts, counted, drawn, sides
from tlml.data.domains import POOL_WAYS, ClassPool, ClassTask, Domain
from tlml.data.example_checks import check_tensors, is_finite, is_plain
from tlml.data.parts import Cut, by_class, divided, following, is_ordered, part_of
from tlml.data.tasks import (
    Batch,
    Episode,
    Finite,
    Held,
    Split,
    Task,
    is_data_set,
    is_sampled,
    readable,
)
from tlml.errors import TlmlError


class Draw(NamedTuple):
    """An episode and, for a finite task, where its query came from."""

    task: Any
    episode: Episode
    query_part: str = ""
    query_index: Tensor | None = None

    def check(self) -> None:
        """Raise where examples hold NaN or infinity."""
        for batch in self.episode:
            if not is_finite(batch):
                check_finite(batch, f"task {self.task.name}")


class Contents(NamedTuple):
    """A finite task's examples, and where those of each class are.

    Args:
        pool: To train on.
        test: In a part of its own; empty without one.
        places: Of each class in the pool; None where the task isn't divided by class.
        tested: Likewise in the part of its own.
    """

    pool: Held
    test: Held
    places: dict[int, Tensor] | None
    tested: dict[int, Tensor]


def draw_task(domain: Domain[Any], split: Split, rng: np.random.Generator, ways: int | None) -> Any:
    """Draw a task of p(T), with `ways` classes where the domain is a pool of classes."""
    if isinstance(domain, ClassPool):
        return domain.draw(split, rng, ways=POOL_WAYS if ways is None else ways)
    return domain.draw(split, rng)


def draw_episode(
    task: Any,
    shots: Amounts,
    queries: Amounts,
    rng: np.random.Generator,
    ways: int | None = None,
) -> Episode:
    """Draw support and query of one task; no example is in both.

    A `Finite` task is permuted: `shots` and `queries` examples of each class where targets are
    classes, unless the task says ``by_class = False``, else of the whole; the query comes from its
    ``test`` part if it has one. Where the task says ``ordered = True``, support and query are runs
    of its examples, the query right after the support, or the first ones of the ``test`` part. Any
    other task gives one sample, which is divided. A range of
    counts is drawn from for each class by itself, or once where the task isn't divided by class. A
    share is one of the class's or the task's examples, rounded, at least one; ``all`` is what the
    other side leaves, or the whole part where the query has a part of its own.

    Args:
        task: A `Finite` or a `Task`.
        shots: Support examples, per class where targets are classes.
        queries: Query examples, likewise.
        rng: The generator that the episode is a function of.
        ways: Keep that many classes, drawn and labelled anew; all, with their labels, where None.

    Raises:
        TlmlError: The task has too few examples or classes, or holds NaN; or a share or all of a
            task is asked for that is sampled without end.
    """
    made = draw(task, shots, queries, rng, ways)
    made.check()
    return made.episode


def draw(
    task: Any,
    shots: Amounts,
    queries: Amounts,
    rng: np.random.Generator,
    ways: int | None = None,
    cut: Cut | None = None,
    contents: Contents | None = None,
) -> Draw:
    """Draw an episode and remember where its query came from: of one part of the examples, if cut.

    The support may hold the rest of that part. That examples are finite is still to be checked.

    Args:
        task: As in `draw_episode`, likewise the next four.
        shots: Support examples.
        queries: Query examples.
        rng: The generator that the draw is a function of.
        ways: Classes.
        cut: The part that the query is from.
        contents: Of a finite task, where they are known.
    """
    if isinstance(task, ClassTask) and ways in (None, len(task.samples)):
        return _draw_classes(task, shots, queries, rng, cut)
    if contents is not None or is_data_set(task):
        contents = contents or contents_of(task)
        made = _draw_finite(task, contents, shots, queries, rng, ways, cut)
        for batch in made.episode:
            _check_plain(task, batch)
        return made
    if is_sampled(task):
        for name, value in (("shots", shots), ("queries", queries)):
            _check_counted(task, name, value)
        return _draw_sampled(task, drawn(shots, rng), drawn(queries, rng), rng)  # type: ignore[arg-type]
    raise TlmlError(
        f"task {getattr(task, 'name', task)}: an episode needs sample() or split(), and it has "
        "neither (environments are seen through EnvView)"
    )


def contents_of(task: Finite) -> Contents:
    """Look at the examples of a task: which there are, and where those of each class are."""
    pool, test = readable(task.split("train")), readable(task.split("test"))
    if not by_class(task, pool):
        return Contents(pool, test, None, {})
    return Contents(pool, test, _places(pool.y), _places(test.y) if len(test) else {})


def _places(labels: Tensor) -> dict[int, Tensor]:
    """Return where each class is, in order; classes are in order, too."""
    found, order = torch.sort(labels, stable=True)
    known, counts = torch.unique_consecutive(found, return_counts=True)
    return dict(zip(known.tolist(), torch.split(order, counts.tolist()), strict=True))


class Sizes(NamedTuple):
    """How many examples a finite task has, by label where it is divided by class.

    Args:
        train: To train on; the key None is the whole.
        test: In a part of its own; empty without one.
    """

    train: dict[int | None, int]
    test: dict[int | None, int]


def sizes_of(task: Finite) -> Sizes:
    """Count the examples of a task."""
    pool, test = readable(task.split("train")), readable(task.split("test"))
    if by_class(task, pool):
        return Sizes(_counted(pool), _counted(test))
    return Sizes({None: len(pool)}, {None: len(test)} if len(test) else {})


def check_sizes(
    task: Finite,
    sizes: Sizes,
    shots: Amounts,
    queries: Amounts,
    rng: np.random.Generator,
    ways: int | None,
) -> None:
    """Raise where `draw_episode` would for want of examples; no example is read.

    Args:
        task: The task.
        sizes: Its own.
        shots: As in `draw_episode`.
        queries: Likewise.
        rng: As the draw of the episode would find it.
        ways: Likewise.

    Raises:
        TlmlError: The task has too few examples or classes.
    """
    train, test = sizes
    if None in train:
        near, far = _divide(task, shots, queries, train[None], test.get(None), rng)
        return _check_whole(task, train[None], test.get(None, 0), near, far)
    for label in _labels(task, [label for label in train if label is not None], ways, rng):
        own, tested = train[label], test.get(label, 0) if test else None
        near, far = _divide(task, shots, queries, own, tested, rng)
        left = own - near if tested is None else tested
        _check_enough(task, label, own, left, near, far, bool(test))
    return None


def _counted(data: Held) -> dict[int | None, int]:
    labels, counts = torch.unique(data.y, return_counts=True)
    return dict(zip(labels.tolist(), counts.tolist(), strict=True))


def _draw_sampled(task: Task, shots: int, queries: int, rng: np.random.Generator) -> Draw:
    both = task.sample(shots + queries, rng)
    _check_plain(task, both)
    if len(both.x) != shots + queries:
        raise TlmlError(
            f"task {task.name}: sample({shots + queries}, rng) gives {len(both.x)} examples"
        )
    support = Batch(both.x[:shots], both.y[:shots])
    return Draw(task, Episode(support, Batch(both.x[shots:], both.y[shots:])))


def _check_plain(task: Any, batch: Batch) -> None:
    if not is_plain(batch):
        check_tensors(batch.x, batch.y, f"task {task.name}")


def _check_counted(task: Task, name: str, value: Amounts) -> None:
    if not counted(value):
        said = ALL if value == ALL else f"a share of {value}"
        raise TlmlError(
            f"{name}: {said} needs tasks that are data sets, and task {task.name} is sampled "
            "without end; take a number"
        )


def _draw_classes(
    task: ClassTask,
    shots: Amounts,
    queries: Amounts,
    rng: np.random.Generator,
    cut: Cut | None = None,
) -> Draw:
    """Draw what `_draw_finite` would, reading only the samples that are drawn."""
    support: list[Tensor] = []
    query: list[Tensor] = []
    places: list[Tensor] = []
    start = 0
    for label, samples in enumerate(task.samples):
        near, far = _divide(task, shots, queries, len(samples), None, rng)
        own = torch.from_numpy(rng.permutation(len(samples)))
        _check_enough(task, label, len(own), len(own) - near, near, far, False)
        # Labels are drawn anew: a class is known by its name.
        may = part_of(cut, torch.arange(len(own)), task.classes[label])
        mine, theirs = divided(own, None, near, far, may)
        support.append(samples[mine])
        query.append(samples[theirs])
        places.append(start + theirs)
        start += len(samples)
    return Draw(task, Episode(_label(support), _label(query)), "train", torch.cat(places))


def _label(samples: list[Tensor]) -> Batch:
    counts = torch.tensor([len(own) for own in samples])
    return Batch(torch.cat(samples), torch.repeat_interleave(torch.arange(len(samples)), counts))


def _draw_finite(
    task: Finite,
    contents: Contents,
    shots: Amounts,
    queries: Amounts,
    rng: np.random.Generator,
    ways: int | None,
    cut: Cut | None = None,
) -> Draw:
    pool, test, places, tested = contents
    if places is None:
        near, far = _divide(task, shots, queries, len(pool), len(test) or None, rng)
        draw_from = _draw_later if is_ordered(task) else _draw_whole
        return draw_from(task, pool, test, near, far, rng, cut)
    labels = _labels(task, list(places), ways, rng)
    part = "test" if len(test) else "train"
    support, query = [], []
    for label in labels:
        theirs = tested.get(label, torch.empty(0, dtype=torch.int64)) if len(test) else None
        own_size, others_size = len(places[label]), None if theirs is None else len(theirs)
        near, far = _divide(task, shots, queries, own_size, others_size, rng)
        own = _permute(places[label], rng)
        others = None if theirs is None else _permute(theirs, rng)
        left = len(own) - near if others is None else len(others)
        _check_enough(task, label, len(own), left, near, far, bool(len(test)))
        may = part_of(cut, places[label] if theirs is None else theirs, str(label))
        mine, asked = divided(own, others, near, far, may)
        support.append(mine)
        query.append(asked)
    relabel = None if ways is None or labels == list(range(ways)) else labels
    query_index = torch.cat(query)
    if cut is not None and cut.in_order:
        query_index = query_index.sort().values
    episode = Episode(
        _take(pool, torch.cat(support), relabel),
        _take(test if len(test) else pool, query_index, relabel),
    )
    return Draw(task, episode, part, query_index)


def _draw_whole(
    task: Finite,
    pool: Held,
    test: Held,
    shots: int,
    queries: int,
    rng: np.random.Generator,
    cut: Cut | None = None,
) -> Draw:
    order = torch.from_numpy(rng.permutation(len(pool)))
    others = torch.from_numpy(rng.permutation(len(test))) if len(test) else None
    _check_whole(task, len(pool), len(test), shots, queries)
    source = test if len(test) else pool
    may = part_of(cut, torch.arange(len(source)))
    support, query_index = divided(order, others, shots, queries, may)
    episode = Episode(_take(pool, support, None), _take(source, query_index, None))
    return Draw(task, episode, "test" if len(test) else "train", query_index)


def _draw_later(
    task: Finite,
    pool: Held,
    test: Held,
    shots: int,
    queries: int,
    rng: np.random.Generator,
    cut: Cut | None = None,
) -> Draw:
    _check_whole(task, len(pool), len(test), shots, queries)
    support, query_index = following(shots, queries, len(pool), len(test), cut, rng)
    source, part = (test, "test") if len(test) else (pool, "train")
    episode = Episode(_take(pool, support, None), _take(source, query_index, None))
    return Draw(task, episode, part, query_index)


def _divide(
    task: Finite | ClassTask,
    shots: Amounts,
    queries: Amounts,
    train: int,
    test: int | None,
    rng: np.random.Generator,
) -> tuple[int, int]:
    found = sides(shots, queries, train, test, rng)
    if found is None:
        raise TlmlError(
            f"task {task.name}: shots and queries are both to be all of its examples, and it has "
            "no test part that queries could be from; take a number or a share for one of them"
        )
    return found


def _labels(
    task: Finite, labels: list[int], ways: int | None, rng: np.random.Generator
) -> list[int]:
    if not labels and ways is None:
        raise TlmlError(f"task {task.name}: it has no examples to train on")
    if ways is None or labels == list(range(ways)):
        return labels
    if not 2 <= ways <= len(labels):
        raise TlmlError(
            f"ways: {ways} does not fit task {task.name}: it has {len(labels)} classes, "
            "and at least 2 are needed"
        )
    return [labels[i] for i in rng.permutation(len(labels))[:ways]]


def _permute(places: Tensor, rng: np.random.Generator) -> Tensor:
    return places[torch.from_numpy(rng.permutation(len(places)))]


def _check_whole(task: Finite, train: int, test: int, shots: int, queries: int) -> None:
    if train < shots or (test or train - shots) < queries:
        has = f"{train} to train on, {test} to test on" if test else f"{train}"
        raise TlmlError(
            f"task {task.name}: {shots} shots and {queries} queries are more examples than it has: "
            f"{has}"
        )


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
