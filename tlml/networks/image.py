"""Networks over images ``[n, channels, height, width]``."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from tlml.errors import TlmlError, unknown
from tlml.networks.network import Flat, Network, check_rank, size_option, sizes_option

BLOCKS = 4  # of conv4, where nothing else is said
_NATURE = ((32, 8, 4), (64, 4, 2), (64, 3, 1))  # filters, their sides and their strides
_NATURE_SIDE = 36  # the smallest that these filters fit


def conv4(
    input_shape: tuple[int, ...], outputs: int, *, channels: int = 64, blocks: int = BLOCKS
) -> Network:
    """Build the convolutional network of few-shot learning (Vinyals et al. 2016).

    Each block is a 3x3 convolution, BatchNorm, 2x2 max-pooling, which halves the sides and rounds
    down (28, 14, 7, 3, 1), and ReLU, which commutes with it. BatchNorm stores statistics; few-shot
    learners normalise by the batch's through `tlml.networks.statistics`.

    Args:
        channels: Filters of each block.
        blocks: Number of blocks; the sides must stay at least 1.
    """
    check_rank("conv4", input_shape, "channels, height, width", "mlp, which flattens any input")
    width = size_option("channels", channels)
    sides = _pool("conv4", "blocks", input_shape, size_option("blocks", blocks))
    sizes = (input_shape[0], *[width] * blocks)
    pairs = pairwise(sizes)
    layers = {f"conv{i}": _convolution(*pair) for i, pair in enumerate(pairs, start=1)}
    return Network(layers, nn.Linear(width * sides[0] * sides[1], outputs))


def resnet12(
    input_shape: tuple[int, ...],
    outputs: int,
    *,
    channels: Sequence[int] = (64, 160, 320, 640),
) -> Network:
    """Build the residual network of few-shot learning (Lee et al. 2019), without DropBlock.

    Each block is three 3x3 convolutions with BatchNorm and LeakyReLU(0.1), a 1x1 shortcut and
    2x2 max-pooling; the last block ends in an average over the image. BatchNorm as in `conv4`.

    Args:
        channels: Filters of each block.
    """
    check_rank("resnet12", input_shape, "channels, height, width", "mlp, which flattens any input")
    sizes = (input_shape[0], *sizes_option("channels", channels))
    depth = len(sizes) - 1
    if depth == 0:
        raise TlmlError("channels: resnet12 needs at least one block, such as [64, 160]")
    _pool("resnet12", "channels", input_shape, depth)
    pairs = pairwise(sizes)
    layers = {
        f"block{i}": Residual(*pair, last=i == depth) for i, pair in enumerate(pairs, start=1)
    }
    return Network(layers, nn.Linear(sizes[-1], outputs))


def orthogonal(network: nn.Module) -> None:
    """Draw weights orthogonal, of gain √2, and set biases to 0 (Saxe et al. 2014), in place."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.orthogonal_(layer.weight, math.sqrt(2))
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


_INITS: Mapping[str, Callable[[nn.Module], None] | None] = {
    "orthogonal": orthogonal,
    "torch": None,
}


def nature_cnn(
    input_shape: tuple[int, ...], outputs: int, *, hidden: int = 512, init: str = "orthogonal"
) -> Network:
    """Build the network that learned to play Atari's games (Mnih et al. 2015), of 4 frames there.

    Three convolutions, of 32, 64 and 64 filters, and a linear layer, each with ReLU.

    Args:
        hidden: Units of the linear layer.
        init: What weights and biases start at. ``orthogonal``: orthogonal weights of gain √2,
            biases of 0, as agents with a critic use them. ``torch``: as torch draws them.
    """
    check_rank(
        "nature_cnn", input_shape, "channels, height, width", "mlp, which flattens any input"
    )
    if init not in _INITS:
        raise unknown("init", init, _INITS)
    sides = _strided("nature_cnn", input_shape)
    blocks: dict[str, nn.Module] = {}
    channels = input_shape[0]
    for depth, (filters, side, stride) in enumerate(_NATURE, start=1):
        blocks[f"conv{depth}"] = nn.Sequential(
            OrderedDict(conv=nn.Conv2d(channels, filters, side, stride), relu=nn.ReLU())
        )
        channels = filters
    width = size_option("hidden", hidden)
    linear = nn.Linear(channels * sides[0] * sides[1], width)
    blocks["hidden"] = nn.Sequential(OrderedDict(flat=Flat(), linear=linear, relu=nn.ReLU()))
    return Network(blocks, nn.Linear(width, outputs), init=_INITS[init])


class Residual(nn.Module):
    """Three convolutions and a shortcut, then max-pooling.

    Args:
        inputs: Channels of the input.
        outputs: Channels of the output.
        last: Average over the image after pooling.
    """

    def __init__(self, inputs: int, outputs: int, *, last: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.conv3 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm3 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.shortcut_norm = nn.BatchNorm2d(outputs)
        self.last = last

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[n, inputs, h, w]`` to ``[n, outputs, h/2, w/2]``, or ``[n, outputs]`` if last."""
        shortcut = self.shortcut_norm(self.shortcut(x))
        x = F.leaky_relu(self.norm1(self.conv1(x)), 0.1)
        x = F.leaky_relu(self.norm2(self.conv2(x)), 0.1)
        x = F.leaky_relu(self.norm3(self.conv3(x)) + shortcut, 0.1)
        x = F.max_pool2d(x, 2)
        return x.mean((2, 3)) if self.last else x


def _convolution(inputs: int, outputs: int) -> nn.Module:
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    # BatchNorm subtracts the mean, so that a bias of the convolution would have no effect.
    layers["conv"] = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    layers["norm"] = nn.BatchNorm2d(outputs)
    # Pooling commutes with ReLU, which then has a quarter of the work and of the memory.
    layers["pool"] = nn.MaxPool2d(2)
    layers["relu"] = nn.ReLU()
    return nn.Sequential(layers)


def _pool(name: str, option: str, input_shape: tuple[int, ...], poolings: int) -> tuple[int, int]:
    """Return the sides after `poolings` halvings, or raise where one falls below 1."""
    _, height, width = input_shape
    fitting = min(height, width).bit_length() - 1
    if poolings > fitting:
        remedy = f"at most {fitting} (option {option})" if fitting else "larger images, or mlp"
        raise TlmlError(
            f"network {name}: {poolings} poolings do not fit images {list(input_shape)} "
            f"[channels, height, width]; use {remedy}"
        )
    return height >> poolings, width >> poolings


def _strided(name: str, input_shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the sides after the filters of `_NATURE`, or raise where they don't fit."""
    _, *sides = input_shape
    if min(sides) < _NATURE_SIDE:
        raise TlmlError(
            f"network {name}: its filters need images of at least {_NATURE_SIDE} a side, these are "
            f"{list(input_shape)} [channels, height, width]; use larger images, or conv4"
        )
    for _, side, stride in _NATURE:
        sides = [(length - side) // stride + 1 for length in sides]
    return sides[0], sides[1]
