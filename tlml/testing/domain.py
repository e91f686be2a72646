"""Is a domain what its spec says, and are its draws functions of the generator alone?"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box, Discrete, MultiBinary, MultiDiscrete
from torch import Tensor

from tlml.data.checks import check_finite
from tlml.data.domains import POOL_WAYS, ClassPool, Domain
from tlml.data.episodes import draw_episode, draw_task
from tlml.data.spaces import outputs
from tlml.data.tasks import MDP, SPLITS, Batch, Finite, Split, Task, examples
from tlml.metrics.tasks import measure_predictions
from tlml.spec import VIEWS, Spec
from tlml.testing.domain_splits import check_splits
from tlml.testing.domain_views import check_view
from tlml.testing.failure import CheckFailed, doing, require
from tlml.testing.randomness import global_state, without_global_draws
from tlml.testing.subject import Given, Subject, find_subject
from tlml.views.episode import EpisodeView

# What actions are, by the words of a spec.
_ACTIONS: dict[str, tuple[type, ...]] = {
    "discrete_actions": (Discrete,),
    "continuous_actions": (Box,),
    "multi_actions": (MultiBinary, MultiDiscrete),
}
_TARGETS = {"classification": "Discrete", "reconstruction": "Box", "regression": "Box"}


def check_domain(
    domain: Given,
    spec: Spec | None = None,
    *,
    options: Mapping[str, Any] | None = None,
    shared: float = 0.0,
) -> None:
    """Check that a domain gives what its spec says, and that its draws can be repeated.

    Args:
        domain: A registered name, a class path, a class or an object.
        spec: What it declares; that of the registered name where None.
        options: Of its constructor: small data makes a fast check.
        shared: Share of the examples of a split that may also be in another one, for data of few
            distinct values.

    Raises:
        CheckFailed: The first thing that is wrong, in one line.
    """
    subject = find_subject("domain", domain, spec, options)
    made = subject.make()
    ways = _check_spaces(subject, made)
    _check_words(subject, made)
    for split in _splits(subject, made):
        _check_draws(subject, split, ways)
    _check_pickles(subject, made, ways)
    _check_fingerprint(subject, made)
    for word in sorted(VIEWS.keys() & _gives(subject)):
        check_view(subject, made, word, ways)
    if made.metric is not None and subject.gives("episodes"):
        _check_metric(subject, made, ways)
    if subject.gives("reconstruction"):
        _check_reconstruction(subject, made)
    if subject.gives("env"):
        _check_world(subject, made)
    if subject.gives("finite"):
        check_splits(subject, made, ways, shared)


def _gives(subject: Subject) -> frozenset[str]:
    return subject.spec.gives if subject.spec else frozenset()


def _check_spaces(subject: Subject, domain: Domain[Any]) -> int | None:
    """Check both spaces of each split, and return the classes that an episode can have."""
    for split in SPLITS:
        with doing(f"{subject.label}: the spaces of split '{split}'", "set x and y"):
            x, y = domain.spaces(split)
        several = subject.gives("env") and isinstance(y, MultiBinary | MultiDiscrete)
        for name, space in (("x", x), *(() if several else [("y", y)])):
            require(
                isinstance(space, Box | Discrete),
                f"{subject.label}: {name} is {space}; it must be a gymnasium Box or Discrete",
            )
    if not isinstance(domain, ClassPool):
        return None
    return min(POOL_WAYS, *(len(domain.classes(split)) for split in SPLITS))


def _check_words(subject: Subject, domain: Domain[Any]) -> None:
    if subject.spec is None:
        return
    found = type(domain.spaces("source")[1]).__name__
    # One that gives several kinds of targets has them by its options.
    several = len({space for word, space in _TARGETS.items() if subject.gives(word)}) > 1
    for word, space in _TARGETS.items():
        require(
            not subject.gives(word) or found == space or (several and found in _TARGETS.values()),
            f"{subject.label}: spec gives '{word}' but y is a {found} space; "
            f"make it a {space} or drop '{word}' from gives",
        )
    require(
        not subject.spec.gives.isdisjoint(VIEWS),
        f"{subject.label}: spec gives none of {', '.join(sorted(VIEWS))}, so no learner can use "
        "it; say which views can be made of it",
    )
    targets = {*_TARGETS, "control", "triples"}
    require(
        not subject.spec.gives.isdisjoint(targets),
        f"{subject.label}: spec gives none of {', '.join(sorted(targets))}; say what its "
        "targets are",
    )


def _splits(subject: Subject, domain: Domain[Any]) -> tuple[Split, ...]:
    """Return the splits that must have tasks: pairs and streams need no validation tasks."""
    if type(domain).tasks is Domain.tasks or {"episodes", "env"} & _gives(subject):
        return SPLITS
    return tuple(split for split in SPLITS if split != "validation" or domain.tasks(split))


def _check_draws(subject: Subject, split: Split, ways: int | None) -> None:
    one, other = subject.make(), subject.make()
    keys = (0, 1, 2)
    with global_state(1), without_global_draws(f"{subject.label}: drawing from split '{split}'"):
        first = [_draw(subject, one, split, key, ways) for key in keys]
    with global_state(2):
        second = [_draw(subject, other, split, key, ways) for key in reversed(keys)][::-1]
    require(
        all(_equal(a, b) for a, b in zip(first, second, strict=True)),
        f"{subject.label}: two draws from split '{split}' with equal generators differ; draw() "
        "and sample() must be functions of the split and the rng that they are given only",
    )


def _check_pickles(subject: Subject, domain: Domain[Any], ways: int | None) -> None:
    mend = "loader processes need it: no lambdas, no open files, no local classes"
    with doing(f"{subject.label}: pickling it", mend):
        copied = pickle.loads(pickle.dumps(domain))
    expected = _draw(subject, domain, "source", 0, ways)
    require(
        _equal(_draw(subject, copied, "source", 0, ways), expected),
        f"{subject.label}: unpickled, it draws other tasks; let pickle keep its options",
    )
    task = draw_task(domain, "source", np.random.default_rng(0), ways)
    with doing(f"{subject.label}: pickling task '{task.name}'", mend):
        pickle.loads(pickle.dumps(task))


def _check_fingerprint(subject: Subject, domain: Domain[Any]) -> None:
    with doing(f"{subject.label}: fingerprint()"):
        found = domain.fingerprint(), subject.make().fingerprint()
    require(
        found[0] is None or isinstance(found[0], str),
        f"{subject.label}: fingerprint() gives {found[0]!r}; return text, or None",
    )
    require(
        found[0] == found[1],
        f"{subject.label}: two fingerprint() of the same data differ, so that suites would run it "
        "anew each time; return what the data alone decides",
    )


def _check_metric(subject: Subject, domain: Domain[Any], ways: int | None) -> None:
    view = EpisodeView(domain, ways=ways, shots=1, queries=1, episodes=1)
    query, y = view.dataset("target")[0].query, view.test_spaces.y
    shape = (len(query.y), outputs(y)) if isinstance(y, Discrete) else tuple(query.y.shape)
    scores = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    with doing(f"{subject.label}: measure()"):
        found = measure_predictions(domain, y, query, scores)
    for name, value in found.items():
        require(
            isinstance(value, Tensor) and value.ndim == 0 and bool(torch.isfinite(value)),
            f"{subject.label}: measure() gives as '{name}' {value}; return a finite scalar tensor",
        )


def _check_reconstruction(subject: Subject, domain: Domain[Any]) -> None:
    task = draw_task(domain, "target", np.random.default_rng(0), None)
    with doing(f"{subject.label}: drawing an episode of a target task"):
        query = draw_episode(task, 1, 1, np.random.default_rng(0)).query
    require(
        torch.equal(query.x, query.y),
        f"{subject.label}: spec gives 'reconstruction' but y is not x; make them equal or drop "
        "'reconstruction' from gives",
    )


def _check_world(subject: Subject, domain: Domain[Any]) -> None:
    """Check what a spec says of environments.

    One that gives several kinds of actions has them by its options: the rest is no promise there.
    """
    x, y = domain.spaces("source")
    words = [word for word in _ACTIONS if subject.gives(word)]
    require(
        not words or any(isinstance(y, _ACTIONS[word]) for word in words),
        f"{subject.label}: spec gives '{', '.join(words)}' but actions are {y}; say what they are",
    )
    if len(words) > 1:
        return
    require(
        not subject.gives("tabular") or (isinstance(x, Discrete) and isinstance(y, Discrete)),
        f"{subject.label}: spec gives 'tabular' but x is {x} and y {y}; make both Discrete or drop "
        "'tabular' from gives",
    )
    if subject.gives("model"):
        env = domain.draw("source", np.random.default_rng(0)).make(0)
        env.close()
        require(
            isinstance(getattr(env.unwrapped, "P", None), dict),
            f"{subject.label}: spec gives 'model' but an environment has no P[state][action], the "
            "list of what can come of it; write it or drop 'model' from gives",
        )


def _draw(
    subject: Subject, domain: Domain[Any], split: Split, key: int, ways: int | None
) -> list[Tensor]:
    """Draw a task by its key and return something of what it holds."""
    rng = np.random.default_rng(key)
    with doing(f"{subject.label}: drawing a task of split '{split}'"):
        task = draw_task(domain, split, rng, ways)
    whose = f"{subject.label}, split '{split}'"
    require(
        isinstance(getattr(task, "name", None), str),
        f"{whose}: a task is a {type(task).__name__} without a name; give it one, a text",
    )
    require(
        isinstance(task, MDP | Finite | Task),
        f"{whose}: task '{task.name}' has none of sample(), split(), make(); write one",
    )
    with doing(f"{whose}: task '{task.name}'"):
        found = _seen(task, rng, f"{whose}: task '{task.name}'")
    with doing(whose):
        if isinstance(found, Batch):
            check_finite(found, f"task '{task.name}'")
    return list(found)


def _seen(task: Any, rng: np.random.Generator, whose: str) -> Batch | list[Tensor]:
    if isinstance(task, MDP):
        return _walk(task.make(7))
    if isinstance(task, Finite):
        data = examples(task.split("train"))
        return Batch(data.x, data.y)
    found = task.sample(3, rng)
    if not isinstance(found, Batch):
        raise CheckFailed(f"{whose}: sample() gives a {type(found).__name__}; return a tlml.Batch")
    require(
        len(found.x) == len(found.y) == 3,
        f"{whose}: sample(3) gives {len(found.x)} inputs and {len(found.y)} targets; return n of "
        "each",
    )
    return found


def _walk(env: gymnasium.Env[Any, Any]) -> list[Tensor]:
    """Act a little, and return what was observed and earned."""
    env.action_space.seed(0)
    found = [env.reset(seed=7)[0]]
    for _ in range(3):
        observation, reward, ended, cut, _ = env.step(env.action_space.sample())
        found += [observation, reward]
        if ended or cut:
            break
    env.close()
    return [torch.as_tensor(np.asarray(value)) for value in found]


def _equal(a: list[Tensor], b: list[Tensor]) -> bool:
    return len(a) == len(b) and all(map(torch.equal, a, b))
