from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.func import grad, vmap
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.utils import parametrizations

from tlml.errors import TlmlError
from tlml.networks import call_with, renamed


class Tied(nn.Module):
    """Embedding and head share one tensor, which two modules hold."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(5, 3), nn.Linear(3, 5)
        self.head.weight = self.embedding.weight

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[n]`` to ``[n, 5]``."""
        scores: Tensor = self.head(self.embedding(x))
        return scores


class Listed(nn.Module):
    """Weights in a list of parameters, one of them twice."""

    def __init__(self) -> None:
        super().__init__()
        weight = nn.Parameter(torch.randn(2, 2))
        self.weights = nn.ParameterList([weight, nn.Parameter(torch.randn(2, 2)), weight])

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[n, 2]`` to ``[n, 2]``."""
        for weight in self.weights:
            x = (x @ weight).tanh()
        return x


def twice() -> nn.Module:
    """Return a network with an activation and a block in two places each."""
    act, block = nn.PReLU(), nn.Linear(3, 3)
    return nn.Sequential(nn.Linear(2, 3), act, block, act, nn.BatchNorm1d(3), block)


def networks() -> dict[str, tuple[nn.Module, Tensor]]:
    """Return networks as people have them, with inputs of each."""
    torch.manual_seed(0)
    x = torch.randn(4, 2)
    normed = parametrizations.weight_norm(nn.Linear(2, 3))
    return {
        "twice": (twice(), x),
        "tied": (Tied(), torch.tensor([0, 3, 4])),
        "listed": (Listed(), x),
        "parametrized": (nn.Sequential(normed, nn.ReLU(), normed.__class__(3, 2)), x),
        "recurrent": (nn.GRU(2, 3), x),
    }


@pytest.mark.parametrize("name", ["twice", "tied", "listed", "parametrized", "recurrent"])
def test_a_call_is_that_of_a_copy_with_these_tensors_and_leaves_no_trace(name: str) -> None:
    network, x = networks()[name]
    network.eval()
    moved = {n: p.detach() * 0.9 + 0.1 for n, p in network.named_parameters()}
    other = copy.deepcopy(network)
    with torch.no_grad():
        for key, parameter in other.named_parameters():
            parameter.copy_(moved[key])
    before = dict(network.named_parameters(remove_duplicate=False))
    values = {key: value.detach().clone() for key, value in before.items()}
    own = network(x)
    for _ in range(2):
        torch.testing.assert_close(call_with(network, moved, x), other(x))
    after = dict(network.named_parameters(remove_duplicate=False))
    assert all(after[key] is value for key, value in before.items())
    assert all(torch.equal(after[key], value) for key, value in values.items())
    torch.testing.assert_close(network(x), own)
    copy.deepcopy(network)  # nothing that was passed is kept anywhere


def test_the_gradient_by_a_shared_parameter_counts_every_place() -> None:
    network, x = networks()["twice"]
    network.double().eval()
    x = x.double()
    params = {name: p.detach() for name, p in network.named_parameters()}

    def loss(at: dict[str, Tensor]) -> Tensor:
        found: Tensor = call_with(network, at, x).square().sum()
        return found

    network(x).square().sum().backward()
    expected = {name: p.grad for name, p in network.named_parameters()}
    leaves = {name: p.clone().requires_grad_() for name, p in params.items()}
    by_autograd = torch.autograd.grad(loss(leaves), list(leaves.values()))
    by_func = grad(loss)(params)
    stacked = {name: torch.stack([p, p]) for name, p in params.items()}
    by_vmap = vmap(grad(loss))(stacked)
    for slope, name in zip(by_autograd, params, strict=True):
        torch.testing.assert_close(slope, expected[name])
        torch.testing.assert_close(by_func[name], expected[name])
        torch.testing.assert_close(by_vmap[name][1], expected[name])


def test_it_can_be_traced_and_run_in_inference_mode() -> None:
    network, x = networks()["twice"]
    network.eval()
    weight = torch.zeros(3, 2)
    traced = make_fx(lambda w: call_with(network, {"0.weight": w}, x))(weight)
    expected = call_with(network, {"0.weight": weight}, x)
    torch.testing.assert_close(traced(weight), expected)
    with torch.inference_mode():
        torch.testing.assert_close(call_with(network, {"0.weight": weight}, x), expected)


def test_buffers_and_keywords_are_passed_too() -> None:
    network = nn.BatchNorm1d(2).eval()
    mean = torch.tensor([1.0, 2.0])
    found = call_with(network, {"running_mean": mean}, input=mean[None])
    torch.testing.assert_close(found, torch.zeros(1, 2))
    assert network.running_mean is not None
    assert not network.running_mean.any()


def test_tied_places_may_be_given_tensors_of_their_own() -> None:
    network = Tied()
    zeros, x = torch.zeros(2, 3), torch.tensor([1])
    found = call_with(network, {"head.weight": zeros, "head.bias": torch.ones(2)}, x)
    assert found.tolist() == [[1.0, 1.0]]
    given = {"embedding.weight": torch.ones(5, 3), "head.weight": zeros, "head.bias": zeros[:, 0]}
    assert call_with(network, given, x).tolist() == [[0.0, 0.0]]
    assert network.head.weight is network.embedding.weight


def test_an_error_in_the_call_leaves_the_module_as_it_was() -> None:
    network = twice()
    before = dict(network.named_parameters())
    with pytest.raises(RuntimeError, match="shapes"):
        call_with(network, {"0.weight": torch.zeros(7, 9)}, torch.zeros(1, 2))
    assert all(p is before[name] for name, p in network.named_parameters())


def test_a_name_that_is_none_of_the_modules_is_told() -> None:
    for name in ("0.weigth", "7.weight"):
        with pytest.raises(TlmlError, match=f"Sequential has no parameter or buffer '{name}'"):
            call_with(twice(), {name: torch.zeros(1)}, torch.zeros(1, 2))


def test_two_tensors_for_one_place_are_refused() -> None:
    given = {"2.bias": torch.zeros(3), "5.bias": torch.ones(3)}
    with pytest.raises(TlmlError, match=r"'2.bias' and '5.bias' are one parameter, and two"):
        call_with(twice(), given, torch.zeros(2, 2))


def test_tensors_are_renamed_for_a_part_that_is_registered_elsewhere_too() -> None:
    network = nn.Module()
    network.net = nn.Sequential(nn.Linear(1, 2), nn.Linear(2, 1))
    network.head = network.net[1]
    tensors = dict.fromkeys(("net.0.weight", "net.1.weight"), torch.zeros(1))
    assert list(renamed(tensors, network, network.head)) == ["weight"]
