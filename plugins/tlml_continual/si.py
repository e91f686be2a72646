"""Synaptic intelligence (Zenke, Poole & Ganguli 2017, arXiv 1703.04200)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from tlml import Step, Strategy
from tlml.errors import check_positive
from tlml.views import ViewSpaces
from tlml_continual.base.anchored import AnchoredLearner
from tlml_continual.base.flat import slopes_of, vector_of


class Si(AnchoredLearner):
    """Pull parameters to where they were, the more the more they lowered the loss on their way.

    The loss is L(θ) + c Σᵢ Ωᵢ (θ̃ᵢ − θᵢ)² (equation 4). In each step the path integral of a task
    grows by ωᵢ ← ωᵢ − gᵢ Δθᵢ, g the gradient of L alone and Δθ what the optimiser did
    (equations 1 to 3). At the end of the task Ωᵢ grows by ωᵢ / (Δᵢ² + ξ), Δ the way since the task
    began (equation 5); where noise made it negative it becomes 0, as in the authors' code.

    Where classes come one after the other (a pool without ``scenario="task"``) it forgets as
    much as ``naive``.

    Args:
        network: ``auto`` (by the inputs), a registered network, a class path, or a module.
        strategy: What adapts to a task after the stream, unless a test names another.
        strength: Weight c of the distance.
        damping: The ξ that keeps parameters that moved little from counting too much.
        **options: Those of `StreamLearner`.

    Attributes:
        path: The path integral ω of this task, without its last step ``[P]``.

    Raises:
        TlmlError: An option is out of range, or the network does not fit the view.
    """

    path: Tensor
    slope: Tensor
    place: Tensor
    begun: Tensor

    def __init__(
        self,
        network: str | nn.Module = "auto",
        strategy: Strategy | str | dict[str, Any] | None = "full",
        *,
        strength: float = 1.0,
        damping: float = 0.1,
        **options: Any,
    ) -> None:
        check_positive(damping=damping)
        self.damping = damping
        super().__init__(network, strategy, strength=strength, **options)

    def prepare(self, spaces: ViewSpaces) -> None:
        """Make room for the path integral, and for the last step until its end is known."""
        super().prepare(spaces)
        for name in ("path", "slope"):
            self.register_buffer(name, torch.zeros_like(self.anchor))
        self.register_buffer("place", self.anchor.clone())
        self.register_buffer("begun", torch.zeros((), dtype=torch.bool))

    def glance_loss(self, step: Step) -> Tensor:
        """Return the loss on the batch and the weighted distance (equation 4)."""
        return super().glance_loss(step) + self.strength * self.distance()

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Add the last step, whose end is known now, and note where this one begins."""
        here = vector_of(self.built()).detach()
        if not self.begun:  # weights may have come since the network was built
            self.anchor.copy_(here)
            self.place.copy_(here)
            self.begun.fill_(True)
        self._add_step(here)
        pull = 2 * self.strength * self.importance * (here - self.anchor)
        self.slope.copy_(slopes_of(self.built()) - pull)

    def consolidate(self, task: int) -> None:
        """Add what the path of a task says, and begin the next one here."""
        here = vector_of(self.built()).detach()
        self._add_step(here)
        way = here - self.anchor
        self.importance.add_(self.path / (way.square() + self.damping)).clamp_(min=0)  # equation 5
        self.path.zero_()
        self.slope.zero_()
        self.anchor.copy_(here)

    def _add_step(self, here: Tensor) -> None:
        self.path.sub_(self.slope * (here - self.place))
        self.place.copy_(here)
