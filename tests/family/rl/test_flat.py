"""Flat parameters stay parameters, and Adam on them is torch's."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

import tlml
from tlml import TlmlError
from tlml_rl.base.flat import FlatAdam, FlatParameters


def network(dtype=torch.float64, seed=0) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2)).to(dtype)


def loss_of(net: nn.Module, step: int) -> torch.Tensor:
    rng = torch.Generator().manual_seed(step)
    x = torch.randn(7, 3, generator=rng, dtype=torch.float64)
    like = next(net.parameters()).dtype
    return (net(x.to(like)) ** 2).sum()


def test_names_values_and_gradients_are_what_they_were() -> None:
    plain, shared = network(), network()
    names = [name for name, _ in shared.named_parameters()]
    flat = FlatParameters(shared.parameters())
    assert [name for name, _ in shared.named_parameters()] == names
    for net in (plain, shared):
        loss_of(net, 0).backward()
    together = torch.cat([p.grad.reshape(-1) for p in plain.parameters()])
    assert torch.equal(flat.gradients, together)
    assert torch.equal(flat.values, torch.cat([p.detach().reshape(-1) for p in plain.parameters()]))
    flat.values.zero_()
    assert not any(p.any() for p in shared.parameters())


def test_a_state_dict_fills_the_shared_memory() -> None:
    shared, other = network(), network(seed=1)
    flat = FlatParameters(shared.parameters())
    shared.load_state_dict(other.state_dict())
    assert flat.intact()
    right = torch.cat([p.detach().reshape(-1) for p in other.parameters()])
    assert torch.equal(flat.values, right)


def test_what_leaves_the_shared_memory_is_noticed() -> None:
    shared = network()
    flat = FlatParameters(shared.parameters())
    assert flat.intact()
    copied = copy.deepcopy(shared)
    copied[0].weight.data.zero_()
    assert flat.intact() and flat.values.any()
    shared.float()
    assert not flat.intact()


def test_parameters_of_two_types_are_refused() -> None:
    with pytest.raises(TlmlError, match="must be of one type on one device"):
        FlatParameters([nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2).double())])


@pytest.mark.parametrize("clip", [None, 0.5, 1e9])
@pytest.mark.parametrize(("dtype", "close"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
def test_steps_are_those_of_torch(dtype: torch.dtype, close: float, clip: float | None) -> None:
    plain, shared = network(dtype), network(dtype)
    right = torch.optim.Adam(plain.parameters(), lr=0.01, eps=1e-5)
    found = FlatAdam(FlatParameters(shared.parameters()), lr=0.01, eps=1e-5, clip_norm=clip)
    for step in range(30):
        for net, optimizer in ((plain, right), (shared, found)):
            optimizer.zero_grad()
            loss_of(net, step).backward()
        if clip is not None:
            norm = nn.utils.clip_grad_norm_(plain.parameters(), clip)
            found.step()
            assert found.norm == pytest.approx(float(norm), rel=1e-6)
        else:
            found.step()
        right.step()
        for one, other in zip(plain.parameters(), shared.parameters(), strict=True):
            torch.testing.assert_close(other, one, rtol=0, atol=close)


def stepped(net: nn.Module, optimizer, step: int) -> None:
    optimizer.zero_grad()
    loss_of(net, step).backward()
    if step in (2, 3, 4):
        net[0].weight.grad = None  # as a phase that freezes it
    optimizer.step()


def test_what_has_no_gradient_is_passed_over_and_goes_on_as_in_torch() -> None:
    plain, shared = network(), network()
    right = torch.optim.Adam(plain.parameters(), lr=0.01)
    found = FlatAdam(FlatParameters(shared.parameters()), lr=0.01)
    for step in range(8):
        before = shared[0].weight.clone()
        stepped(plain, right, step)
        stepped(shared, found, step)
        assert torch.equal(shared[0].weight, before) == (step in (2, 3, 4))
        for one, other in zip(plain.parameters(), shared.parameters(), strict=True):
            torch.testing.assert_close(other, one, rtol=0, atol=1e-12)
    assert [int(state["step"]) for state in found.state.values()] == [5, 8, 8, 8]


def test_groups_of_a_strategy_have_their_own_rates_and_others_stay() -> None:
    plain, shared = network(), network()
    optimizers = []
    for net in (plain, shared):
        groups = tlml.param_groups(net, tlml.strategy("discriminative_lr", lr=0.01))
        assert len(groups) > 1
        for place, group in enumerate(groups):
            group["lr"] = 0.01 * (place + 1)
        optimizers.append(groups)
    right = torch.optim.Adam([{k: g[k] for k in ("params", "lr")} for g in optimizers[0]])
    found = FlatAdam(FlatParameters(shared.parameters()), optimizers[1])
    assert [group["name"] for group in found.param_groups] == [g["name"] for g in optimizers[1]]
    for step in range(5):
        stepped(plain, right, step)
        stepped(shared, found, step)
    for one, other in zip(plain.parameters(), shared.parameters(), strict=True):
        torch.testing.assert_close(other, one, rtol=0, atol=1e-12)


def test_parameters_in_no_group_stay_as_they_are() -> None:
    shared = network()
    flat = FlatParameters(shared.parameters())
    before = shared[0].weight.clone(), shared[2].weight.clone()
    optimizer = FlatAdam(flat, [{"params": list(shared[2].parameters())}])
    loss_of(shared, 0).backward()
    optimizer.step()
    assert torch.equal(shared[0].weight, before[0])
    assert not torch.equal(shared[2].weight, before[1])
    assert list(optimizer.state) == list(shared[2].parameters())


def test_a_parameter_from_elsewhere_is_refused() -> None:
    with pytest.raises(TlmlError, match=r"FlatAdam: a parameter \[2\] of a group is none of"):
        FlatAdam(
            FlatParameters(network().parameters()), [{"params": [nn.Parameter(torch.ones(2))]}]
        )


@pytest.mark.parametrize("kind", ["flat", "torch"])
def test_a_loaded_state_goes_on_as_if_nothing_had_been(kind: str) -> None:
    whole = network()
    flat = FlatAdam(FlatParameters(whole.parameters()), lr=0.01)
    begun = network()
    if kind == "flat":
        first = FlatAdam(FlatParameters(begun.parameters()), lr=0.01)
    else:
        first = torch.optim.Adam(begun.parameters(), lr=0.01)
    for step in range(6):
        stepped(whole, flat, step)
    for step in range(3):
        stepped(begun, first, step)
    state = copy.deepcopy((begun.state_dict(), first.state_dict()))
    resumed = network(seed=9)
    second = FlatAdam(FlatParameters(resumed.parameters()), lr=0.5)
    stepped(resumed, second, 0)
    resumed.load_state_dict(state[0])
    second.load_state_dict(state[1])
    for step in range(3, 6):
        stepped(resumed, second, step)
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other) or kind == "torch"
        torch.testing.assert_close(other, one, rtol=0, atol=1e-12)


def test_gradients_from_elsewhere_are_brought_in() -> None:
    plain, shared = network(), network()
    right = torch.optim.Adam(plain.parameters(), lr=0.01)
    found = FlatAdam(FlatParameters(shared.parameters()), lr=0.01)
    for net in (plain, shared):
        for parameter in net.parameters():
            parameter.grad = torch.ones_like(parameter)
    right.step()
    found.step()
    assert torch.equal(found.flat.gradients, torch.ones_like(found.flat.values))
    for one, other in zip(plain.parameters(), shared.parameters(), strict=True):
        torch.testing.assert_close(other, one, rtol=0, atol=1e-12)
