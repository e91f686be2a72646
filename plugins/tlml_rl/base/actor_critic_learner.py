"""What an actor and a critic are to an agent: observations, actions, and the network for both."""

from __future__ import annotations

from typing import Any, Literal

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tlml import TlmlError
from tlml.learners import NetworkLearner, OnPolicy
from tlml.views import ViewSpaces
from tlml_rl.base.actor_critic import ActorCritic, named, over_features
from tlml_rl.base.inputs import Inputs, as_given, inputs_for
from tlml_rl.base.policies import Policy, policy_for


class ActorCriticLearner(OnPolicy, NetworkLearner):
    """An agent whose network is an `ActorCritic`, built for what it sees and does.

    Attributes:
        boxes: How actions in a Box are drawn, as of `PolicyLearner`.
        log_std: Where the logarithms of their standard deviations start.
    """

    boxes: Literal["gaussian", "squashed"]
    log_std: float
    _policy: Policy | None = None
    _inputs: Inputs | None = None

    @property
    def policy(self) -> Policy:
        """What the actor's outputs mean."""
        if self._policy is None:
            self._policy = policy_for(self._spaces().y, self.boxes)
        return self._policy

    @property
    def inputs(self) -> Inputs:
        """How observations are given to the network."""
        if self._inputs is None:
            self._inputs = inputs_for(self._spaces().x)
        return self._inputs

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

    def _spaces(self) -> ViewSpaces:
        if self.view_spaces is None:
            raise TlmlError(
                f"{type(self).__name__}: no view told what it observes and does yet; call "
                "learner.view(domain, ...)"
            )
        return self.view_spaces

    def _tensor(self, inputs: NDArray[Any]) -> Tensor:
        return as_given(inputs, self.built().head.value.weight)

    def _made(self, spaces: ViewSpaces) -> nn.Module:
        assert self._named is not None
        options = self._network_options or {}
        space, size = self.inputs.space, self.policy.size
        return named(self._named, space, size, options, self._first_log_std(), self.seed)

    def _build(self, network: nn.Module) -> None:
        if self.view_spaces is None:
            self.network = network  # until it is known what it is for
            return
        size = self.policy.size
        super()._build(over_features(network, size, self._first_log_std(), self.seed))

    def _build_for(self, spaces: ViewSpaces) -> None:
        if self.network is not None and not isinstance(self.network, ActorCritic):
            self._build(self.network)
        super()._build_for(spaces)

    def _first_log_std(self) -> float | None:
        return self.log_std if self.policy.has_log_std else None

    def _check_outputs(self, spaces: ViewSpaces) -> None:
        x = torch.zeros((2, *self.inputs.space.shape)).to(self.built().head.value.weight)
        with torch.no_grad():
            outputs, values = self.built()(x)
        if outputs.shape != (2, self.policy.size) or values.shape != (2,):
            raise TlmlError(
                f"{type(self).__name__}: the network gives {list(outputs.shape)} for 2 "
                f"observations; actions in {spaces.y} need {self.policy.size} outputs each"
            )
