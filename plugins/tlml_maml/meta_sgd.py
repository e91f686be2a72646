"""Meta-SGD (Li, Zhou, Chen & Li 2017, arXiv 1707.09835): learned rates, an inner loop and MAML."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from tlml import NamedParameters, Strategy
from tlml.data import Params
from tlml_maml.maml import Maml
from tlml_maml.sgd import Sgd, check_learns, check_shapes


class MetaSgd(Sgd):
    """θ′ = θ − α ∘ ∇L(θ) with a learned rate for each entry of each parameter (equation 2).

    α is learned with θ, and its sign is free: it chooses the direction too.

    Args:
        lr: Where every rate starts.
        steps: Inner steps; the paper takes 1.
        batchnorm: Statistics that BatchNorm uses on a target task: of its ``batch`` (transductive)
            or as ``stored`` in training; as the learner does where None.
        test_steps: Inner steps of a validation or test, that is of `eval` mode; as `steps` where
            None.

    Raises:
        TlmlError: An option is out of range.
    """

    def __init__(
        self,
        lr: float = 0.01,
        steps: int = 1,
        batchnorm: Literal["batch", "stored"] | None = None,
        *,
        test_steps: int | None = None,
    ) -> None:
        super().__init__(lr, steps, batchnorm, learn_lr=True, test_steps=test_steps)
        check_learns(self)

    def make_rates(self, network: nn.Module) -> None:
        """Make a rate for each entry of each parameter."""
        self._rates = NamedParameters(
            {name: torch.full_like(p.detach(), self.lr) for name, p in network.named_parameters()}
        )

    @property
    def rates(self) -> dict[str, Tensor]:
        """The learned rates by parameter name, of the parameters' shapes, as they are now."""
        return self._rates.as_dict()

    def rate(self, name: str, step: int) -> Tensor:
        """Return the rates of one parameter."""
        return self._rates[name]

    def check(self, params: Params) -> None:
        """Raise where a parameter has not the shape of its rates."""
        check_shapes(self, {name: rate.shape for name, rate in self.rates.items()}, params)


class MetaSgdLearner(Maml):
    """MAML that learns the inner loop's rates with the initialisation.

    Algorithm 1: θ and α step down the gradient of the query loss together (line 8).

    Args:
        network: ``auto`` (by the inputs), a registered network, a class path, or a module.
        strategy: The inner loop, a `meta_sgd`; its `rates` hold α.
        **options: Those of `Maml`.

    Raises:
        TlmlError: An option is out of range, or the network does not fit the view.
    """

    inner_loop: ClassVar[type[Strategy]] = MetaSgd

    def __init__(
        self,
        network: str | nn.Module = "auto",
        strategy: Strategy | str | dict[str, Any] = "meta_sgd",
        **options: Any,
    ) -> None:
        super().__init__(network, strategy, **options)
