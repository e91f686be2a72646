"""Environments that live on from rollout to rollout, side by side, and how they are left."""

from __future__ import annotations

import functools
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import gymnasium
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray
from torch import Tensor

from tlml.data.env_places import EnvPlace, Running, SeededEpisodes, remembers
from tlml.data.env_row import EnvRow
from tlml.data.rollouts import Rollout
from tlml.errors import TlmlError

Vectorization = Literal["sync", "async", "native"]
VECTORIZATIONS = ("sync", "async", "native")
_UNTIL_KNOWN = 0.5  # seconds until how a process ended is known


class Finished(NamedTuple):
    """An episode that ended: the sum of its rewards, and its steps."""

    total: float
    length: int


class EnvStream:
    """Environments of several places, stepped together.

    Args:
        places: Where each environment is.
        vectorization: One after the other in this process (``sync``), each in a process of its own
            (``async``), or by arithmetic over all of them that the task brings (``native``).
        left: What `state` told when it was left; where an environment does not come back to what
            was seen last, its next episode begins, and `restarted` tells so.

    Attributes:
        envs: The vectorised environments.
        observations: What is seen now ``[N, ...]``.
        infos: What the environments told beside, as gymnasium joins it.
        mode: When an environment is reset whose episode ended.
        restarted: The numbers of environments that did not come back.
    """

    def __init__(
        self,
        places: Sequence[EnvPlace],
        vectorization: Vectorization = "sync",
        left: dict[str, Tensor] | None = None,
    ) -> None:
        self.places, self.vectorization = list(places), vectorization
        self.native = vectorization == "native"
        number = len(self.places)
        self._episodes = np.zeros(number, np.int64)
        self._totals, self._lengths = np.zeros(number), np.zeros(number, np.int64)
        self._pending = np.zeros(number, bool)  # whose episode ended at the last step
        self._actions: list[list[NDArray[Any]]] = [[] for _ in self.places]
        self.restarted: list[int] = []
        self._stepping = False  # true also after a step that failed
        if left is not None:
            self._take(left)
        self._open()
        if left is not None:
            self._come_back(left["observations"].numpy())

    def __len__(self) -> int:
        return len(self.places)

    def step(
        self, actions: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any] | None]:
        """Step all environments, as a `Rollout` keeps it.

        Returns:
            Observations, rewards, what terminated and what was truncated, and what followed where
            that is something else than the observations.

        Raises:
            TlmlError: A step failed, or the process of an environment ended.
        """
        with self._waiting():
            seen, rewards, terminated, truncated, self.infos = self.envs.step(actions)
        followed = None
        if self.mode is not AutoresetMode.NEXT_STEP and (terminated | truncated).any():
            seen, followed = self._reset_at_once(seen, terminated | truncated)
        self.observations = seen
        return seen, rewards, terminated, truncated, followed

    def allowed(self) -> NDArray[np.bool_] | None:
        """Return which actions may be chosen now ``[N, ...]``; None where environments tell none.

        It is what they give as ``action_mask`` beside observations.
        """
        told = self.infos.get("action_mask")
        if told is None:
            return None
        masks = np.asarray(told, bool)
        masks[~self.infos["_action_mask"]] = True  # of those that told nothing
        return masks

    def valid(self, over: NDArray[Any]) -> NDArray[Any]:
        """Return which steps ``[T, N]`` acted, by which of them ended an episode."""
        if self.mode is not AutoresetMode.NEXT_STEP:
            return np.ones_like(over)
        return ~np.concatenate([self._pending[None], over[:-1]])

    def follow(
        self, actions: NDArray[Any], rewards: NDArray[Any], over: NDArray[Any],
        valid: NDArray[Any],
    ) -> list[Finished]:  # fmt: skip
        """Take in what was done ``[T, N]`` since the last time; return the episodes that ended."""
        finished = []
        ends: list[list[int]] = [[] for _ in self.places]
        for t, n in zip(*(found.tolist() for found in np.nonzero(over)), strict=True):
            ends[n].append(t + 1)
        for n, own in enumerate(ends):
            start = 0
            for end in own:
                self._go_on(n, actions[start:end, n], rewards[start:end, n], valid[start:end, n])
                self._pending[n] = True
                finished.append(Finished(float(self._totals[n]), int(self._lengths[n])))
                start = end
            self._go_on(n, actions[start:, n], rewards[start:, n], valid[start:, n])
        self._seen = np.array(self.observations)
        return finished

    def state(self) -> dict[str, Tensor]:
        """Return where the environments were when `follow` was last told, as tensors.

        So it fits what has been learned, also where a rollout is cut. Each has N entries.
        The actions of the running episodes stand one after the other, ``counts`` of them each.
        """
        running = [np.concatenate(own) if own else None for own in self._actions]
        known = [own for own in running if own is not None]
        return {
            "numbers": torch.tensor([place.number for place in self.places]),
            "episodes": torch.from_numpy(self._episodes.copy()),
            "totals": torch.from_numpy(self._totals.copy()),
            "lengths": torch.from_numpy(self._lengths.copy()),
            "pending": torch.from_numpy(self._pending.copy()),
            "observations": torch.from_numpy(self._seen.copy()),
            "counts": torch.tensor([0 if own is None else len(own) for own in running]),
            "actions": torch.from_numpy(np.concatenate(known)) if known else torch.zeros(0),
        }

    def close(self) -> None:
        """Close the environments, and the processes that they have."""
        try:
            # One that failed leaves the others in the middle of a step, for which gymnasium waits.
            if not (self._stepping and self.vectorization == "async"):
                return self.envs.close()
        except (EOFError, ConnectionError):
            pass  # a process had ended by itself
        assert isinstance(self.envs, gymnasium.vector.AsyncVectorEnv)
        for process in self.envs.processes:
            process.kill()
            process.join()
        self.envs.closed = True

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        """Wait for the environments; one whose process is gone is named."""
        self._stepping = True
        try:
            yield
        except (EOFError, ConnectionError) as error:
            processes = getattr(self.envs, "processes", [])
            for place, process in zip(self.places, processes, strict=False):
                process.join(_UNTIL_KNOWN)
                if process.exitcode is not None:
                    raise TlmlError(f"{place}: its process {_end_of(process.exitcode)}") from error
            raise
        self._stepping = False

    def _open(self) -> None:
        self.envs = vectorized(self.places, self.vectorization, self._running())
        told = self.envs.metadata.get("autoreset_mode", AutoresetMode.NEXT_STEP)
        self.mode = AutoresetMode(told)
        seed = self.places[0].seed_of(int(self._episodes[0])) if self.native else None
        with self._waiting():
            self.observations, self.infos = self.envs.reset(seed=seed)
        self._seen = np.array(self.observations)

    def _reset_at_once(
        self, seen: NDArray[Any], over: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return what is seen after a reset within the step, and what the step led to."""
        followed = np.array(seen)
        if self.mode is AutoresetMode.SAME_STEP:
            for n in np.flatnonzero(over):
                followed[n] = self.infos["final_obs"][n]
            return seen, followed
        begun, infos = self.envs.reset(options={"reset_mask": over})
        if "action_mask" in infos and "action_mask" in self.infos:
            self.infos["action_mask"][over] = infos["action_mask"][over]
        return begun, followed

    def _running(self) -> list[Running | None]:
        found: list[Running | None] = []
        for n, actions in enumerate(self._actions):
            began = bool(actions) or self._episodes[n] > 0
            done = np.concatenate(actions) if actions else np.zeros(0)
            found.append(Running(int(self._episodes[n]), done) if began else None)
        return found

    def _go_on(
        self, n: int, actions: NDArray[Any], rewards: NDArray[Any], valid: NDArray[Any]
    ) -> None:
        """Take in steps of one environment, of one episode at most."""
        if not len(actions):
            return
        if self._pending[n]:
            self._begin(n)
            actions = actions[valid]  # without the step that only reset it
        if len(actions) and not self.native:
            self._actions[n].append(np.array(actions))
        self._totals[n] += rewards.sum()
        self._lengths[n] += len(actions)

    def _begin(self, n: int) -> None:
        self._episodes[n] += 1
        self._totals[n], self._lengths[n], self._pending[n] = 0.0, 0, False
        self._actions[n] = []

    def _take(self, left: dict[str, Tensor]) -> None:
        """Take the counts and the actions of where environments were left."""
        self._episodes = left["episodes"].numpy().copy()
        self._totals, self._lengths = left["totals"].numpy().copy(), left["lengths"].numpy().copy()
        self._pending = left["pending"].numpy().copy()
        ends = left["counts"].cumsum(0).tolist()
        for n, (end, count) in enumerate(zip(ends, left["counts"].tolist(), strict=True)):
            self._actions[n] = [left["actions"][end - count : end].numpy().copy()] if count else []

    def _come_back(self, seen: NDArray[Any]) -> None:
        """Begin the next episode of each environment that is not where it was left."""
        now = np.asarray(self.observations)
        lost = [n for n in range(len(self)) if not np.array_equal(now[n], seen[n], equal_nan=True)]
        if self.native:
            lost = list(range(len(self)))
        if not lost:
            return
        for n in lost:
            self._begin(n)
            self.restarted.append(self.places[n].number)
        if not self.native:
            self.close()
            self._open()


def vectorized(
    places: Sequence[EnvPlace], how: Vectorization, running: Sequence[Running | None] = ()
) -> VectorEnv[Any, Any, Any]:
    """Make the environments of places, as one; those made one by one seed each episode.

    Raises:
        TlmlError: They differ in their spaces, or the task brings no arithmetic of its own.
    """
    if how == "native":
        return _native(places)
    found = {index: remembers(place) for index, place in {p.index: p for p in places}.items()}
    return begun(places, how, running or [None] * len(places), found)


def begun(
    places: Sequence[EnvPlace],
    how: Vectorization,
    running: Sequence[Running | None],
    anew: Mapping[int, bool] = MappingProxyType({}),
) -> VectorEnv[Any, Any, Any]:
    """Make the environments of places, as one, within some episodes.

    Args:
        places: Where.
        how: As of `EnvStream`.
        running: The episode of each.
        anew: By tasks' numbers, whether an environment of its own is needed for each episode.

    Raises:
        TlmlError: They differ in their spaces, or the task brings no arithmetic of its own.
    """
    if how == "native":
        return _native(places)
    made: list[Callable[[], SeededEpisodes]] = [
        functools.partial(SeededEpisodes, place, episode, anew.get(place.index, False))
        for place, episode in zip(places, running, strict=True)
    ]
    try:
        if how == "sync":
            return EnvRow(made)
        apart = [functools.partial(_made_apart, os.getpid(), make) for make in made]
        return gymnasium.vector.AsyncVectorEnv(apart, autoreset_mode=AutoresetMode.NEXT_STEP)
    except (RuntimeError, TlmlError) as error:
        if "space" not in str(error):
            raise
        names = ", ".join(dict.fromkeys(place.task.name for place in places))
        raise TlmlError(f"environments of {names} differ in their spaces: {error}") from error


def _end_of(status: int) -> str:
    """Tell how a process ended, by its exit status."""
    if status >= 0:
        return f"ended with status {status}"
    out_of_memory = "; systems do so where memory runs out" if status == -9 else ""
    return f"was ended by signal {-status}{out_of_memory}"


def _made_apart(owner: int, make: Callable[[], SeededEpisodes]) -> SeededEpisodes:
    """Make an environment in a process of its own.

    Ctrl-C in a terminal reaches all processes of a command, and its owner still steps. What its
    owner does at SIGTERM, a forked one does not.
    """
    if os.getpid() != owner:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    return make()


def _native(places: Sequence[EnvPlace]) -> VectorEnv[Any, Any, Any]:
    """Make environments that a task steps by arithmetic; of several tasks where it can."""
    task, seed = places[0].task, places[0].seed_of(0)
    tasks = {(place.split, place.index): place.task for place in places}
    make, make_of = getattr(task, "make_vec", None), getattr(task, "make_vec_of", None)
    if make is None:
        raise TlmlError(
            f"vectorization: task {task.name} brings no make_vec(number, seed); take 'sync'"
        )
    if len(tasks) == 1:
        one: VectorEnv[Any, Any, Any] = make(len(places), seed)
        return one
    if make_of is None:
        names = ", ".join(each.name for each in tasks.values())
        raise TlmlError(
            f"vectorization: 'native' steps environments of one task, here are {names}, which "
            "bring no make_vec_of(tasks, seed); take 'sync'"
        )
    several: VectorEnv[Any, Any, Any] = make_of([place.task for place in places], seed)
    return several


def as_rollout(
    observations: NDArray[Any], actions: NDArray[Any], rewards: NDArray[Any],
    terminated: NDArray[Any], truncated: NDArray[Any], valid: NDArray[Any],
    successors: NDArray[Any] | None, allowed: NDArray[np.bool_] | None,
) -> Rollout:  # fmt: skip
    """Return arrays as a `Rollout`, which shares their memory."""
    told = (observations, actions, rewards, terminated, truncated, valid, successors, allowed)
    return Rollout(*(None if one is None else torch.from_numpy(one) for one in told))  # type: ignore[arg-type]


def joined_states(states: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Return the states of all processes as one."""
    return {name: torch.cat([one[name] for one in states]) for name in states[0]}


def state_at(left: dict[str, Tensor], places: Sequence[EnvPlace]) -> dict[str, Tensor] | None:
    """Return what is told of these places; None where one of them is not among them."""
    row = {int(number): i for i, number in enumerate(left["numbers"])}
    if any(place.number not in row for place in places):
        return None
    rows = [row[place.number] for place in places]
    ends = left["counts"].cumsum(0)
    actions = [left["actions"][ends[i] - left["counts"][i] : ends[i]] for i in rows]
    found = {name: values[rows] for name, values in left.items() if name != "actions"}
    return {**found, "actions": torch.cat(actions)}
