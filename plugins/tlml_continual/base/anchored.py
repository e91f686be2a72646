"""What learners share that pull parameters to where they were: by how much each one matters."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from tlml import Strategy
from tlml.errors import check_not_negative
from tlml.views import ViewSpaces
from tlml_continual.base.flat import vector_of
from tlml_continual.base.stream_learner import StreamLearner


class AnchoredLearner(StreamLearner):
    """Keeps where the parameters were when the last task ended, and how much each one matters.

    Args:
        network: ``auto`` (by the inputs), a registered network, a class path, or a module.
        strategy: What adapts to a task after the stream, unless a test names another.
        strength: Weight of the distance to where the parameters were.
        **options: Those of `StreamLearner`.

    Attributes:
        anchor: The parameters at the end of the last task, as one vector ``[P]``.
        importance: How much each of them matters to the tasks so far ``[P]``.

    Raises:
        TlmlError: An option is out of range, or the network does not fit the view.
    """

    equal_buffers: ClassVar[bool] = True  # of parameters, gradients and whole tasks
    steers: ClassVar[tuple[str, ...]] = ("lr", "strength")
    anchor: Tensor
    importance: Tensor

    def __init__(
        self,
        network: str | nn.Module = "auto",
        strategy: Strategy | str | dict[str, Any] | None = "full",
        *,
        strength: float = 1.0,
        **options: Any,
    ) -> None:
        check_not_negative(strength=strength)
        self.strength = strength
        super().__init__(network, strategy, **options)

    def prepare(self, spaces: ViewSpaces) -> None:
        """Make room for a number of each kind beside each parameter."""
        super().prepare(spaces)
        here = vector_of(self.built()).detach()
        self.register_buffer("anchor", here.clone())
        self.register_buffer("importance", torch.zeros_like(here))

    def distance(self) -> Tensor:
        """Return the squared distance to the anchor, each parameter weighted by its importance."""
        away = vector_of(self.built()) - self.anchor
        return (self.importance * away.square()).sum()
