"""Two links that swing up (Sutton 1996), of other masses and lengths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tlml.errors import check_positive
from tlml_rl.worlds.family import Changes, World

# Options, and the attributes of gymnasium that they set.
_NAMES = {
    "mass_1": "LINK_MASS_1",
    "mass_2": "LINK_MASS_2",
    "length_1": "LINK_LENGTH_1",
    "length_2": "LINK_LENGTH_2",
}


class Acrobot(World):
    """Gymnasium's ``Acrobot-v1``, which is the source unless told otherwise.

    Options are of all tasks. A task may change them, and what else the environment has, such as
    ``torque_noise_max``. The centre of a link stays in its middle where its length is changed.

    Args:
        mass_1: The inner link's mass in kg; 1 where None.
        mass_2: The outer link's mass in kg; 1 where None.
        length_1: The inner link's length in m; 1 where None.
        length_2: The outer link's length in m; 1 where None.
        source: What each source task changes; one task that changes nothing where None.
        target: What each target task changes; a heavier outer link, and heavier links both, where
            None.
        validation: What each validation task changes; as `source` where None.

    Raises:
        TlmlError: The environment has no such name, or a value is not positive.
    """

    targets = ({"mass_2": 1.5}, {"mass_1": 1.5, "mass_2": 1.5})

    def __init__(
        self,
        mass_1: float | None = None,
        mass_2: float | None = None,
        length_1: float | None = None,
        length_2: float | None = None,
        source: Sequence[Mapping[str, Any]] | None = None,
        target: Sequence[Mapping[str, Any]] | None = None,
        validation: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        self._set(
            "Acrobot-v1", source, target, validation, mass_1=mass_1, mass_2=mass_2,
            length_1=length_1, length_2=length_2,
        )  # fmt: skip

    def translate(self, changes: Changes) -> Changes:
        """Return the changes by the names of gymnasium."""
        given = {name: value for name, value in changes.items() if name in _NAMES}
        check_positive(**given)
        centres = {
            f"LINK_COM_POS_{name[-1]}": length / 2
            for name, length in given.items()
            if name.startswith("length")
        }
        return {**centres, **{_NAMES.get(name, name): value for name, value in changes.items()}}
