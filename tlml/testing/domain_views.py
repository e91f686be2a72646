"""Does each view that a domain's spec gives draw what the spaces say?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete, Space
from torch import Tensor

from tlml.data.checks import check_finite
from tlml.data.domains import POOL_WAYS, ClassPool, Domain
from tlml.data.spaces import same_space
from tlml.data.tasks import MDP, SPLITS, Batch, Episode, Finite, Pair, Step, Task
from tlml.testing.failure import CheckFailed, doing, require
from tlml.testing.subject import Subject
from tlml.views.env import EnvView
from tlml.views.episode import EpisodeView
from tlml.views.pair import PairView
from tlml.views.stream import StreamView

_ROUNDING = 1e-5


def check_view(subject: Subject, domain: Domain[Any], word: str, ways: int | None) -> None:
    """Check one of `VIEWS` that the spec of a domain gives.

    Raises:
        CheckFailed: The view can't be made, or what it draws does not fit the spaces.
    """
    whose = f"{subject.label}: spec gives '{word}' but"
    mend = f"or drop '{word}' from gives"
    checks: dict[str, Callable[[str, Domain[Any], int | None], None]] = {
        "env": _check_env,
        "episodes": _check_episodes,
        "pair": _check_pair,
        "stream": _check_stream,
    }
    _check_tasks(whose, mend, domain, word)
    with doing(f"{whose} its view fails", f"mend it {mend}"):
        checks[word](whose, domain, ways)


def _check_tasks(whose: str, mend: str, domain: Domain[Any], word: str) -> None:
    endless = type(domain).tasks is Domain.tasks
    require(
        word != "stream" or not endless,
        f"{whose} tasks('source') is not there; write tasks() {mend}",
    )
    task = domain.draw("source", np.random.default_rng(0))
    require(
        word != "pair" or not endless or isinstance(task, Task),
        f"{whose} tasks('source') is not there, and its tasks have no sample(); write one of them "
        f"{mend}",
    )
    kinds = {"env": (MDP, "make()"), "stream": (Finite, "split()")}
    wanted, method = kinds.get(word, (object, ""))
    require(isinstance(task, wanted), f"{whose} its tasks have no {method}; write {method} {mend}")


def _check_episodes(whose: str, domain: Domain[Any], ways: int | None) -> None:
    view = EpisodeView(domain, ways=ways, shots=1, queries=1, tasks_per_batch=2, episodes=2)
    for split in SPLITS:
        episode = view.dataset(split)[0]
        spaces = view.test_spaces if split == "target" else view.spaces
        for part, batch in zip(episode._fields, episode, strict=True):
            _check_batch(f"{whose} the {part} of a {split} task", batch, spaces.x, spaces.y)
    episodes: Episode = next(iter(view.train_dataloader()))
    require(len(episodes.support.x) == 2, f"{whose} episodes don't stack; give all tasks one shape")


def _check_pair(whose: str, domain: Domain[Any], ways: int | None) -> None:
    view = PairView(
        domain, batch_size=4, shots=1, queries=1, unlabelled=True, samples=16, ways=ways
    )
    view.setup("fit")
    pair: Pair = next(iter(view.train_dataloader()))
    x, y = domain.spaces("target")
    if isinstance(domain, ClassPool):
        y = Discrete(len(view.drawn().task.classes))
    _check_batch(f"{whose} the source", pair.source, view.spaces.x, view.spaces.y)
    _check_batch(f"{whose} the target", pair.target, x, y)
    _check_values(f"{whose} x of the unlabelled target", pair.unlabelled, x)
    for loader in (view.val_dataloader(), view.test_dataloader()):
        next(iter(loader))


def _check_stream(whose: str, domain: Domain[Any], ways: int | None) -> None:
    view = StreamView(domain, batch_size=2, ways=ways or POOL_WAYS)
    view.setup("fit")
    step: Step = next(iter(view.train_dataloader()))
    _check_batch(f"{whose} the first task", step.batch, view.spaces.x, view.spaces.y)
    require(bool((step.task == 0).all()), f"{whose} its first batch is not of task 0")


def _check_env(whose: str, domain: Domain[Any], ways: int | None) -> None:
    view = EnvView(domain, envs=2, tasks=2, test_tasks=2)
    for split in SPLITS:
        x, y = domain.spaces(split)
        envs = view.dataset(split)[0].make()
        envs.action_space.seed(0)
        pairs = {"x": (envs.single_observation_space, x), "y": (envs.single_action_space, y)}
        for name, (found, wanted) in pairs.items():
            require(
                same_space(found, wanted),
                f"{whose} an environment of split '{split}' has the space {found}, and {name} is "
                f"{wanted}; make them equal",
            )
        observed = envs.step(envs.action_space.sample())[0]
        _check_values(f"{whose} an observation", torch.as_tensor(observed), x)
        envs.close()


def _check_batch(what: str, batch: object, x: Space[Any], y: Space[Any]) -> None:
    if not isinstance(batch, Batch):
        raise CheckFailed(f"{what} is a {type(batch).__name__}; return tlml.Batch(x, y)")
    require(
        len(batch.x) == len(batch.y) > 0,
        f"{what} has {len(batch.x)} inputs and {len(batch.y)} targets; give one for each",
    )
    check_finite(batch, what)
    _check_values(f"{what}: x", batch.x, x)
    _check_values(f"{what}: y", batch.y, y)


def _check_values(what: str, values: Tensor, space: Space[Any]) -> None:
    if isinstance(space, Discrete):
        _check_classes(what, values, int(space.n))
        return
    assert isinstance(space, Box)
    shape, dtype = tuple(values.shape[1:]), str(values.dtype).removeprefix("torch.")
    require(
        shape == space.shape,
        f"{what} has the shape {list(shape)}, its space {list(space.shape)}",
    )
    require(
        dtype == str(space.dtype),
        f"{what} is {dtype}, its space {space.dtype}; make them equal",
    )
    low, high = (torch.as_tensor(bound) for bound in (space.low, space.high))
    room = _ROUNDING * torch.clamp(values.abs(), min=1.0)
    inside = bool(((values >= low - room) & (values <= high + room)).all())
    require(
        inside,
        f"{what} goes from {values.min():g} to {values.max():g}, beyond its space "
        f"({space.low.min():g} to {space.high.max():g}); widen the space or mend the values",
    )


def _check_classes(what: str, values: Tensor, classes: int) -> None:
    require(
        values.dtype == torch.int64 and values.ndim == 1,
        f"{what} is {values.dtype} of shape {list(values.shape)}; classes are int64 [n]",
    )
    found = f"{int(values.min())} to {int(values.max())}" if len(values) else "none"
    require(
        bool(((values >= 0) & (values < classes)).all()),
        f"{what} has classes {found}, its space 0 to {classes - 1}",
    )
