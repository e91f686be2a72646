"""The slopes of an agent's loss as a compiled program, for networks that need autograd."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from pytorch_lightning.utilities import rank_zero_info
from torch import Tensor, nn

from tlml.meta import compile_function
from tlml.networks import call_with
from tlml_rl.base.actor_critic import ActorCritic
from tlml_rl.base.by_hand import AutogradPath
from tlml_rl.base.flat import FlatParameters
from tlml_rl.base.objective import Objective, Rows, Terms
from tlml_rl.base.policies import Policy


class CompiledPath(AutogradPath):
    """Any network without buffers; each size of a minibatch is compiled for some seconds.

    Forward, loss and gradient are one program, which takes the parameters, the rows and PPO's clip.

    Args:
        network: The actor and the critic.
        policy: What the actor's outputs mean.
        flat: Its parameters.
    """

    name = "a compiled program"

    def __init__(self, network: ActorCritic, policy: Policy, flat: FlatParameters) -> None:
        super().__init__(network, policy, flat)
        self._loss, self._parameters = _Loss(network, policy), flat.parameters
        names = {id(p): name for name, p in self._loss.named_parameters()}
        self._names = [names[id(p)] for p in flat.parameters]
        self._programs: dict[Any, Any] = {}

    def slopes(self, objective: Objective, rows: Rows, tell: bool) -> Terms:
        """Run the program."""
        assert self.flat is not None
        self.flat.attach()
        there = tuple(one is not None for one in rows)
        inputs = [*(p.detach() for p in self._parameters), *(x for x in rows if x is not None)]
        if objective.clip is not None:
            inputs.append(rows.weights.new_tensor(objective.clip))
            objective = replace(objective, clip=math.nan)  # a program is told it
        learns = tuple(p.requires_grad for p in self._parameters)
        kinds = tuple((x.shape, x.stride(), x.dtype) for x in inputs)
        modes = tuple(module.training for module in self.network.modules())
        device = self._like.device.type
        cast = torch.is_autocast_enabled(device) and torch.get_autocast_dtype(device)
        key = (repr(objective), there, learns, modes, cast, kinds)
        if key not in self._programs:
            rank_zero_info(f"{type(self.network).__name__}: compiling the slopes of its loss")
            function = partial(self._slopes, objective, there, learns)
            self._programs[key] = compile_function(function, inputs, native=True)
        with torch.no_grad():
            gradient, parts = self._programs[key](*inputs)
        self.flat.gradients.copy_(gradient)
        return Terms(*parts.tolist()) if tell else Terms()

    def _slopes(
        self, objective: Objective, there: Sequence[bool], learns: Sequence[bool], *inputs: Tensor
    ) -> list[Tensor]:
        """Return the gradient of all parameters ``[P]``, and the numbers of `Terms` ``[5]``."""
        left = iter(inputs)
        values = [next(left).detach() for _ in self._names]
        rows = Rows(*(next(left) if one else None for one in there))  # type: ignore[arg-type]
        objective = replace(objective, clip=next(left, None))
        pairs = list(zip(values, learns, strict=True))
        learning = [value.requires_grad_() for value, own in pairs if own]
        with torch.enable_grad():
            named = dict(zip(self._names, values, strict=True))
            loss, parts = call_with(self._loss, named, objective, rows)
            slopes = torch.autograd.grad(loss, learning, materialize_grads=True) if learning else ()
        found = iter(slopes)
        parted = [next(found) if own else torch.zeros_like(value) for value, own in pairs]
        return [torch.cat([one.reshape(-1) for one in parted]), parts]


class _Loss(nn.Module):
    """The loss as what a functional call runs."""

    def __init__(self, network: ActorCritic, policy: Policy) -> None:
        super().__init__()
        self.network, self.policy = network, policy

    def forward(self, objective: Objective, rows: Rows) -> tuple[Tensor, Tensor | None]:
        """Return the loss and its parts."""
        return objective.parts(self.network, self.policy, rows)
