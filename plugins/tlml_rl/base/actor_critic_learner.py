"""What an actor and a critic are to an agent: observations, actions, and the network for both."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tlml import TlmlError
from tlml.learners import OnPolicy
from tlml.views import ViewSpaces
from tlml_rl.base.actor_critic import ActorCritic, named_actor_critic, over_features
from tlml_rl.base.inputs import as_given
from tlml_rl.base.observing import Choosing


class ActorCriticLearner(OnPolicy, Choosing):
    """An agent whose network is an `ActorCritic`, built for what it sees and does."""

    @property
    def head(self) -> nn.Module:
        """The network's last layers, where strategies look for them."""
        return self.built().head

    def built(self) -> ActorCritic:
        """Return the network."""
        network = super().built()
        assert isinstance(network, ActorCritic)
        return network

    # Inside

    def _tensor(self, inputs: NDArray[Any]) -> Tensor:
        return as_given(inputs, self.built().head.value.weight)

    def _made(self, spaces: ViewSpaces) -> nn.Module:
        assert self._named is not None
        options = self._network_options or {}
        space, size = self.inputs.space, self.policy.size
        return named_actor_critic(
            self._named, space, size, options, self._first_log_std(), self.seed
        )

    def _completed(self, network: nn.Module) -> nn.Module:
        return over_features(network, self.policy.size, self._first_log_std(), self.seed)

    def _check_outputs(self, spaces: ViewSpaces) -> None:
        x = torch.zeros((2, *self.inputs.space.shape)).to(self.built().head.value.weight)
        with torch.no_grad():
            outputs, values = self.built()(x)
        if outputs.shape != (2, self.policy.size) or values.shape != (2,):
            raise TlmlError(
                f"{type(self).__name__}: the network gives {list(outputs.shape)} for 2 "
                f"observations; actions in {spaces.y} need {self.policy.size} outputs each"
            )
