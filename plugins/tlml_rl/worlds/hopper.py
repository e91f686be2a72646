"""One leg that hops (Erez, Tassa & Todorov 2011), of other masses and on other ground."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tlml_rl.worlds.bodies import BodyWorld


class Hopper(BodyWorld):
    """Gymnasium's ``Hopper-v5``, which is the source unless told otherwise.

    Options are of all tasks. A task may change them, and what else the environment takes, such as
    ``healthy_reward``. Needs MuJoCo: ``pip install tlml[rl]``.

    Args:
        mass: What all masses are multiplied by; 1 where None.
        gravity: What gravity is multiplied by; 1 where None.
        friction: What the ground's friction is multiplied by; 1 where None.
        source: What each source task changes; one task that changes nothing where None.
        target: What each target task changes; half as heavy again, and less gravity, where None.
        validation: What each validation task changes; as `source` where None.

    Raises:
        TlmlError: The environment has no such name, a scale is not positive, or MuJoCo is missing.
    """

    targets = ({"mass": 1.5}, {"gravity": 0.6})

    def __init__(
        self,
        mass: float | None = None,
        gravity: float | None = None,
        friction: float | None = None,
        source: Sequence[Mapping[str, Any]] | None = None,
        target: Sequence[Mapping[str, Any]] | None = None,
        validation: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        self._set(
            "Hopper-v5", source, target, validation, mass=mass, gravity=gravity, friction=friction
        )  # fmt: skip
