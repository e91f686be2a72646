"""The parameters of a network, and their gradients, as one vector."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector


def vector_of(network: nn.Module) -> Tensor:
    """Return all parameters of a network as one vector ``[P]``, which can be differentiated."""
    return parameters_to_vector(network.parameters())


def slopes_of(network: nn.Module) -> Tensor:
    """Return the gradients that a backward pass left ``[P]``; 0 where it left none."""
    return torch.cat([_slope(p).reshape(-1) for p in network.parameters()]).detach()


def put_slopes(network: nn.Module, slopes: Tensor) -> None:
    """Put gradients ``[P]`` into the place of those that a backward pass left."""
    for parameter, slope in zip(network.parameters(), _parts(network, slopes), strict=True):
        if parameter.requires_grad:
            parameter.grad = slope


def slopes_by(loss: Tensor, network: nn.Module) -> Tensor:
    """Return the gradient of a loss by all parameters ``[P]``; 0 for those that are frozen."""
    trained = [p for p in network.parameters() if p.requires_grad]
    found = iter(torch.autograd.grad(loss, trained, materialize_grads=True))
    every = [next(found) if p.requires_grad else torch.zeros_like(p) for p in network.parameters()]
    return torch.cat([slope.reshape(-1) for slope in every])


def _slope(parameter: nn.Parameter) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


def _parts(network: nn.Module, vector: Tensor) -> list[Tensor]:
    like = list(network.parameters())
    parts = torch.split(vector, [p.numel() for p in like])
    return [part.view_as(p).clone() for part, p in zip(parts, like, strict=True)]
