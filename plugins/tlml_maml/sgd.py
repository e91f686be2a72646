"""Plain gradient steps: the inner loop of MAML (Finn, Abbeel & Levine 2017, arXiv 1703.03400)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Literal

from torch import Tensor

from tlml import Strategy, gradient
from tlml.task import Params


class Sgd(Strategy):
    """θ′ = θ − α ∇L(θ), `steps` times, on the whole support (equation 1).

    Args:
        lr: Inner step size α.
        steps: Inner steps k.
        batchnorm: Statistics that BatchNorm uses on a target task: of its ``batch`` (transductive)
            or as ``stored`` in training; as the learner does where None.

    Raises:
        TlmlError: An option is out of range.
    """

    batched: ClassVar[bool] = True

    def __init__(
        self,
        lr: float = 0.01,
        steps: int = 5,
        batchnorm: Literal["batch", "stored"] | None = None,
    ) -> None:
        super().__init__(lr=lr, steps=steps, batchnorm=batchnorm)

    def steps(
        self, loss: Callable[[Params, Any], Tensor], params: Params, support: Any
    ) -> Iterator[Params]:
        """Yield the parameters after each inner step."""
        for _ in range(self.max_steps):
            slope = gradient(loss, params, support)
            params = {name: value - self.lr * slope[name] for name, value in params.items()}
            yield params
