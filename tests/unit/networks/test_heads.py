"""Where the head is, whether outputs come from it, and new ones."""

from __future__ import annotations

import pytest
import torch
from built import LINEAR, Headed, TwoHeads, message
from torch import Tensor, nn
from torch.func import functional_call, grad
from torch.nn.utils import parametrizations

from tlml.networks import (
    Network,
    check_head,
    head_for,
    head_inputs,
    head_name,
    head_parameters,
    head_patterns,
    mlp,
)


class Inside(nn.Module):
    """A head that a Sequential before it holds, too."""

    def __init__(self) -> None:
        super().__init__()
        body = nn.Linear(1, 4)
        head = nn.Linear(4, 2)
        self.net = nn.Sequential(body, nn.ReLU(), head)
        self.head = head

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[n, 1]`` to ``[n, 2]``."""
        scores: Tensor = self.net(x)
        return scores


class Tied(nn.Module):
    """A head that scores by the embedding's weight."""

    def __init__(self, bias: bool = True) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(7, 6), nn.Linear(6, 7, bias=bias)
        self.head.weight = self.embedding.weight


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


def test_a_head_that_is_not_called_is_told():
    said = "head: 'heads.b' is not called; name the layer that gives the outputs 'head'"
    network = TwoHeads()
    assert message(check_head, network, torch.zeros(2, 1)) == said

    def look() -> None:
        with head_inputs(network):
            network(torch.zeros(2, 1))

    assert message(look) == said
    assert not network.heads["b"]._forward_pre_hooks


def test_a_head_that_something_comes_after_is_told():
    network = nn.Sequential()
    network.fc, network.out = nn.Linear(1, 4), nn.Sequential(nn.ReLU(), nn.Linear(4, 1))
    assert message(check_head, network, torch.zeros(2, 1)) == (
        "head: 'out.1' comes after 'fc'; name the layer that gives the outputs 'head'"
    )


@pytest.mark.parametrize("network", [mlp((1,), 1), nn.Linear(1, 1), Inside()])
def test_a_head_that_outputs_come_from_is_accepted_and_no_trace_left(network):
    modes = [module.training for module in network.modules()]
    check_head(network, torch.zeros(2, 1))
    assert [module.training for module in network.modules()] == modes
    assert not any(module._forward_hooks for module in network.modules())
    normed = nn.Sequential(nn.Linear(1, 2), parametrizations.weight_norm(nn.Linear(2, 1)))
    check_head(normed, torch.zeros(2, 1))


def test_a_head_that_is_registered_inside_the_body_too_has_its_parameters():
    network = Inside()
    assert head_name(network) == "head"
    assert head_parameters(network) == ("net.2.weight", "net.2.bias")
    assert head_patterns(network) == ("net.2.weight", "net.2.bias")
    assert list(head_for(network, 5)) == ["net.2.weight", "net.2.bias"]
    assert head_patterns(mlp((1,), 1)) == ("head.*",)
    assert head_patterns(nn.Linear(1, 1)) == ("*",)


@pytest.mark.parametrize("bias", [True, False])
def test_a_head_whose_weight_is_tied_is_refused(bias):
    said = (
        "head: its weight is tied to 'embedding.weight'; untie it "
        "(head.weight = nn.Parameter(head.weight.detach().clone())), or take full"
    )
    assert message(head_parameters, Tied(bias)) == said
    assert message(head_for, Tied(bias), 3) == said


def test_a_head_without_parameters_is_refused():
    network = Network({"one": nn.Linear(1, 2)}, nn.Identity())
    assert message(head_parameters, network) == (
        "head: 'head' (Identity) has no parameters; name the layer that gives the outputs 'head', "
        "or take full"
    )


def test_a_parametrized_head_is_not_replaced():
    network = nn.Sequential(nn.Linear(1, 2), parametrizations.weight_norm(nn.Linear(2, 1)))
    assert message(head_for, network, 2) == (
        "Sequential: the head '1' ends in a parametrized layer; new outputs need an nn.Linear there"
    )
