from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
import torch
from built import CASES, box, build, message, same
from gymnasium.spaces import Box, Discrete, Text
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from tlml.networks import (
    NETWORKS,
    build_network,
    statistics,
)


class Sized(nn.Module):
    """A stranger's network that is told its sizes."""

    def __init__(self, inputs: int, outputs: int, width: int = 4, input_shape: tuple = ()) -> None:
        super().__init__()
        self.first, self.fc = nn.Linear(inputs, width), nn.Linear(width, outputs)
        self.input_shape = input_shape

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.relu(self.first(x.flatten(1))))


class Needy(nn.Linear):
    """A stranger's network with an option that must be given."""

    def __init__(self, inputs: int, outputs: int, *, angle: float) -> None:
        super().__init__(inputs, outputs)
        self.angle = angle


def test_every_named_network_has_a_case_here():
    assert set(CASES) == set(NETWORKS)


@pytest.mark.parametrize("name", CASES)
def test_networks_pickle_and_keep_no_parameter_outside_of_blocks_and_head(name):
    network = build(name)
    again = pickle.loads(pickle.dumps(network))
    assert same(network.state_dict(), again.state_dict())
    assert {key.split(".")[0] for key in network.state_dict()} == {"blocks", "head"}
    owners = [block for block in network.blocks.values() if not list(block.parameters())]
    assert not owners, "a block without parameters would be a phase without effect"


@pytest.mark.parametrize(
    ("shape", "first"),
    [((), "hidden1"), ((3,), "hidden1"), ((5, 2), "layer1"), ((1, 28, 28), "conv1")],
)
def test_auto_chooses_by_the_rank_of_the_inputs(shape, first):
    network = build_network("auto", box(*shape), Discrete(2))
    assert next(iter(network.blocks)) == first
    assert network.eval()(torch.zeros(4, *shape)).shape == (4, 2)


@pytest.mark.parametrize("shape", [(), (1,), (2, 3), (4,)])
def test_scores_have_the_shape_of_values(shape):
    network = build_network("mlp", box(2), box(*shape))
    assert network(torch.zeros(5, 2)).shape == (5, *shape)
    assert network.head.out_features == math.prod(shape)


def problem(name: str):
    """One network's loss in float64 by the batch's statistics, its parameters, and 2 batches."""
    network = build(name).double()
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(2, 6, *CASES[name][0], dtype=torch.float64, generator=generator)
    y = torch.randint(3, (2, 6), generator=generator)

    def loss(params: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        with statistics(network, "batch"):
            return nn.functional.cross_entropy(functional_call(network, params, (x,)), y)

    return loss, {key: p.detach() for key, p in network.named_parameters()}, x, y


@pytest.mark.parametrize("name", CASES)
def test_second_order_gradients_equal_finite_differences(name):
    loss, params, x, y = problem(name)

    def outer(params: dict[str, Tensor]) -> Tensor:
        step = grad(loss)(params, x[0], y[0])
        return loss({key: p - 0.1 * step[key] for key, p in params.items()}, x[1], y[1])

    meta = grad(outer)(params)
    generator = torch.Generator().manual_seed(4)
    direction = {
        key: torch.randn(p.shape, dtype=p.dtype, generator=generator) for key, p in params.items()
    }
    ahead, behind = (
        outer({key: p + eps * direction[key] for key, p in params.items()}) for eps in (1e-6, -1e-6)
    )
    expected = sum((meta[key] * direction[key]).sum() for key in params)
    assert abs((ahead - behind) / 2e-6 - expected) < 1e-6 * max(1.0, abs(expected))


@pytest.mark.parametrize("name", CASES)
def test_gradients_under_vmap_equal_the_loop(name):
    loss, params, x, y = problem(name)
    stacked = vmap(grad(loss), in_dims=(None, 0, 0))(params, x, y)
    for task in range(2):
        looped = grad(loss)(params, x[task], y[task])
        assert all((stacked[key][task] - looped[key]).abs().max() < 1e-12 for key in params)


@pytest.mark.parametrize("name", CASES)
def test_initialisation_is_a_function_of_the_seed(name):
    state = torch.get_rng_state()
    first = build(name, seed=1).state_dict()
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(1)
    assert same(first, build(name, seed=1).state_dict())
    assert not same(first, build(name, seed=2).state_dict())


def test_initialisation_does_not_depend_on_the_default_device():
    with torch.device("meta"):
        network = build("mlp")
    assert same(network.state_dict(), build("mlp").state_dict())


def test_a_class_path_is_told_the_sizes_that_it_takes():
    network = build_network(f"{__name__}.Sized", box(2, 3), Discrete(5), 0, {"width": 7})
    assert isinstance(network, Sized)
    assert (network.first.in_features, network.first.out_features) == (6, 7)
    assert network.fc.out_features == 5
    assert network.input_shape == (2, 3)
    path = "torch.nn.Linear"
    linear = build_network(path, box(2), Discrete(5), 3, {"in_features": 2, "out_features": 5})
    torch.manual_seed(3)
    assert same(linear.state_dict(), nn.Linear(2, 5).state_dict())


@pytest.mark.parametrize(
    ("name", "shape", "options", "expected"),
    [
        ("cnv4", (2,), {}, "no network is called 'cnv4'; did you mean conv4?"),
        (
            "conv4",
            (1, 14, 14),
            {},
            "network conv4: 4 poolings do not fit images [1, 14, 14] [channels, height, width]; "
            "use at most 3 (option blocks)",
        ),
        (
            "resnet12",
            (28, 28, 1),
            {},
            "network resnet12: 4 poolings do not fit images [28, 28, 1] "
            "[channels, height, width]; use larger images, or mlp",
        ),
        (
            "gru",
            (1, 28, 28),
            {},
            "network gru: needs inputs [time, channels], these are [1, 28, 28]; "
            "use conv4 for images, mlp for anything else",
        ),
        (
            "conv4",
            (12, 3),
            {},
            "network conv4: needs inputs [channels, height, width], these are [12, 3]; "
            "use mlp, which flattens any input",
        ),
        (
            "auto",
            (2, 2, 2, 2),
            {},
            "network auto: knows no network for inputs [2, 2, 2, 2]; "
            "use mlp, which flattens any input, or a class path",
        ),
        (
            "conv4",
            (1, 28, 28),
            {"chanels": 3},
            "network conv4: has no option 'chanels'; did you mean channels?",
        ),
        (
            "mlp",
            (2,),
            {"outputs": 3},
            "network mlp: has no option 'outputs'; choose from activation, hidden, init",
        ),
        ("mlp", (2,), {"activation": "rel"}, "no activation is called 'rel'; did you mean relu?"),
        ("mlp", (2,), {"init": "hee"}, "no init is called 'hee'; did you mean he?"),
        ("mlp", (2,), {"hidden": 40}, "hidden: must be a list of whole numbers, is 40"),
        ("mlp", (2,), {"hidden": [0]}, "hidden: must be a whole number of at least 1, is 0"),
        ("gru", (2, 2), {"layers": 1.5}, "layers: must be a whole number of at least 1, is 1.5"),
        ("transformer", (2, 2), {"width": 6}, "width: must be a multiple of heads (4), is 6"),
        (
            "transformer",
            (2, 2),
            {"dropout": 1},
            "dropout: must be at least 0 and below 1, is 1",
        ),
        (
            "resnet12",
            (1, 8, 8),
            {"channels": []},
            "channels: resnet12 needs at least one block, such as [64, 160]",
        ),
        (
            "torch.nn.Linea",
            (2,),
            {},
            "network torch.nn.Linea: torch.nn has no 'Linea'; did you mean Linear?",
        ),
        (
            "nowhere.Net",
            (2,),
            {},
            "network nowhere.Net: cannot be imported: No module named 'nowhere'",
        ),
        (".Net", (2,), {}, "network .Net: not of the form package.module.Class"),
        (
            "math.pi",
            (2,),
            {},
            "network math.pi: not a subclass of nn.Module; pass the module itself",
        ),
        (
            f"{__name__}.Sized",
            (2,),
            {"widht": 2},
            f"network {__name__}.Sized: has no option 'widht'; did you mean width?",
        ),
        (
            f"{__name__}.Needy",
            (2,),
            {},
            f"network {__name__}.Needy: missing a required argument: 'angle'; "
            "give it in the network's options",
        ),
        (
            "collections.Counter",
            (2,),
            {},
            "network collections.Counter: not a subclass of nn.Module; pass the module itself",
        ),
    ],
)
def test_what_does_not_fit_is_named_with_alternatives(name, shape, options, expected):
    assert message(build_network, name, box(*shape), Discrete(2), 0, options) == expected


def test_spaces_that_no_network_serves_are_refused():
    assert message(build_network, "mlp", Discrete(3), Discrete(2)) == (
        "network: inputs must be a Box, the space is Discrete(3); encode them"
    )
    assert message(build_network, "mlp", box(2), Text(3, charset="ab")) == (
        "network: targets must be of Box, Discrete, MultiBinary, MultiDiscrete, "
        "the space is Text(1, 3, charset=ab)"
    )


@pytest.mark.parametrize(("side", "blocks"), [(2, 1), (8, 3), (15, 3), (16, 4), (84, 4)])
def test_auto_takes_as_many_blocks_as_small_images_have_halvings(side: int, blocks: int) -> None:
    space = Box(0, 1, (1, side, side), np.float32)
    network = build_network("auto", space, Discrete(3), seed=0)
    assert len(network.blocks) == blocks
    assert network(torch.zeros(2, 1, side, side)).shape == (2, 3)
    if blocks > 1:  # what is said holds
        fewer = build_network("auto", space, Discrete(3), seed=0, options={"blocks": 1})
        assert len(fewer.blocks) == 1
