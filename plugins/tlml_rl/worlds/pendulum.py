"""A pendulum that is swung up and held, under other gravity and of other masses and lengths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tlml.errors import OptionError, check_positive
from tlml_rl.worlds.family import Changes, World

# Options, and the attributes of gymnasium that they set.
_NAMES = {"gravity": "g", "mass": "m", "length": "l", "torque": "max_torque"}
_MOST = 2.0  # Nm


class Pendulum(World):
    """Gymnasium's ``Pendulum-v1``, which is the source unless told otherwise.

    Options are of all tasks. A task may change them, and what else the environment has, such as
    ``max_speed``.

    Args:
        gravity: In m/s²; 10 where None.
        mass: In kg; 1 where None.
        length: In m; 1 where None.
        torque: The most that is applied, in Nm; 2 where None, which is the most. Actions are from
            −2 to 2 all the same, so that tasks have equal spaces: what is beyond is cut.
        source: What each source task changes; one task that changes nothing where None.
        target: What each target task changes; a heavier pendulum, and a longer one, where None.
        validation: What each validation task changes; as `source` where None.

    Raises:
        TlmlError: The environment has no such name, or a value is not positive or, as a torque,
            above 2.
    """

    targets = ({"mass": 1.5}, {"length": 1.3})

    def __init__(
        self,
        gravity: float | None = None,
        mass: float | None = None,
        length: float | None = None,
        torque: float | None = None,
        source: Sequence[Mapping[str, Any]] | None = None,
        target: Sequence[Mapping[str, Any]] | None = None,
        validation: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        self._set(
            "Pendulum-v1", source, target, validation, gravity=gravity, mass=mass, length=length,
            torque=torque,
        )  # fmt: skip

    def translate(self, changes: Changes) -> Changes:
        """Return the changes by the names of gymnasium."""
        if changes.get("torque", 0) > _MOST:
            raise OptionError(f"torque: must be at most {_MOST}, is {changes['torque']}")
        check_positive(**{name: value for name, value in changes.items() if name in _NAMES})
        return {_NAMES.get(name, name): value for name, value in changes.items()}
