"""Do the splits of a finite domain, the parts of its tasks, and its episodes share nothing?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from torch import Tensor

from tlml.data.domains import ClassPool, Domain
from tlml.data.episodes import draw_episode, draw_task
from tlml.data.tasks import SPLITS, Finite, Part, Split, examples
from tlml.testing.failure import doing, require
from tlml.testing.subject import Subject

_PARTS: tuple[Part, ...] = ("train", "val", "test")


def check_splits(subject: Subject, domain: Domain[Any], ways: int | None, shared: float) -> None:
    """Check that tasks and examples belong to one split, one part, and one side of an episode.

    Args:
        ways: Classes in an episode of a pool.
        shared: Share of examples that two splits may have in common.

    Raises:
        CheckFailed: Something is in two places.
    """
    tasks = {split: _tasks(subject, domain, split) for split in SPLITS}
    _check_names(subject, domain, tasks)
    if not isinstance(domain, ClassPool):
        for task in (task for found in tasks.values() for task in found):
            _check_parts(subject, task)
    found = {split: _held(domain, tasks[split], split) for split in SPLITS}
    for one, other in combinations(SPLITS, 2):
        both = len(found[one] & found[other])
        fewer = min(len(found[one]), len(found[other]))
        require(
            both <= shared * fewer,
            f"{subject.label}: {both} examples of split '{one}' are in split '{other}' too; divide "
            "the data by task (or call check_domain with shared=, for data of few values)",
        )
    for split in (split for split in SPLITS if tasks[split]):
        _check_episode(subject, domain, split, ways)


def _tasks(subject: Subject, domain: Domain[Any], split: Split) -> Sequence[Any]:
    whose = f"{subject.label}: spec gives 'finite' but"
    mend = "write it, or drop 'finite' from gives"
    require(
        type(domain).tasks is not Domain.tasks, f"{whose} tasks('{split}') is not there; {mend}"
    )
    with doing(f"{whose} tasks('{split}') fails"):
        tasks = domain.tasks(split)
    for task in tasks:
        require(
            isinstance(task, Finite),
            f"{whose} task '{getattr(task, 'name', task)}' has no split(); {mend}",
        )
    return tasks


def _check_names(subject: Subject, domain: Domain[Any], tasks: dict[Split, Sequence[Any]]) -> None:
    pool = isinstance(domain, ClassPool)
    homes: dict[str, Split] = {}
    for split, found in tasks.items():
        names = list(domain.classes(split)) if pool else [task.name for task in found]  # type: ignore[attr-defined]
        twice = [name for name, count in Counter(names).items() if count > 1]
        require(not twice, f"{subject.label}: two tasks of split '{split}' are called {twice[:1]}")
        for name in names:
            require(
                name not in homes,
                f"{subject.label}: {'class' if pool else 'task'} '{name}' is in split "
                f"'{homes.get(name)}' and in split '{split}'; put it in one",
            )
        homes |= dict.fromkeys(names, split)


def _check_parts(subject: Subject, task: Finite) -> None:
    with doing(f"{subject.label}: task '{task.name}': reading its parts"):
        parts = {part: examples(task.split(part)) for part in _PARTS}
    require(
        len(parts["train"]) > 0,
        f"{subject.label}: task '{task.name}' has no examples in part 'train'",
    )
    keys = {part: set(_keys(data.x, data.y)) for part, data in parts.items() if len(data)}
    for one, other in combinations(keys, 2):
        both = len(keys[one] & keys[other])
        require(
            both == 0,
            f"{subject.label}: task '{task.name}': {both} examples of part '{one}' are in part "
            f"'{other}' too; divide them",
        )


def _held(domain: Domain[Any], tasks: Sequence[Any], split: Split) -> set[int]:
    if isinstance(domain, ClassPool):
        return {key for samples in domain.classes(split).values() for key in _keys(samples)}
    found: set[int] = set()
    for task in tasks:
        for part in _PARTS:
            data = examples(task.split(part))
            found |= set(_keys(data.x, data.y)) if len(data) else set()
    return found


def _check_episode(subject: Subject, domain: Domain[Any], split: Split, ways: int | None) -> None:
    rng = np.random.default_rng(0)
    task = draw_task(domain, split, rng, ways)
    with doing(f"{subject.label}: drawing an episode of task '{task.name}'"):
        episode = draw_episode(task, 1, 1, rng, ways)
    pool = Counter(key for part in ("train", "test") for key in _keys(examples(task.split(part)).x))
    drawn = Counter(key for batch in episode for key in _keys(batch.x))
    require(
        drawn <= pool,
        f"{subject.label}: an example of task '{task.name}' is in support and query; split() must "
        "give the same examples in the same order each time",
    )


def _keys(*columns: Tensor) -> Iterable[int]:
    """Return a number for each example, equal where all its values are."""
    rows = zip(*(column.numpy() for column in columns), strict=True)
    return (hash(tuple(value.tobytes() for value in row)) for row in rows)
