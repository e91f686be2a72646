"""What the loss terms of a strategy see of a network's forward passes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tlml.strategies.loss_terms import features_with, of_target, passes


def network(*middle: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 3), *middle, nn.Tanh(), nn.Linear(3, 2))


def test_each_pass_is_collected_with_what_the_head_sees() -> None:
    net, xs = network(), [torch.randn(4, 2), torch.randn(5, 2)]
    with passes(net) as seen:
        scores = [net(x) for x in xs]
    assert [len(one.x) for one in seen] == [4, 5]
    for one, x, given in zip(seen, xs, scores, strict=True):
        assert one.x is x and one.scores is given
        torch.testing.assert_close(one.features, net[:2](x))
    net(xs[0])
    assert len(seen) == 2  # the hooks are gone


def test_the_hooks_are_taken_off_after_an_error_too() -> None:
    net = network()
    with pytest.raises(KeyError), passes(net):
        raise KeyError
    assert not net._forward_hooks and not net[-1]._forward_pre_hooks


def test_the_target_alone_has_an_empty_source() -> None:
    net, x = network(), torch.randn(4, 2)
    with passes(net) as seen:
        net(x)
    made = of_target(net, seen[0], {"0.weight": net[0].weight}, 0.25, lambda _: x)
    for empty in (made.source, made.features_source, made.logits_source):
        assert len(empty) == 0
    assert made.source.shape[1:] == (2,) and made.features_source.shape[1:] == (3,)
    assert (made.progress, list(made.params)) == (0.25, ["0.weight"])
    assert made.target is x and len(made.logits_target) == 4


def test_features_with_other_tensors_leave_the_network_as_it_was() -> None:
    net, x = network(), torch.randn(4, 2)
    other = {"0.weight": torch.zeros(3, 2), "0.bias": torch.ones(3)}
    found = features_with(net, other, x, "stored")
    torch.testing.assert_close(found, torch.ones(4, 3).tanh())
    assert not found.requires_grad and net.training
    torch.testing.assert_close(net[:2](x), features_with(net, {}, x, "stored"))


def test_statistics_of_the_batch_leave_stored_ones_out() -> None:
    net, x = network(nn.BatchNorm1d(3)), torch.randn(6, 2)
    stored = {"1.running_mean": torch.full((3,), 100.0)}
    by_batch = features_with(net, stored, x, "batch")
    torch.testing.assert_close(by_batch, features_with(net, {}, x, "batch"))
    assert not torch.allclose(by_batch, features_with(net, stored, x, "stored"))
    assert torch.equal(net[1].running_mean, torch.zeros(3))
