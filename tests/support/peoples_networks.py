"""Networks as people have them, drawn by hypothesis, and copies that hold other tensors."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import torch
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils import parametrize

WIDTH = 3
SHARED = ("prelu", "block", "tied", "list")
KINDS = (*SHARED, "linear", "tanh", "norm", "bent")


class Bent(nn.Module):
    """A parametrization."""

    def forward(self, weight: Tensor) -> Tensor:
        """Return a weight of the same shape."""
        return weight.sin()


class Listed(nn.Module):
    """Weights in a list of parameters, one of them twice."""

    def __init__(self) -> None:
        super().__init__()
        first, second = (nn.Parameter(torch.randn(WIDTH, WIDTH)) for _ in range(2))
        self.weights = nn.ParameterList([first, second, first])

    def reset_parameters(self) -> None:
        """Draw them anew."""
        for weight in self.weights:
            nn.init.normal_(weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[n, WIDTH]`` to the same shape."""
        for weight in self.weights:
            x = (x @ weight).tanh()
        return x


class Peoples(nn.Module):
    """A body of layers, some in several places, and a head; a spare head is never called.

    Args:
        kinds: The layers; of a kind in `SHARED` there is one, or one weight, in all places.
        head_first: Whether the head is registered before the body.
        head_inside: Whether the body's Sequential holds the head, too.
        spare: Whether there is another head.
    """

    def __init__(
        self, kinds: Sequence[str], *, head_first: bool, head_inside: bool, spare: bool
    ) -> None:
        super().__init__()
        self.tied = nn.Linear(WIDTH, WIDTH)
        shared = {"prelu": nn.PReLU(), "list": Listed()}
        shared["block"] = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Tanh())
        layers = [shared[kind] if kind in shared else self._layer(kind) for kind in kinds]
        head = nn.Linear(WIDTH, 1)
        if head_first:
            self.head = head
        self.entry = nn.Linear(1, WIDTH)
        self.body = nn.Sequential(*layers, *([head] if head_inside else []))
        self.head = head
        self.spare = nn.Linear(WIDTH, 4) if spare else nn.Identity()
        self.head_inside = head_inside

    def _layer(self, kind: str) -> nn.Module:
        if kind == "tanh":
            return nn.Tanh()
        if kind == "norm":
            return nn.LayerNorm(WIDTH)
        layer = nn.Linear(WIDTH, WIDTH)
        if kind == "tied":
            layer.weight = self.tied.weight
        elif kind == "bent":
            parametrize.register_parametrization(layer, "weight", Bent())
        return layer

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[n, 1]`` to ``[n, 1]``."""
        x = self.body(self.tied(self.entry(x)).tanh())
        scores: Tensor = x if self.head_inside else self.head(x)
        return scores


@st.composite
def networks(draw: st.DrawFn) -> Peoples:
    """Draw a network in float64, some layers of which may be frozen."""
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=4))
    flags = {name: draw(st.booleans()) for name in ("head_first", "head_inside", "spare")}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(draw(st.integers(0, 3)))
        network = Peoples(kinds, **flags).double()
    for name in draw(st.sets(st.sampled_from(("entry", "tied", "spare")), max_size=1)):
        network.get_submodule(name).requires_grad_(False)
    return network


def placed(network: nn.Module, values: Mapping[str, Tensor]) -> nn.Module:
    """Return a copy of a network that has tensors, by name, where its parameters were."""
    copied = copy.deepcopy(network)
    names = {id(parameter): name for name, parameter in copied.named_parameters()}
    for module in copied.modules():
        own = {key: p for key, p in module._parameters.items() if p is not None}
        for key, parameter in own.items():
            del module._parameters[key]
            module.__dict__[key] = values[names[id(parameter)]]
    return copied


def snapshot(module: nn.Module) -> list[tuple[str, int, Tensor, bool]]:
    """Return all parameters with their places, identities, values and what learns."""
    named = module.named_parameters(remove_duplicate=False)
    return [(name, id(p), p.detach().clone(), p.requires_grad) for name, p in named]


def unchanged(module: nn.Module, before: Sequence[tuple[str, int, Tensor, bool]]) -> bool:
    """Say whether a module has the very parameters that it had."""
    after = snapshot(module)
    return len(after) == len(before) and all(
        (n, i, g) == (m, j, h) and torch.equal(v, w)
        for (n, i, v, g), (m, j, w, h) in zip(after, before, strict=True)
    )
