"""A lander under other gravity, and in wind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tlml.errors import OptionError, check_not_negative
from tlml_rl.worlds.family import Changes, World


class Lunarlander(World):
    """Gymnasium's ``LunarLander-v3``, which is the source unless told otherwise.

    Options are of all tasks. A task may change `gravity`, `wind`, `turbulence`, and what else the
    environment has. Needs Box2D: ``pip install tlml[rl]``.

    Args:
        continuous: Whether actions are the power of both engines, instead of which one fires.
        gravity: Above -12 and below 0; -10 where None.
        wind: The greatest power of the wind, such as 15; none where None or 0.
        turbulence: The greatest power that turns the lander where there is wind; 1.5 where None.
        source: What each source task changes; one task that changes nothing where None.
        target: What each target task changes; low gravity, and wind, where None.
        validation: What each validation task changes; as `source` where None.

    Raises:
        TlmlError: The environment has no such name, a value is out of range, or Box2D is missing.
    """

    targets = ({"gravity": -6.0}, {"wind": 15.0})

    def __init__(
        self,
        continuous: bool = False,
        gravity: float | None = None,
        wind: float | None = None,
        turbulence: float | None = None,
        source: Sequence[Mapping[str, Any]] | None = None,
        target: Sequence[Mapping[str, Any]] | None = None,
        validation: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        self._set(
            "LunarLander-v3", source, target, validation, gravity=gravity, wind=wind,
            turbulence=turbulence, continuous=continuous or None,
        )  # fmt: skip

    def translate(self, changes: Changes) -> Changes:
        """Return the changes by the names of gymnasium."""
        wind, gravity = changes.get("wind"), changes.get("gravity", -10.0)
        check_not_negative(wind=wind, turbulence=changes.get("turbulence"))
        if not -12 < gravity < 0:
            raise OptionError(f"gravity: must be above -12 and below 0, is {gravity}")
        named = {_NAMES.get(name, name): value for name, value in changes.items()}
        return named if wind is None else {**named, "enable_wind": wind > 0}


_NAMES = {"wind": "wind_power", "turbulence": "turbulence_power"}
