"""Any environment of gymnasium as a domain: one physics is a task."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from gymnasium.envs.registration import EnvSpec
from gymnasium.spaces import Box, Space

from tlml import Domain, TlmlError
from tlml.data import SPLITS, Split
from tlml.errors import check_choice, shorten
from tlml_rl.worlds.environment import EnvTask, Spaces, make_task, spaces_of
from tlml_rl.worlds.frames import FramedTask, Frames

Changes = Mapping[str, Any]
Listed = Sequence[Mapping[str, Any]] | None


class World(Domain[EnvTask]):
    """Tasks that are environments of one gymnasium id, each with changes of its own.

    A subclass calls `_set` when it is made, and says what targets there are where none are given;
    `translate` gives names of its own the meaning of gymnasium's.

    Attributes:
        own_names: Those names; an error tells them beside the environment's.
    """

    task_type: Callable[..., EnvTask] = EnvTask
    targets: ClassVar[Sequence[Changes]] = ({},)
    own_names: ClassVar[Sequence[str]] = ()

    def _set(
        self,
        id: str | EnvSpec,
        source: Listed,
        target: Listed,
        validation: Listed,
        **physics: Any,
    ) -> None:
        """Make each different task once, and take their spaces.

        Args:
            id: A gymnasium id, or a spec.
            source: What each source task changes; None: one that changes nothing.
            target: None: the class's targets.
            validation: None: the source's.
            physics: Values of all tasks; None leaves gymnasium's.

        Raises:
            TlmlError: A task can't be made, or has other spaces than the first.
        """
        known = {name: value for name, value in physics.items() if value is not None}
        source = [{}] if source is None else source
        given: dict[Split, Sequence[Changes]] = {
            "source": source,
            "validation": source if validation is None else validation,
            "target": self.targets if target is None else target,
        }
        self._tasks = {
            split: [self._task(id, {**known, **one}) for one in _checked(split, own)]
            for split, own in given.items()
        }
        first, *rest = _different(task for tasks in self._tasks.values() for task in tasks)
        self.x, self.y = spaces_of(first)
        for task in rest:
            _check_spaces(task, (self.x, self.y))

    def translate(self, changes: Changes) -> Changes:
        """Return what a task changes, in the names of gymnasium."""
        return changes

    def tasks(self, split: Split) -> Sequence[EnvTask]:
        """Return the tasks of a split."""
        check_choice("split", split, SPLITS)
        return self._tasks[split]

    def _task(self, id: str | EnvSpec, changes: Changes) -> EnvTask:
        return make_task(self.task_type, id, self.translate(changes), self.own_names)


class EnvFamily(World):
    """Any environment of gymnasium, with other keywords or attributes for each task.

    What the environment's constructor takes is given to it, and ``max_episode_steps``; any other
    name is an attribute of the unwrapped environment, set once, after making. Ids that a script has
    registered work.

    Args:
        id: A gymnasium id, such as ``CartPole-v1``, ``ALE/Pong-v5`` or ``my_module:MyEnv-v0``.
        source: What each source task changes, such as ``[{"gravity": 5.0}]``; one task that changes
            nothing where None.
        target: What each target task changes; one that changes nothing where None.
        validation: What each validation task changes; as `source` where None.
        frames: How many of the latest observations are seen at a time; None: the latest one.
        repeat: Steps for which an action is held, whose rewards are added.
        size: The side that images are brought to; None: as they come.
        grey: Whether images lose their colours. Where any of these four is given, images are
            ``[channels, height, width]`` as networks take them, and frames are channels, too.

    Raises:
        TlmlError: There is no such id or no such name, a package is missing, the tasks' spaces
            differ, or there are no images to change.
    """

    def __init__(
        self,
        id: str = "FrozenLake-v1",
        source: Sequence[Mapping[str, Any]] | None = None,
        target: Sequence[Mapping[str, Any]] | None = None,
        validation: Sequence[Mapping[str, Any]] | None = None,
        frames: int | None = None,
        repeat: int = 1,
        size: int | None = None,
        grey: bool = False,
    ) -> None:
        shown = Frames(frames, repeat, size, grey)
        if shown != Frames():
            self.task_type = functools.partial(FramedTask, frames=shown)
        self._set(id, source, target, validation)


def _checked(split: Split, given: Sequence[Changes]) -> Sequence[Changes]:
    if not isinstance(given, Sequence) or isinstance(given, str) or not given:
        raise TlmlError(
            f"{split}: must be a list with the changes of each task, such as "
            f'[{{"gravity": 5.0}}]; is {shorten(repr(given))}'
        )
    for one in given:
        if not isinstance(one, Mapping):
            raise TlmlError(
                f"{split}: the changes of a task are names with values, such as "
                f'{{"gravity": 5.0}}; one is {shorten(repr(one))}'
            )
    return given


def _different(tasks: Iterable[EnvTask]) -> list[EnvTask]:
    found: list[EnvTask] = []
    for task in tasks:
        if task not in found:  # they hold dicts, and can't be hashed
            found.append(task)
    return found


def _check_spaces(task: EnvTask, known: Spaces) -> None:
    for what, own, first in zip(("observations", "actions"), spaces_of(task), known, strict=True):
        if not _alike(own, first):
            raise TlmlError(
                f"{task.name}: its {what} are {own}, and those of the first source task {first}; "
                "all tasks of a domain share one space"
            )


def _alike(a: Space[Any], b: Space[Any]) -> bool:
    """Return whether two spaces hold the same kind of values; bounds don't matter."""
    if isinstance(a, Box) and isinstance(b, Box):
        return a.shape == b.shape
    return bool(a == b)
