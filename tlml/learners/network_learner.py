"""Learners with a network: how it is built, checked and optimised."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

from tlml.data.spaces import outputs
from tlml.errors import TlmlError, check_choice, check_not_negative, check_positive
from tlml.learners.learner import Learner
from tlml.learners.saved_names import GIVEN
from tlml.networks.batchnorm import statistics
from tlml.networks.build import build_network, seeded_draws, zeros
from tlml.networks.heads import check_head
from tlml.networks.modes import evaluating
from tlml.strategies.optimiser import OPTIMIZERS, make_optimizer
from tlml.strategies.strategy import Strategy
from tlml.views.base import ViewSpaces


class NetworkLearner(Learner):
    """A learner that owns a network, whatever it learns by.

    Args:
        network: ``auto`` (by the inputs), a registered network, a class path, or a module.
        strategy: What takes part in training, and adapts unless a test names another.
        network_options: Options of the named network.
        lr: Learning rate of training.
        optimizer: Optimiser of training: ``adam``, ``adamw`` or ``sgd``.
        weight_decay: Weight decay of training.
        momentum: Momentum of ``sgd``; 0 and 0.9 are different algorithms where tasks come one
            after the other.
        fused: Step all parameters by one operation, which is quicker and changes last digits.
        seed: The key of the initialisation.
        spaces: Input and target space as plain data, as checkpoints hold them.

    Raises:
        TlmlError: An option is out of range, or the network does not fit the view.
    """

    network: nn.Module | None

    def __init__(
        self,
        network: str | nn.Module = "auto",
        strategy: Strategy | str | dict[str, Any] | None = None,
        *,
        network_options: dict[str, Any] | None = None,
        lr: float = 1e-3,
        optimizer: Literal["adam", "adamw", "sgd"] = "adam",
        weight_decay: float = 0.0,
        momentum: float = 0.9,
        fused: bool = False,
        seed: int = 0,
        spaces: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(strategy=strategy, seed=seed, spaces=spaces)
        check_positive(lr=lr)
        check_not_negative(weight_decay=weight_decay, momentum=momentum)
        check_choice("optimizer", optimizer, OPTIMIZERS)
        _check_network(network, network_options)
        self.lr, self.optimizer, self.weight_decay = lr, optimizer, weight_decay
        self.momentum, self.fused = momentum, fused
        self._named = network if isinstance(network, str) else None
        self._network_options = network_options
        self.network = None
        if isinstance(network, nn.Module):
            self._build(network)
        elif self.view_spaces is not None:
            self._build(self._made(self.view_spaces))

    def configure_model(self) -> None:
        """Build the network for the Trainer's view, where it isn't there yet."""
        super().configure_model()
        self.built()

    def built(self) -> nn.Module:
        """Return the network.

        Raises:
            TlmlError: It has not been built yet.
        """
        if self.network is None:
            raise TlmlError(
                f"{type(self).__name__}: the network '{self._named}' is not built yet: no view "
                "told its sizes; call learner.view(domain, ...), or pass the view as datamodule"
            )
        return self.network

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Optimise network and strategy together."""
        return make_optimizer(self, [{"params": list(self.parameters())}])

    def _build_for(self, spaces: ViewSpaces) -> None:
        if self.network is None:
            self._build(self._made(spaces))
        self._check_outputs(spaces)

    def _made(self, spaces: ViewSpaces) -> nn.Module:
        assert self._named is not None
        return build_network(
            self._named, spaces.x, spaces.y, seed=self.seed, options=self._network_options
        )

    def _build(self, network: nn.Module) -> None:
        self.network = network
        with seeded_draws(self.seed):
            self.strategy.claim(network)

    def _like(self, values: Tensor) -> Tensor:
        """Return values in the network's precision; whole numbers as they are."""
        if not values.is_floating_point():
            return values
        return values.to(next(self.built().parameters()).dtype)

    def _check_outputs(self, spaces: ViewSpaces) -> None:
        network = self.built()
        x = zeros(spaces.x, network)
        with torch.no_grad(), evaluating(network), statistics(network, "batch"):
            given = network(x)
        size = outputs(spaces.y)
        if not isinstance(given, Tensor):
            raise TlmlError(
                f"{type(self).__name__}: the network gives a {type(given).__name__}; the view "
                f"needs a tensor [n, {size}]"
            )
        found = given.shape
        if len(found) < 2 or found[0] != 2 or found[1:].numel() != size:
            raise TlmlError(
                f"{type(self).__name__}: the network gives {tuple(found)} for 2 inputs; the view "
                f"needs {size} outputs each (its targets are {spaces.y})"
            )
        if self.strategy.needs_head:
            check_head(network, x)


def _check_network(network: str | nn.Module, options: dict[str, Any] | None) -> None:
    if isinstance(network, str) and network.startswith(GIVEN):
        raise TlmlError(
            f"network: this checkpoint's network was given as a module ({network[len(GIVEN) :]}); "
            "pass it again: load_from_checkpoint(path, network=net)"
        )
    if isinstance(network, nn.Module) and options:
        raise TlmlError("network_options: they are of a named network; this one is a module")
    if not isinstance(network, str | nn.Module):
        raise TlmlError(f"network: must be a name, a class path or a module, is {network!r}")
