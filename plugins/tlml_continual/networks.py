"""The network that La-MAML's authors take for photographs (Gupta, Yadav & Paull 2020)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from tlml import TlmlError
from tlml.networks import Flat, Network, size_option, sizes_option


class StridedCnn(Network):
    """Convolutions of stride 2, then hidden layers, all with ReLU and without normalisation.

    Nothing in it depends on other examples of a batch, so single examples have inner steps of their
    own. Weights begin as in He et al. 2015, and biases at 0.

    Args:
        input_shape: ``(channels, height, width)``; a convolution halves the sides and rounds up.
        outputs: How many scores there are.
        channels: Filters of each convolution.
        convolutions: How many there are; the authors have 4 for Tiny ImageNet.
        hidden: Units of each hidden layer; 640 each for Tiny ImageNet.

    Raises:
        TlmlError: An option is out of range, or inputs are no images.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        outputs: int,
        *,
        channels: int = 160,
        convolutions: int = 3,
        hidden: Sequence[int] = (320, 320),
    ) -> None:
        if len(input_shape) != 3:
            raise TlmlError(
                "network StridedCnn: needs inputs [channels, height, width], these are "
                f"{list(input_shape)}; take mlp, which flattens any input"
            )
        width, depth = size_option("channels", channels), size_option("convolutions", convolutions)
        maps = (input_shape[0], *[width] * depth)
        blocks: dict[str, nn.Module] = {
            f"conv{i}": nn.Sequential(nn.Conv2d(*pair, 3, stride=2, padding=1), nn.ReLU())
            for i, pair in enumerate(pairwise(maps), start=1)
        }
        sides = [math.ceil(side / 2**depth) for side in input_shape[1:]]
        sizes = (width * math.prod(sides), *sizes_option("hidden", hidden))
        for i, pair in enumerate(pairwise(sizes), start=1):
            blocks[f"hidden{i}"] = nn.Sequential(Flat(), nn.Linear(*pair), nn.ReLU())
        super().__init__(blocks, nn.Linear(sizes[-1], outputs))
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            else:
                nn.init.kaiming_normal_(parameter)
