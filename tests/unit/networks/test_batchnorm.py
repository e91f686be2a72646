from __future__ import annotations

import copy
from itertools import product

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from tlml.errors import TlmlError
from tlml.networks import has_batchnorm, statistics, uses_batch_statistics
from tlml.networks.batchnorm import TooFewExamplesError, check_statistics

TASKS, EXAMPLES = 3, 6


def convnet(norm: nn.Module | None = None) -> nn.Sequential:
    """A small tracked BatchNorm network in float64 whose stored statistics are not the initial."""
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(3) if norm is None else norm
    network = nn.Sequential(
        nn.Conv2d(1, 3, 3, bias=False), norm, nn.Tanh(), nn.Flatten(), nn.Linear(27, 2)
    ).double()
    with torch.no_grad():
        network(torch.randn(20, 1, 5, 5, dtype=torch.float64) * 2 + 1)
    return network


def batches() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(TASKS, EXAMPLES, 1, 5, 5, dtype=torch.float64, generator=generator)
    return x, torch.randint(2, (TASKS, EXAMPLES), generator=generator)


def state(network: nn.Module) -> tuple[dict[str, Tensor], list[bool], list[set[str]]]:
    tensors = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    return (
        tensors,
        [module.training for module in network.modules()],
        [set(vars(module)) for module in network.modules()],
    )


def assert_same_state(network: nn.Module, before: tuple) -> None:
    tensors, modes, attributes = state(network)
    assert list(tensors) == list(before[0])
    assert all(torch.equal(tensors[name], before[0][name]) for name in tensors)
    assert (modes, attributes) == before[1:]


def loss_of(network: nn.Module, policy: str = "batch"):
    def loss(params: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        with statistics(network, policy):
            return nn.functional.cross_entropy(functional_call(network, params, (x,)), y)

    return loss


def parameters(network: nn.Module) -> dict[str, Tensor]:
    return {name: p.detach() for name, p in network.named_parameters()}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("policy", ["batch", "stored"])
def test_native_batchnorm_under_vmap_equals_the_loop(policy, training):
    network = convnet().train(training)
    before, params, (x, y) = state(network), parameters(network), batches()
    gradient = grad(loss_of(network, policy))
    stacked = vmap(gradient, in_dims=(None, 0, 0))(params, x, y)
    for task in range(TASKS):
        looped = gradient(params, x[task], y[task])
        for name in params:
            assert (stacked[name][task] - looped[name]).abs().max() < 1e-12
    assert_same_state(network, before)


@pytest.mark.parametrize("training", [True, False])
def test_batch_normalises_by_the_batch_and_stored_by_what_is_stored(training):
    network = convnet(nn.BatchNorm2d(3, momentum=0.3)).train(training)
    x = batches()[0][0]
    conv, norm = network[0], network[1]
    hidden = conv(x)
    with statistics(network, "batch"):
        by_batch = norm(hidden)
    with statistics(network, "stored"):
        by_stored = norm(hidden)
    mean, var = hidden.mean((0, 2, 3)), hidden.var((0, 2, 3), unbiased=False)
    assert torch.allclose(by_batch, standardised(hidden, mean, var), atol=1e-12)
    mean, var = norm.running_mean, norm.running_var
    assert torch.allclose(by_stored, standardised(hidden, mean, var), atol=1e-12)
    assert (by_batch - by_stored).abs().max() > 0.1


def standardised(x: Tensor, mean: Tensor, var: Tensor) -> Tensor:
    return (x - mean[:, None, None]) / torch.sqrt(var[:, None, None] + 1e-5)


def test_two_inner_steps_have_exact_second_order_gradients():
    network = convnet().eval()
    params, (x, y) = parameters(network), batches()
    loss = loss_of(network)

    def outer(params: dict[str, Tensor]) -> Tensor:
        adapted = params
        for _ in range(2):
            gradient = grad(loss)(adapted, x[0], y[0])
            adapted = {name: p - 0.3 * gradient[name] for name, p in adapted.items()}
        return loss(adapted, x[1], y[1])

    meta = grad(outer)(params)
    generator = torch.Generator().manual_seed(2)
    for _ in range(3):
        direction = {
            name: torch.randn(p.shape, dtype=p.dtype, generator=generator)
            for name, p in params.items()
        }
        ahead, behind = (
            outer({name: p + eps * direction[name] for name, p in params.items()})
            for eps in (1e-5, -1e-5)
        )
        expected = sum((meta[name] * direction[name]).sum() for name in params)
        assert abs((ahead - behind) / 2e-5 - expected) < 1e-7 * max(1.0, abs(expected))


def test_second_order_by_plain_autograd_equals_torch_func():
    network = convnet()
    (x, y), loss = batches(), loss_of(network)

    def outer(params: dict[str, Tensor], gradient) -> Tensor:
        step = gradient(params)
        return loss({name: p - 0.3 * step[name] for name, p in params.items()}, x[1], y[1])

    def by_autograd(params: dict[str, Tensor]) -> dict[str, Tensor]:
        value = loss(params, x[0], y[0])
        grads = torch.autograd.grad(value, list(params.values()), create_graph=True)
        return dict(zip(params, grads, strict=True))

    outer(dict(network.named_parameters()), by_autograd).backward()
    params = parameters(network)
    expected = grad(lambda p: outer(p, lambda q: grad(loss)(q, x[0], y[0])))(params)
    for name, parameter in network.named_parameters():
        assert (parameter.grad - expected[name]).abs().max() < 1e-12


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
@pytest.mark.parametrize("policy", ["batch", "stored"])
def test_nothing_is_mutated_in_any_gradient_mode(policy, mode):
    network = convnet().train()
    network[0].eval()
    before = state(network)
    with mode(), statistics(network, policy):
        network(batches()[0][0])
    assert_same_state(network, before)


@pytest.mark.parametrize("policy", ["batch", "stored"])
def test_the_module_is_restored_when_the_body_raises(policy):
    network = convnet().train()
    before = state(network)
    with pytest.raises(KeyError), statistics(network, policy):
        raise KeyError
    assert_same_state(network, before)


@pytest.mark.parametrize("policies", list(product(["batch", "stored"], repeat=3)))
def test_of_nested_contexts_the_innermost_decides(policies):
    network = convnet().train()
    before, x = state(network), batches()[0][0]
    expected = {}
    for policy in ("batch", "stored"):
        with statistics(network, policy):
            expected[policy] = network(x)
    first, second, third = policies
    with statistics(network, first):
        with statistics(network, second):
            with statistics(network, third):
                assert torch.equal(network(x), expected[third])
            assert torch.equal(network(x), expected[second])
            assert uses_batch_statistics(network, "stored") is False
        assert torch.equal(network(x), expected[first])
    assert_same_state(network, before)


@pytest.mark.parametrize("training", [True, False])
def test_without_stored_statistics_stored_means_the_batch(training):
    network = convnet(nn.BatchNorm2d(3, track_running_stats=False)).train(training)
    x = batches()[0][0]
    with statistics(network, "stored"):
        stored = network(x)
    with statistics(network, "batch"):
        batch = network(x)
    assert torch.equal(stored, batch)
    assert uses_batch_statistics(network, "stored")


@pytest.mark.parametrize("training", [True, False])
def test_tracked_instancenorm_follows_the_policy(training):
    network = convnet(nn.InstanceNorm2d(3, track_running_stats=True)).train(training)
    before, hidden, norm = state(network), network[0](batches()[0][0]), network[1]
    with statistics(network, "batch"):
        own = norm(hidden)
    with statistics(network, "stored"):
        stored = norm(hidden)
    expected = nn.functional.instance_norm(hidden)
    assert torch.allclose(own, expected, atol=1e-12)
    expected = standardised(hidden, norm.running_mean, norm.running_var)
    assert torch.allclose(stored, expected, atol=1e-12)
    assert_same_state(network, before)


def test_what_counts_as_batch_statistics():
    tracked, instance = convnet(), convnet(nn.InstanceNorm2d(3))
    assert has_batchnorm(tracked)
    assert not has_batchnorm(instance)
    assert uses_batch_statistics(tracked, "batch")
    assert not uses_batch_statistics(tracked, "stored")
    assert not uses_batch_statistics(instance, "batch")
    assert not uses_batch_statistics(nn.Linear(2, 2), "batch")


def test_syncbatchnorm_takes_the_statistics_of_its_own_batch():
    network = nn.SyncBatchNorm.convert_sync_batchnorm(convnet()).train()
    x = batches()[0][0]
    with statistics(network, "batch"):
        assert not network[1].training, "in train mode it would gather from the other ranks"
        synced = network(x)
    plain = convnet()
    with statistics(plain, "batch"):
        assert torch.equal(synced, plain(x))


def enter(network: nn.Module, policy: str) -> None:
    with statistics(network, policy):
        pass


@pytest.mark.parametrize("call", [enter, uses_batch_statistics])
def test_an_unknown_policy_names_the_known(call):
    with pytest.raises(TlmlError) as caught:
        call(convnet(), "eval")
    assert str(caught.value) == "batchnorm: 'eval' is not one of batch, stored"


def test_what_batchnorm_can_take_statistics_of_is_tried_and_leaves_no_trace() -> None:
    vectors = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout())
    images = nn.Sequential(nn.BatchNorm2d(3), nn.Dropout())
    before = copy.deepcopy(vectors.state_dict())
    drawn = torch.get_rng_state()
    check_statistics(vectors, "batch", torch.ones(2, 3))
    check_statistics(vectors, "stored", torch.ones(1, 3))
    check_statistics(images, "batch", torch.ones(1, 3, 2, 2))  # four values for each channel
    with pytest.raises(TooFewExamplesError):
        check_statistics(vectors, "batch", torch.ones(1, 3))
    with pytest.raises(TooFewExamplesError):
        check_statistics(images, "batch", torch.ones(1, 3, 1, 1))
    assert vectors.training and torch.equal(torch.get_rng_state(), drawn)
    assert all(torch.equal(before[name], value) for name, value in vectors.state_dict().items())
