"""Networks over sequences ``[n, time, channels]``, of operations that differentiate twice.

cuDNN's GRU and fused attention have no second derivative, and nn.GRU holds its weights twice,
so both are written out in matrix products here; they also run under vmap.
"""

from __future__ import annotations

import math
from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tlml.errors import TlmlError
from tlml.networks.network import Network, check_rank, size_option

_ALTERNATIVES = "conv4 for images, mlp for anything else"


def gru(
    input_shape: tuple[int, ...], outputs: int, *, hidden: int = 64, layers: int = 1
) -> Network:
    """Build a recurrent network of gated units; its features are the last state.

    Args:
        hidden: Units of each layer.
        layers: Number of layers.
    """
    check_rank("gru", input_shape, "time, channels", _ALTERNATIVES)
    units, depth = size_option("hidden", hidden), size_option("layers", layers)
    sizes = (input_shape[1], *[units] * depth)
    blocks = {f"layer{i + 1}": GRULayer(sizes[i], units, last=i + 1 == depth) for i in range(depth)}
    return Network(blocks, nn.Linear(units, outputs))


def transformer(
    input_shape: tuple[int, ...],
    outputs: int,
    *,
    width: int = 64,
    depth: int = 2,
    heads: int = 4,
    dropout: float = 0.0,
) -> Network:
    """Build a pre-norm transformer encoder with sinusoidal positions, averaged over time.

    Args:
        width: Features of each position, a multiple of `heads`.
        depth: Number of layers.
        heads: Attention heads of each layer.
        dropout: Share of the features that training drops.
    """
    check_rank("transformer", input_shape, "time, channels", _ALTERNATIVES)
    for name, value in (("width", width), ("depth", depth), ("heads", heads)):
        size_option(name, value)
    if width % heads:
        raise TlmlError(f"width: must be a multiple of heads ({heads}), is {width}")
    if not 0 <= dropout < 1:
        raise TlmlError(f"dropout: must be at least 0 and below 1, is {dropout}")
    blocks: dict[str, nn.Module] = {"embedding": Embedding(input_shape[1], width)}
    for i in range(1, depth + 1):
        blocks[f"layer{i}"] = EncoderLayer(width, heads, dropout)
    blocks["average"] = Average(width)
    return Network(blocks, nn.Linear(width, outputs))


class GRULayer(nn.Module):
    """A layer of gated recurrent units (Cho et al. 2014), equal to nn.GRU's.

    Args:
        inputs: Channels of the input.
        hidden: Units.
        last: Return the last state only.
    """

    def __init__(self, inputs: int, hidden: int, *, last: bool) -> None:
        super().__init__()
        self.weight_ih = nn.Parameter(torch.empty(3 * hidden, inputs))
        self.weight_hh = nn.Parameter(torch.empty(3 * hidden, hidden))
        self.bias_ih = nn.Parameter(torch.empty(3 * hidden))
        self.bias_hh = nn.Parameter(torch.empty(3 * hidden))
        self.hidden = hidden
        self.last = last
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters from U(-1/sqrt(hidden), 1/sqrt(hidden)), as nn.GRU does."""
        bound = 1 / math.sqrt(self.hidden)
        for parameter in self.parameters(recurse=False):
            nn.init.uniform_(parameter, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[n, time, inputs]`` to states ``[n, time, hidden]``, or ``[n, hidden]`` if last."""
        gates = F.linear(x, self.weight_ih, self.bias_ih)
        state = gates.new_zeros(len(x), self.hidden)
        states = []
        for gate in gates.unbind(1):
            state = self._step(gate, state)
            states.append(state)
        return state if self.last else torch.stack(states, 1)

    def _step(self, gate: Tensor, state: Tensor) -> Tensor:
        reset_x, update_x, new_x = gate.chunk(3, -1)
        recurrent = F.linear(state, self.weight_hh, self.bias_hh)
        reset_h, update_h, new_h = recurrent.chunk(3, -1)
        update = torch.sigmoid(update_x + update_h)
        new = torch.tanh(new_x + torch.sigmoid(reset_x + reset_h) * new_h)
        return (1 - update) * new + update * state


class Embedding(nn.Module):
    """A linear map of each time step, plus its position (Vaswani et al. 2017, section 3.5)."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[n, time, inputs]`` to ``[n, time, width]``."""
        embedded: Tensor = self.linear(x)
        return embedded + _positions(embedded)


class EncoderLayer(nn.Module):
    """Self-attention and a two-layer map, each normalised before and added to its input."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.projection = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        layers = {"linear1": nn.Linear(width, 4 * width), "activation": nn.GELU()}
        self.feedforward = nn.Sequential(
            OrderedDict[str, nn.Module](**layers, linear2=nn.Linear(4 * width, width))
        )
        self.dropout = nn.Dropout(dropout)
        self.heads = heads

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[n, time, width]`` to the same shape."""
        x = x + self.dropout(self._attend(self.norm1(x)))
        result: Tensor = x + self.dropout(self.feedforward(self.norm2(x)))
        return result

    def _attend(self, x: Tensor) -> Tensor:
        split = self.projection(x).unflatten(-1, (3, self.heads, -1)).transpose(1, 3)
        query, key, value = split.unbind(2)  # each [n, heads, time, width / heads]
        weights = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
        attended = torch.softmax(weights, -1) @ value
        result: Tensor = self.output(attended.transpose(1, 2).flatten(2))
        return result


class Average(nn.Module):
    """A normalisation, then the mean over time."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[n, time, width]`` to ``[n, width]``."""
        normalised: Tensor = self.norm(x)
        return normalised.mean(1)


def _positions(x: Tensor) -> Tensor:
    """Return sinusoids ``[time, width]`` of x's type, wavelengths 2 pi to 10000 * 2 pi."""
    time, width = x.shape[-2:]
    steps = torch.arange(time, device=x.device, dtype=x.dtype)
    pairs = torch.arange(0, width, 2, device=x.device, dtype=x.dtype)
    angles = steps[:, None] * torch.exp(pairs * (-math.log(10000.0) / width))
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)[:, :width]
