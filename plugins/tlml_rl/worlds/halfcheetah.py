"""A cheetah that runs in a plane (Wawrzyński 2009), of other masses or to other aims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tlml.errors import check_choice
from tlml_rl.worlds.bodies import BodyWorld
from tlml_rl.worlds.family import Changes

_DIRECTIONS = ("forward", "backward")


class Halfcheetah(BodyWorld):
    """Gymnasium's ``HalfCheetah-v5``, which is the source unless told otherwise.

    Options are of all tasks. A task may change them, and what else the environment takes, such as
    ``ctrl_cost_weight``. Needs MuJoCo: ``pip install tlml[rl]``.

    Args:
        direction: ``forward``, or ``backward``, where running backwards is what is rewarded.
        velocity: The speed to run at in m/s, below 0 backwards, whose difference to the cheetah's
            is its cost (Finn et al. 2017); None: the faster the better.
        mass: What all masses are multiplied by; 1 where None.
        gravity: What gravity is multiplied by; 1 where None.
        friction: What the ground's friction is multiplied by; 1 where None.
        source: What each source task changes; one task that changes nothing where None.
        target: What each target task changes; half of the mass, and twice of it, where None.
        validation: What each validation task changes; as `source` where None.

    Raises:
        TlmlError: The environment has no such name, a scale is not positive, or MuJoCo is missing.
    """

    targets = ({"mass": 0.5}, {"mass": 2.0})
    own_names = (*BodyWorld.own_names, "direction")

    def __init__(
        self,
        direction: str = "forward",
        velocity: float | None = None,
        mass: float | None = None,
        gravity: float | None = None,
        friction: float | None = None,
        source: Sequence[Mapping[str, Any]] | None = None,
        target: Sequence[Mapping[str, Any]] | None = None,
        validation: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        self._set(
            "HalfCheetah-v5", source, target, validation, velocity=velocity, mass=mass,
            gravity=gravity, friction=friction,
            direction=None if direction == "forward" else direction,
        )  # fmt: skip

    def translate(self, changes: Changes) -> Changes:
        """Return the changes by the names of gymnasium."""
        direction = changes.get("direction", "forward")
        check_choice("direction", direction, _DIRECTIONS)
        rest = {name: value for name, value in changes.items() if name != "direction"}
        return rest if direction == "forward" else {"forward_reward_weight": -1.0, **rest}
