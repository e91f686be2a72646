"""A glance as one compiled program, whatever the network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from pytorch_lightning.utilities import rank_zero_info
from torch import Tensor

from tlml.meta import compile_function
from tlml_continual.lamaml_paths.adjoint import AdjointPath
from tlml_continual.lamaml_paths.contract import Glance, Objective, Recipe, Rows, Slopes


class CompiledPath:
    """Any network; it pays on long streams, as each shape of a batch is compiled for a minute.

    Glances with less replay than a whole one, of which a stream has a few in its beginning, are
    not compiled.

    Args:
        replay: Rows of a whole replay.
    """

    name = "compiled"

    def __init__(self, replay: int) -> None:
        self.replay, self.otherwise = replay, AdjointPath()
        self._programs: dict[Any, Any] = {}

    def __reduce__(self) -> tuple[type[CompiledPath], tuple[int]]:
        return CompiledPath, (self.replay,)

    def slopes(self, objective: Objective, recipe: Recipe, glance: Glance) -> Slopes:
        """Return the meta-loss and its gradients."""
        if glance.replay is None or len(glance.replay.x) != self.replay:
            return self.otherwise.slopes(objective, recipe, glance)
        call = _Call(objective, recipe, glance)
        key = call.key()
        if key not in self._programs:
            rank_zero_info(f"{type(objective.network).__name__}: compiling a glance")
            self._programs[key] = compile_function(call, call.inputs, native=True)
        with torch.no_grad():
            loss, *found = self._programs[key](*call.inputs)
        names = list(glance.theta)
        alpha = found[len(names) :] if recipe.learns_alpha else []
        return Slopes(
            loss,
            dict(zip(names, found[: len(names)], strict=True)),
            dict(zip(names, alpha, strict=False)),
        )


class _Call:
    """A glance as a function of all tensors that it depends on."""

    def __init__(self, objective: Objective, recipe: Recipe, glance: Glance) -> None:
        network = objective.network
        held = {**dict(network.named_parameters()), **dict(network.named_buffers())}
        self.objective, self.recipe, self.glance = objective, recipe, glance
        self.names = list(glance.theta)
        self.still = {name: t for name, t in held.items() if name not in glance.theta}
        self.parts = [
            [glance.theta[name].detach() for name in self.names],
            [glance.alpha[name].detach() for name in self.names],
            [t.detach() for t in self.still.values()],
            [t for t in glance.own if t is not None],
            [t for t in glance.replay or () if t is not None],
        ]

    @property
    def inputs(self) -> list[Tensor]:
        """All tensors."""
        return [tensor for part in self.parts for tensor in part]

    def key(self) -> Any:
        """Return all that a program depends on beside them."""
        network = self.objective.network
        modes = tuple(module.training for module in network.modules())
        kinds = tuple((t.shape, t.stride(), t.dtype, t.device) for t in self.inputs)
        device = self.inputs[0].device.type
        cast = torch.is_autocast_enabled(device) and torch.get_autocast_dtype(device)
        masked = self.objective.masked is not None
        return id(network), modes, self.recipe, self.objective.criterion, masked, cast, kinds

    def __call__(self, *tensors: Tensor) -> list[Tensor]:
        """Return the meta-loss and its gradients, by θ and then by α."""
        left = list(tensors)
        theta, alpha, still, own, replay = (
            [left.pop(0) for _ in range(len(part))] for part in self.parts
        )
        objective = replace(self.objective, still=dict(zip(self.still, still, strict=True)))
        glance = Glance(
            dict(zip(self.names, theta, strict=True)), dict(zip(self.names, alpha, strict=True)),
            Rows(*own), Rows(*replay),
        )  # fmt: skip
        found = AdjointPath().slopes(objective, self.recipe, glance)
        slopes = [*found.theta.values(), *found.alpha.values()]
        return [found.loss, *slopes]
