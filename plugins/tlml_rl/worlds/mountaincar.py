"""A car too weak for its hill (Moore 1990), pushed by steps or by any force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tlml.errors import check_positive
from tlml_rl.worlds.family import Changes, World


class Mountaincar(World):
    """Gymnasium's ``MountainCar-v0``, or ``MountainCarContinuous-v0``; unchanged as a source.

    Options are of all tasks. A task may change `force`, `goal`, and what else the environment has,
    such as ``gravity`` (of ``MountainCar-v0`` alone).

    Args:
        continuous: Whether an action is any force from -1 to 1, instead of left, none or right.
        force: How strong a push is; 0.001, or 0.0015 where continuous, where None.
        goal: The place to reach; 0.5, or 0.45 where continuous, where None.
        source: What each source task changes; one task that changes nothing where None.
        target: What each target task changes; a weaker car where None.
        validation: What each validation task changes; as `source` where None.

    Raises:
        TlmlError: The environment has no such name, or a force is not positive.
    """

    def __init__(
        self,
        continuous: bool = False,
        force: float | None = None,
        goal: float | None = None,
        source: Sequence[Mapping[str, Any]] | None = None,
        target: Sequence[Mapping[str, Any]] | None = None,
        validation: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        self.continuous = continuous
        weaker = [{"force": 0.0011 if continuous else 0.0008}]
        self._set(
            "MountainCarContinuous-v0" if continuous else "MountainCar-v0",
            source, weaker if target is None else target, validation, force=force, goal=goal,
        )  # fmt: skip

    def translate(self, changes: Changes) -> Changes:
        """Return the changes by the names of gymnasium."""
        names = {"goal": "goal_position", "force": "power" if self.continuous else "force"}
        check_positive(force=changes.get("force"))
        return {names.get(name, name): value for name, value in changes.items()}
