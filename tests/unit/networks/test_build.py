from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete, MultiBinary
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from tlml.errors import TlmlError
from tlml.networks import (
    NETWORKS,
    Network,
    build_network,
    conv4,
    fresh_parameters,
    gru,
    head_for,
    head_name,
    head_parameters,
    mlp,
    resnet12,
    statistics,
    transformer,
)
from tlml.networks.sequence import EncoderLayer, GRULayer

CASES = {
    "mlp": ((2, 3), {"hidden": (8, 8), "activation": "tanh"}),
    "conv4": ((2, 8, 9), {"channels": 4, "blocks": 2}),
    "resnet12": ((1, 8, 8), {"channels": (3, 4)}),
    "gru": ((4, 2), {"hidden": 6, "layers": 2}),
    "transformer": ((4, 3), {"width": 8, "depth": 1, "heads": 2}),
}


def box(*shape: int) -> Box:
    return Box(-1.0, 1.0, shape)


def build(name: str, outputs: int = 3, seed: int = 0) -> Network:
    shape, options = CASES[name]
    return build_network(name, box(*shape), Discrete(outputs), seed, options)


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return list(a) == list(b) and all(torch.equal(a[name], b[name]) for name in a)


def message(call, *arguments, **options) -> str:
    with pytest.raises(TlmlError) as caught:
        call(*arguments, **options)
    return str(caught.value)


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
def test_blocks_make_flat_features_and_the_head_scores(name):
    network, shape = build(name), CASES[name][0]
    x = torch.randn(5, *shape)
    features = network.eval().features(x)
    assert features.shape == (5, network.feature_size)
    assert torch.equal(network(x), network.head(features))
    assert network(x).shape == (5, 3)
    assert network(x[:0]).shape == (0, 3)
    value = x
    for block in network.blocks.values():
        value = block(value)
    assert torch.equal(value.flatten(1), features)


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


def test_integer_inputs_are_cast_to_the_parameters_type():
    network = build_network("mlp", Box(0, 255, (3,), np.uint8), Discrete(2)).double()
    x = torch.randint(255, (4, 3), dtype=torch.uint8)
    assert torch.equal(network(x), network(x.double()))


def test_the_default_mlp_is_the_sinusoid_network():
    network = build_network("mlp", box(1), box(1))
    shapes = [tuple(p.shape) for p in network.parameters()]
    assert shapes == [(40, 1), (40,), (40, 40), (40,), (1, 40), (1,)]
    linear = mlp((3,), 2, hidden=())
    assert [tuple(p.shape) for p in linear.parameters()] == [(2, 3), (2,)]


def test_parameters_are_named_by_block_in_order():
    names = [name for name, _ in conv4((1, 8, 8), 2, channels=2, blocks=2).named_parameters()]
    block = ["conv.weight", "norm.weight", "norm.bias"]
    expected = [f"blocks.conv{i}.{name}" for i in (1, 2) for name in block]
    assert names == [*expected, "head.weight", "head.bias"]


@pytest.mark.parametrize(("side", "blocks", "size"), [(28, 4, 1), (14, 3, 1), (84, 4, 25)])
def test_conv4_halves_the_sides_and_rounds_down(side, blocks, size):
    network = conv4((1, side, side), 5, channels=2, blocks=blocks)
    assert network.eval().features(torch.zeros(2, 1, side, side)).shape == (2, 2 * size)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 6))
def test_conv4_is_built_exactly_where_its_poolings_fit(height, width, blocks):
    fits = min(height, width) >= 2**blocks
    try:
        network = conv4((1, height, width), 2, channels=1, blocks=blocks)
    except TlmlError:
        assert not fits
    else:
        assert fits
        assert network.eval()(torch.zeros(1, 1, height, width)).shape == (1, 2)


def test_resnet12_averages_over_whatever_image_is_left():
    network = resnet12((3, 16, 24), 5).eval()
    assert network.feature_size == 640
    assert network.features(torch.zeros(2, 3, 16, 24)).shape == (2, 640)
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert sum(m.kernel_size == (3, 3) for m in convolutions) == 12


@pytest.mark.parametrize("layers", [1, 2])
def test_gru_equals_torch(layers):
    network, reference = gru((7, 3), 2, hidden=5, layers=layers), nn.GRU(3, 5, layers)
    reference.batch_first = True
    for i, block in enumerate(network.blocks.values()):
        assert isinstance(block, GRULayer)
        for name, parameter in block.named_parameters():
            getattr(reference, f"{name}_l{i}").data.copy_(parameter.data)
    x = torch.randn(4, 7, 3, dtype=torch.float64)
    states, _ = reference.double()(x)
    assert torch.allclose(network.double().features(x), states[:, -1], atol=1e-14)


def test_encoder_layer_equals_torch():
    layer = EncoderLayer(8, 2, 0.0).double()
    reference = nn.TransformerEncoderLayer(
        8, 2, 32, 0.0, nn.functional.gelu, batch_first=True, norm_first=True
    ).double()
    names = {
        "self_attn.in_proj_": "projection.",
        "self_attn.out_proj": "output",
        "linear": "feedforward.linear",
    }
    weights = {}
    for name in reference.state_dict():
        own = name
        for theirs, ours in names.items():
            own = own.replace(theirs, ours)
        weights[name] = layer.get_parameter(own)
    reference.load_state_dict(weights)
    x = torch.randn(3, 5, 8, dtype=torch.float64)
    assert torch.allclose(layer(x), reference(x), atol=1e-12)


def test_transformer_knows_the_order_of_time():
    network = transformer((6, 3), 2, width=8, heads=2).double()
    x = torch.randn(4, 6, 3, dtype=torch.float64)
    assert (network(x) - network(x.flip(1))).abs().max() > 1e-3
    assert network(x[:, :4]).shape == (4, 2)


def test_transformer_drops_features_in_training_only():
    torch.manual_seed(0)
    network, x = transformer((6, 3), 2, width=8, heads=2, dropout=0.5), torch.randn(4, 6, 3)
    assert not torch.equal(network(x), network(x))
    assert torch.equal(network.eval()(x), network(x))


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
            "network mlp: has no option 'outputs'; choose from activation, hidden",
        ),
        ("mlp", (2,), {"activation": "rel"}, "no activation is called 'rel'; did you mean relu?"),
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
    assert message(build_network, "mlp", box(2), MultiBinary(3)) == (
        "network: targets must be Discrete or a Box, the space is MultiBinary(3)"
    )


def test_feature_size_is_what_the_first_layer_of_the_head_takes():
    head = nn.Sequential(nn.Dropout(), nn.Linear(7, 3), nn.Linear(3, 2))
    assert Network({}, head).feature_size == 7
    assert message(lambda: Network({}, nn.Identity()).feature_size) == (
        "feature_size: no module of the head Identity has in_features; "
        "make its first layer an nn.Linear"
    )


class Headed(nn.Module):
    """A network that keeps its head under a given name."""

    def __init__(self, **modules: nn.Module) -> None:
        super().__init__()
        for name, module in modules.items():
            self.add_module(name, module)


LINEAR = nn.Linear(2, 3)


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (mlp((2,), 3), "head"),
        (Headed(fc=LINEAR, other=LINEAR), "fc"),
        (Headed(classifier=nn.Sequential(nn.Linear(2, 2), LINEAR)), "classifier"),
        (Headed(head=nn.Identity(), last=nn.Sequential(LINEAR, nn.ReLU())), "last.0"),
        (nn.Sequential(nn.Linear(2, 2), nn.ReLU(), LINEAR, nn.Softmax(-1)), "2"),
        (LINEAR, ""),
    ],
)
def test_the_head_is_found(network, expected):
    assert head_name(network) == expected
    names = [name for name, _ in network.named_parameters()]
    inside = [name for name in names if not expected or name.startswith(expected + ".")]
    assert list(head_parameters(network)) == inside != []


def test_no_head_is_an_error_that_says_what_to_do():
    assert message(head_name, nn.Sequential(nn.Conv2d(1, 1, 1))) == (
        "Sequential: no head found; name its last layer 'head', or make that an nn.Linear"
    )


@pytest.mark.parametrize(
    ("network", "names"),
    [
        (mlp((2,), 3), ["head.weight", "head.bias"]),
        (LINEAR, ["weight", "bias"]),
        (Headed(fc=nn.Linear(2, 3, bias=False)).double(), ["fc.weight"]),
        (
            Headed(head=nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 3), nn.Dropout())),
            ["head.2.weight", "head.2.bias"],
        ),
    ],
)
def test_a_new_head_is_zero_and_takes_the_place_of_the_old(network, names):
    fresh, old = head_for(network, 5), dict(network.named_parameters())
    assert list(fresh) == names
    for name, tensor in fresh.items():
        assert tensor.shape == (5, *old[name].shape[1:])
        assert tensor.dtype == old[name].dtype
        assert not tensor.any()


def test_a_new_head_scores_other_classes_and_learns():
    network, x = mlp((2,), 3), torch.randn(4, 2)
    params = dict(network.named_parameters()) | head_for(network, 5)
    scores = functional_call(network, params, (x,))
    assert torch.equal(scores, torch.zeros(4, 5))
    y = torch.tensor([4, 0, 1, 2])
    gradient = grad(lambda p: nn.functional.cross_entropy(functional_call(network, p, (x,)), y))
    assert gradient(params)["head.weight"].abs().sum() > 0


def test_a_new_head_has_the_type_that_is_asked_for():
    fresh = head_for(mlp((2,), 3), 5, dtype=torch.float64, device="meta")
    assert {(t.dtype, t.device.type) for t in fresh.values()} == {(torch.float64, "meta")}


def test_a_head_that_cannot_be_replaced_is_refused():
    network = Network({}, nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3)))
    assert message(head_for, network, 5) == (
        "Network: the head 'head' ends in LayerNorm; new outputs need an nn.Linear there"
    )
    assert message(head_for, mlp((2,), 3), 0) == "outputs: must be greater than 0, is 0"


@pytest.mark.parametrize("name", CASES)
def test_fresh_parameters_are_keyed_and_leave_the_network(name):
    network = build(name)
    for parameter in network.parameters():
        parameter.data.fill_(7.0)
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    state = torch.get_rng_state()
    fresh = fresh_parameters(network, 1)
    assert torch.equal(torch.get_rng_state(), state)
    assert same(network.state_dict(), before)
    assert list(fresh) == [key for key, _ in network.named_parameters()]
    assert all((tensor != 7).all() and not tensor.requires_grad for tensor in fresh.values())
    assert same(fresh, fresh_parameters(network, 1))
    assert not same(fresh, fresh_parameters(network, 2))


def test_fresh_parameters_are_drawn_as_the_first_ones_were():
    network = build_network("mlp", box(50), Discrete(50), 0, {"hidden": [50]})
    fresh = fresh_parameters(network, 1)
    for name, parameter in network.named_parameters():
        assert fresh[name].abs().max() <= 1 / math.sqrt(50)
        assert 0.8 < fresh[name].std() / parameter.std() < 1.25


def test_fresh_parameters_keep_the_type_and_reset_attention_as_torch_does():
    layer = nn.TransformerEncoderLayer(8, 2, 16).double()
    layer.self_attn.in_proj_weight.data.fill_(7.0)
    fresh = fresh_parameters(layer, 0)
    assert {tensor.dtype for tensor in fresh.values()} == {torch.float64}
    assert fresh["self_attn.in_proj_weight"].abs().max() < 1
    assert not fresh["self_attn.out_proj.bias"].any(), "attention starts its children itself"


def test_a_module_that_cannot_start_anew_is_named():
    network = Headed(body=nn.ParameterList([torch.zeros(2)]), head=nn.Linear(2, 2))
    assert message(fresh_parameters, network, 0) == (
        "module 'body' (ParameterList) owns parameters and has no reset_parameters(); "
        "write one, which initialises them anew"
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
