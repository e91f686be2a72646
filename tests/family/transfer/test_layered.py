"""What learns when, and how fast, by the strategies that go by the depth of layers."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest
import torch
from refusals import stops
from torch import Tensor, nn
from torch.func import functional_call

import tlml
from tlml import Strategy
from tlml.data import Batch, Params
from tlml.networks import conv4, statistics

LAYERS = ("blocks.conv1", "blocks.conv2", "blocks.conv3", "head")
STEPS = 8


def network() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return conv4((1, 8, 8), 3, channels=2, blocks=3).double()


def adapting(name: str, **options: Any) -> tuple[nn.Module, Strategy]:
    net = network()
    options = {"steps": STEPS, "optimizer": "sgd", "lr": 0.05, "weight_decay": 0.1} | options
    return net, tlml.strategy(name, **options).claim(net)


def course(net: nn.Module, strategy: Strategy) -> list[Params]:
    """Return the parameters before any step and after each."""
    rng = torch.Generator().manual_seed(1)
    x = torch.randn(6, 1, 8, 8, generator=rng, dtype=torch.float64)

    def loss(params: Params, batch: Batch) -> Tensor:
        with statistics(net, "batch"):
            scores = functional_call(net, dict(params), (batch.x,))
        return nn.functional.cross_entropy(scores, batch.y)

    start = {name: value.detach() for name, value in net.named_parameters()}
    support = Batch(x, torch.arange(6) % 3)
    return [start, *strategy.steps(loss, start, support)]


def moved(one: Params, other: Params, layers: tuple[str, ...] = LAYERS) -> set[str]:
    """Return the layers of which every parameter differs; the others are equal bit by bit."""
    found = set()
    for layer in layers:
        differ = {not torch.equal(one[n], other[n]) for n in one if n.startswith(f"{layer}.")}
        assert len(differ) == 1
        found |= {layer} if differ.pop() else set()
    return found


def test_lp_ft_trains_the_head_and_then_everything_more_slowly() -> None:
    net, strategy = adapting("lp_ft", probe=0.25, tuning_lr=0.5)
    taken = course(net, strategy)
    assert [moved(*pair) for pair in pairwise(taken)] == [
        *[{"head"}] * 2, *[set(LAYERS)] * 6,
    ]  # fmt: skip
    rates = [[group.lr for group in phase.groups] for phase in strategy.phases(tuple(taken[0]))]
    assert rates == [[1.0], [0.5]]


def test_gradual_unfreezing_goes_from_the_head_to_the_first_layer() -> None:
    net, strategy = adapting("gradual_unfreeze", unfrozen=0.75)
    taken = course(net, strategy)
    expected = [set(LAYERS[depth:]) for depth in (3, 3, 2, 2, 1, 1, 0, 0)]
    assert [moved(*pair) for pair in pairwise(taken)] == expected


@pytest.mark.parametrize("frozen", [0, 1, 2, 3])
def test_generic_layers_stay_bit_by_bit(frozen: int) -> None:
    net, strategy = adapting("freeze_generic", frozen=frozen)
    taken = course(net, strategy)
    assert moved(taken[0], taken[-1]) == set(LAYERS[frozen:])


def test_each_layer_learns_slower_than_the_next() -> None:
    plain, full = adapting("full", steps=1)
    net, strategy = adapting("discriminative_lr", steps=1, factor=3.0)
    (start, there), (_, here) = course(plain, full), course(net, strategy)
    for depth, layer in enumerate(LAYERS):
        for name in (name for name in start if name.startswith(f"{layer}.")):
            expected = (there[name] - start[name]) / 3.0 ** (3 - depth)
            torch.testing.assert_close(here[name] - start[name], expected, rtol=1e-9, atol=1e-15)


class Own(nn.Module):
    """A module with a parameter outside its children, and its head in the middle."""

    def __init__(self) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(4, dtype=torch.float64))
        self.fc = nn.Linear(3, 3).double()
        self.body = nn.Linear(64, 3).double()

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.fc(self.body(x.flatten(1)).tanh() + self.shift[:3])
        return found


@pytest.mark.parametrize("name", ["gradual_unfreeze", "freeze_generic", "discriminative_lr"])
def test_the_head_is_last_and_what_is_in_no_layer_counts_to_the_first(name: str) -> None:
    net = Own()
    strategy = tlml.strategy(name, steps=STEPS, optimizer="sgd").claim(net)
    taken = course(net, strategy)
    last = {n for n in taken[0] if not torch.equal(taken[0][n], taken[-1][n])}
    first = {n for n in taken[0] if not torch.equal(taken[0][n], taken[1][n])}
    head, everything = {"fc.weight", "fc.bias"}, set(taken[0])
    expected: Mapping[str, Any] = {
        "gradual_unfreeze": (head, everything), "freeze_generic": (head, head),
        "discriminative_lr": (everything, everything),
    }  # fmt: skip
    assert (first, last) == expected[name]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("lp_ft", {"probe": 1.0}, "probe: must be above 0 and below 1, is 1.0"),
        ("lp_ft", {"tuning_lr": 0}, "tuning_lr: must be greater than 0, is 0"),
        ("gradual_unfreeze", {"unfrozen": 0}, "unfrozen: must be above 0 and below 1, is 0"),
        ("discriminative_lr", {"factor": -1}, "factor: must be greater than 0, is -1"),
        (
            "freeze_generic", {"frozen": 4},
            "frozen: 4 of 4 layers leaves nothing to learn; they are blocks.conv1, blocks.conv2, "
            "blocks.conv3, head",
        ),
    ],
)  # fmt: skip
def test_options_out_of_range_are_refused(name: str, options: dict[str, Any], message: str) -> None:
    with stops(message):
        adapting(name, **options)


def test_one_layer_is_not_enough() -> None:
    with stops(
        "DiscriminativeLr: Sequential has one layer only (0); name the module whose children are "
        "the layers, as in tlml.Adapt(..., network='model')"
    ):
        tlml.strategy("discriminative_lr").claim(nn.Sequential(nn.Linear(2, 2)))
