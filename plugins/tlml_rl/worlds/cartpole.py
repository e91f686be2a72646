"""A pole on a cart, of other masses and lengths (Barto, Sutton & Anderson 1983)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tlml.errors import check_positive
from tlml_rl.worlds.family import Changes, World

_POSITIVE = ("length", "masscart", "masspole", "force_mag", "tau")


class Cartpole(World):
    """Gymnasium's ``CartPole-v1``, which is the source unless told otherwise.

    Options are of all tasks. A task may change them, and what else the environment has, such as
    ``tau``, the seconds between two steps. Constants that follow from masses and length do so.

    Args:
        gravity: In m/s²; 9.8 where None.
        length: Half the pole's length in m; 0.5 where None.
        masscart: The cart's mass in kg; 1 where None.
        masspole: The pole's mass in kg; 0.1 where None.
        force_mag: The force of a push in N; 10 where None.
        source: What each source task changes; one task that changes nothing where None.
        target: What each target task changes; a weak push, and a long pole, where None.
        validation: What each validation task changes; as `source` where None.

    Raises:
        TlmlError: The environment has no such name, or a value is not positive.
    """

    targets = ({"force_mag": 3.0}, {"length": 1.5})

    def __init__(
        self,
        gravity: float | None = None,
        length: float | None = None,
        masscart: float | None = None,
        masspole: float | None = None,
        force_mag: float | None = None,
        source: Sequence[Mapping[str, Any]] | None = None,
        target: Sequence[Mapping[str, Any]] | None = None,
        validation: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        self._set(
            "CartPole-v1", source, target, validation, gravity=gravity, length=length,
            masscart=masscart, masspole=masspole, force_mag=force_mag,
        )  # fmt: skip

    def translate(self, changes: Changes) -> Changes:
        """Return the changes, having checked those that must be positive."""
        check_positive(**{name: changes[name] for name in _POSITIVE if name in changes})
        return changes
