"""The learner that needs no network: strategies that estimate in closed form."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from gymnasium.spaces import Box, Discrete
from torch import Tensor

from tlml.errors import TlmlError
from tlml.learners import Learner
from tlml.strategies import Strategy, overrides
from tlml.task import Batch
from tlml.views import EpisodeView, View


class Estimator(Learner):
    """Predicts by the strategy's `estimate`, from the support alone; needs no Trainer and no fit.

    Args:
        strategy: A strategy that gives estimates.
        seed: The key of what the strategy draws.
        spaces: Input and target space as plain data, as checkpoints hold them.

    Raises:
        TlmlError: The strategy gives no estimates.
    """

    view_type: ClassVar[type[View]] = EpisodeView

    def __init__(
        self,
        strategy: Strategy | str | dict[str, Any],
        *,
        seed: int = 0,
        spaces: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(strategy=strategy, seed=seed, spaces=spaces)
        if not overrides(self.strategy, "estimate"):
            raise TlmlError(
                f"strategy {type(self.strategy).__name__} has no estimate(); learner estimator "
                "needs one that does (tlml info estimator)"
            )
        self.strategy.claim(None)

    def predict(self, support: Batch, x: Tensor) -> Tensor:
        """Return the strategy's estimate of the targets of `x`."""
        strategy = self.carry.strategy if self.carry else self.strategy
        return torch.as_tensor(strategy.estimate(support, x, self._space(support)))

    def _space(self, support: Batch) -> Any:
        if self.carry is not None:
            return self.carry.space
        if self.view_spaces is not None:
            return self.view_spaces.y
        # Without a view the support is all there is; it may lack a class.
        if support.y.is_floating_point():
            return Box(-math.inf, math.inf, tuple(support.y.shape[1:]))
        return Discrete(int(support.y.max()) + 1)

    def configure_optimizers(self) -> None:
        """Nothing is optimised."""
