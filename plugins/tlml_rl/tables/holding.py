"""Holding on to the steps of an episode until what follows them is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from tlml import EnvView
from tlml.learners import OnPolicy
from tlml.views import ViewSpaces
from tlml_rl.tables.exploring import Exploring
from tlml_rl.tables.steps import Step
from tlml_rl.tables.values import check_gamma

_NONE = torch.zeros(0, 1 + len(Step._fields), dtype=torch.float64)


class Holding(Exploring, OnPolicy):
    """An agent that learns from steps once it has seen what followed, maybe in a later rollout.

    Args:
        gamma: What the value of what follows is discounted by.
        **options: Those of `Exploring`.

    Raises:
        TlmlError: An option is out of range.

    Attributes:
        held: The steps that wait, a registered buffer: in each row the environment's number and the
            fields of a `Step`.
    """

    held: Tensor

    def __init__(self, *, gamma: float, **options: Any) -> None:
        check_gamma(gamma)
        self.gamma = gamma
        super().__init__(**options)

    def prepare(self, spaces: ViewSpaces) -> None:
        """Make the table; nothing waits."""
        super().prepare(spaces)
        self.register_buffer("held", _NONE.clone())

    def enter(self, view: EnvView) -> None:
        """Make environments, and let go of steps of episodes that don't go on in them."""
        super().enter(view)
        told = self.environments.state()
        going_on = told["numbers"][told["lengths"] > 0]
        self.held = self.held[torch.isin(self.held[:, 0], going_on.double())]

    def waiting(self) -> list[list[Step]]:
        """Return the steps of each environment that wait."""
        found: list[list[Step]] = [[] for _ in self.environments.places]
        at = {place.number: n for n, place in enumerate(self.environments.places)}
        for number, state, action, reward, following, ended in self.held.tolist():
            step = Step(int(state), int(action), reward, int(following), bool(ended))
            found[at[int(number)]].append(step)
        return found

    def hold(self, steps: Sequence[Sequence[Step]]) -> None:
        """Keep the steps of each environment for later."""
        numbers = [place.number for place in self.environments.places]
        rows = [(n, *step) for n, own in zip(numbers, steps, strict=True) for step in own]
        self.held = torch.tensor(rows, dtype=torch.float64) if rows else _NONE.clone()

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
        # As many steps wait as do: torch would refuse another number than there is now.
        saved = state_dict.get(f"{prefix}held")
        if saved is not None and hasattr(self, "held"):
            self.held = torch.empty_like(saved)
        super()._load_from_state_dict(state_dict, prefix, *args)
