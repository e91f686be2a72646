"""What agents see and do: their network is built once a view has told the spaces of both."""

from __future__ import annotations

from typing import Literal

from torch import nn

from tlml import TlmlError
from tlml.learners import NetworkLearner
from tlml.views import ViewSpaces
from tlml_rl.base.inputs import Inputs, inputs_for
from tlml_rl.base.policies import Policy, policy_for


class Observing(NetworkLearner):
    """A learner whose network is made for what it observes and does.

    A network that it is given may lack an end of the right size, which `_completed` puts on it.
    """

    _inputs: Inputs | None = None
    _waits = False  # a network that was given, for the view that tells what it is for

    @property
    def inputs(self) -> Inputs:
        """How observations are given to the network."""
        if self._inputs is None:
            self._inputs = inputs_for(self._spaces().x)
        return self._inputs

    # Inside

    def _spaces(self) -> ViewSpaces:
        if self.view_spaces is None:
            raise TlmlError(
                f"{type(self).__name__}: no view told what it observes and does yet; call "
                "learner.view(domain, ...)"
            )
        return self.view_spaces

    def _completed(self, network: nn.Module) -> nn.Module:
        """Return a network that gives what is needed, by one that may not; itself where it does."""
        return network

    def _build(self, network: nn.Module) -> None:
        self._waits = self.view_spaces is None
        if self._waits:
            self.network = network
        else:
            super()._build(self._completed(network))

    def _build_for(self, spaces: ViewSpaces) -> None:
        if self.network is not None and self._waits:
            self._build(self.network)
        super()._build_for(spaces)


class Choosing(Observing):
    """A learner whose network gives what a policy draws actions by.

    Attributes:
        boxes: How actions in a Box are drawn: ``gaussian``, kept within it, or ``squashed`` to it.
        log_std: Where the logarithms of their standard deviations start.
    """

    boxes: Literal["gaussian", "squashed"]
    log_std: float
    _policy: Policy | None = None

    @property
    def policy(self) -> Policy:
        """What the network's outputs mean."""
        if self._policy is None:
            self._policy = policy_for(self._spaces().y, self.boxes)
        return self._policy

    def _first_log_std(self) -> float | None:
        return self.log_std if self.policy.has_log_std else None
