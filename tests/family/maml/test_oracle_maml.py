"""MAML's meta-gradient against finite differences and a slow reference, in float64."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

import tlml
from tlml import Batch, Episode

TASKS, RATE = 3, 0.1
VECTORIZE = ("loop", "vmap", "auto")
ORDERS = pytest.mark.parametrize("first_order", [False, True], ids=["second", "first"])
STEPS = pytest.mark.parametrize("steps", [1, 5])
Values = dict[str, Tensor]


def mlp(norm: nn.Module | None = None) -> nn.Module:
    middle = [norm] if norm is not None else []
    return nn.Sequential(nn.Linear(2, 6), *middle, nn.Tanh(), nn.Linear(6, 1))


def convnet(norm: Callable[[], nn.Module]) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), norm(), nn.Tanh(), nn.AvgPool2d(2),
        nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.Softplus(),
        nn.Flatten(), nn.Linear(4 * 9, 3),
    )  # fmt: skip


def small(*middle: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 3), *middle, nn.Tanh(), nn.Flatten(), nn.Linear(32, 3))


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "mlp": mlp,
    "mlp_batchnorm": lambda: mlp(nn.BatchNorm1d(6)),
    "mlp_layernorm": lambda: mlp(nn.LayerNorm(6)),
    "batchnorm": lambda: convnet(lambda: nn.BatchNorm2d(4)),
    "layernorm": lambda: convnet(lambda: nn.LayerNorm([4, 6, 6])),
    "groupnorm": lambda: convnet(lambda: nn.GroupNorm(2, 4)),
    "instancenorm": lambda: convnet(
        lambda: nn.InstanceNorm2d(4, affine=True, track_running_stats=True)
    ),
}
# What a compiler takes less time for: every norm is there, in small and few networks.
SMALL: dict[str, Callable[[], nn.Module]] = {
    "mlp_norms": lambda: nn.Sequential(
        nn.Linear(2, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.LayerNorm(6), nn.Linear(6, 1)
    ),
    "small_batchnorm": lambda: small(nn.BatchNorm2d(2)),
    "small_norms": lambda: small(
        nn.GroupNorm(2, 2), nn.Tanh(), nn.InstanceNorm2d(2, affine=True), nn.Softplus(),
        nn.LayerNorm([2, 4, 4]),
    ),
}  # fmt: skip
KINDS = pytest.mark.parametrize("kind", NETWORKS)


def network(kind: str) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        made = (NETWORKS | SMALL)[kind]().double()
        for name, parameter in made.named_parameters():
            if name.endswith("bias"):  # zeros would hide mistakes
                nn.init.normal_(parameter, std=0.3)
    return made


def episode(kind: str) -> Episode:
    """Return float32 tasks: values for the perceptrons, three classes for the convnets."""
    rng = torch.Generator().manual_seed(5)

    def batch(n: int) -> Batch:
        if kind.startswith("mlp"):
            x = torch.randn(TASKS, n, 2, generator=rng)
            slopes = torch.randn(TASKS, 2, 1, generator=rng)
            return Batch(x, x @ slopes)
        x = torch.randn(TASKS, n, 1, 6, 6, generator=rng)
        return Batch(x, torch.randint(3, (TASKS, n), generator=rng))

    return Episode(batch(6), batch(7))


def learner_of(
    kind: str, steps: int, first_order: bool, vectorize: str, **options: Any
) -> tlml.GradientLearner:
    learner = tlml.learner(
        "maml", network=network(kind), strategy=tlml.strategy("sgd", lr=RATE, steps=steps),
        first_order=first_order, vectorize=vectorize, **options,
    )  # fmt: skip
    assert isinstance(learner, tlml.GradientLearner)
    return learner


def loss_of(net: nn.Module, params: Values, batch: Batch, task: int) -> Tensor:
    """Return the loss of one task by the batch's statistics; what is stored goes into copies."""
    buffers = {name: value.clone() for name, value in net.named_buffers()}
    scores = functional_call(net, {**buffers, **params}, (batch.x[task].double(),))
    y = batch.y[task]
    return F.mse_loss(scores, y.double()) if y.is_floating_point() else F.cross_entropy(scores, y)


def slow_adapted(
    net: nn.Module, params: Values, support: Batch, task: int, steps: int, graph: bool
) -> Values:
    for _ in range(steps):
        loss = loss_of(net, params, support, task)
        slopes = torch.autograd.grad(loss, list(params.values()), create_graph=graph)
        pairs = zip(params.items(), slopes, strict=True)
        params = {name: value - RATE * slope for (name, value), slope in pairs}
    return params


def outer_loss(net: nn.Module, params: Values, data: Episode, steps: int) -> Tensor:
    losses = []
    for task in range(TASKS):
        adapted = slow_adapted(net, params, data.support, task, steps, graph=True)
        losses.append(loss_of(net, adapted, data.query, task))
    return torch.stack(losses).mean()


@cache
def reference(kind: str, steps: int, first_order: bool) -> tuple[Tensor, Values]:
    """Return the meta-loss and its gradient: exact, or first order by its definition."""
    net, data = network(kind), episode(kind)
    params = {name: p.detach().requires_grad_() for name, p in net.named_parameters()}
    if not first_order:
        loss = outer_loss(net, params, data, steps)
        slopes = torch.autograd.grad(loss, list(params.values()))
        return loss.detach(), dict(zip(params, slopes, strict=True))
    total = {name: torch.zeros_like(p) for name, p in params.items()}
    losses = []
    for task in range(TASKS):
        adapted = slow_adapted(net, params, data.support, task, steps, graph=False)
        there = {name: value.detach().requires_grad_() for name, value in adapted.items()}
        loss = loss_of(net, there, data.query, task)
        for name, slope in zip(there, torch.autograd.grad(loss, list(there.values())), strict=True):
            total[name] += slope / TASKS
        losses.append(loss.detach())
    return torch.stack(losses).mean(), total


def gradient_of(learner: tlml.GradientLearner, data: Episode) -> tuple[Tensor, Values]:
    loss = learner.meta_loss(data)
    loss.backward()
    named = learner.built().named_parameters()
    return loss.detach(), {name: p.grad for name, p in named if p.grad is not None}


PERCEPTRONS = [kind for kind in NETWORKS if kind.startswith("mlp")]
PATHS: list[Any] = [
    *itertools.product(NETWORKS, [{"vectorize": path} for path in VECTORIZE]),
    *itertools.product(NETWORKS, [{"vectorize": "vmap", "chunk_size": 2}, {"memory": "low"}]),
    *itertools.product(PERCEPTRONS, [
        {"vectorize": "stack"}, {"vectorize": "stack", "chunk_size": 2},
        {"vectorize": "stack", "memory": "low"}, {"vectorize": "loop", "memory": "low"},
    ]),
    *itertools.product(
        [kind for kind in NETWORKS if kind not in PERCEPTRONS], [{"channels_last": True}]
    ),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "options"), PATHS)
@STEPS
@ORDERS
def test_the_meta_gradient_equals_the_slow_reference(kind, steps, first_order, options):
    learner = learner_of(kind, steps, first_order, **{"vectorize": "auto", **options})
    loss, slopes = gradient_of(learner, episode(kind))
    expected_loss, expected = reference(kind, steps, first_order)
    assert slopes.keys() == expected.keys()
    torch.testing.assert_close(loss, expected_loss, rtol=1e-12, atol=0)
    scale = max(float(slope.abs().max()) for slope in expected.values())
    for name, slope in slopes.items():
        assert slope.dtype == torch.float64
        torch.testing.assert_close(slope, expected[name], rtol=1e-10, atol=1e-10 * scale)


COMPILED = [*itertools.product(SMALL, [False]), ("small_batchnorm", True)]


@pytest.mark.parametrize(("kind", "first_order"), COMPILED)
def test_a_compiled_meta_gradient_equals_the_slow_reference(kind, first_order):
    pytest.importorskip("torch._inductor")
    learner = learner_of(kind, 1, first_order, "auto", compile=True)
    loss, slopes = gradient_of(learner, episode(kind))
    expected_loss, expected = reference(kind, 1, first_order)
    torch.testing.assert_close(loss, expected_loss, rtol=1e-12, atol=0)
    for name, slope in slopes.items():
        torch.testing.assert_close(slope, expected[name], rtol=1e-9, atol=1e-11)


@KINDS
@STEPS
def test_first_and_second_order_differ(kind, steps):
    first, second = reference(kind, steps, True)[1], reference(kind, steps, False)[1]
    off = max(float((first[name] - second[name]).abs().max()) for name in first)
    assert off > 1e-4


@KINDS
@STEPS
def test_the_second_order_gradient_equals_finite_differences_of_the_outer_loss(kind, steps):
    slopes = gradient_of(learner_of(kind, steps, False, "auto"), data := episode(kind))[1]
    net = network(kind)
    start = {name: p.detach() for name, p in net.named_parameters()}
    rng = torch.Generator().manual_seed(steps)

    def value(direction: Values, size: float) -> float:
        moved = {n: (p + size * direction[n]).requires_grad_() for n, p in start.items()}
        return float(outer_loss(net, moved, data, steps).detach())

    def difference(direction: Values) -> float:
        # Five points: the error falls as the fourth power of the step.
        far, near = 2e-3, 1e-3
        outer = value(direction, far) - value(direction, -far)
        inner = value(direction, near) - value(direction, -near)
        return (8 * inner - outer) / (12 * near)

    norm = sum(float((slope**2).sum()) for slope in slopes.values()) ** 0.5
    for _ in range(3):
        noise = {n: torch.randn(p.shape, generator=rng, dtype=p.dtype) for n, p in start.items()}
        size = sum(float((value**2).sum()) for value in noise.values()) ** 0.5
        direction = {n: slopes[n] / norm + noise[n] / size for n in start}
        expected = sum(float((slopes[n] * direction[n]).sum()) for n in start)
        assert difference(direction) == pytest.approx(expected, rel=1e-6)
    for name in start:
        entry = int(slopes[name].abs().argmax())
        direction = {n: torch.zeros_like(p) for n, p in start.items()}
        direction[name].view(-1)[entry] = 1.0
        expected = float(slopes[name].view(-1)[entry])
        assert difference(direction) == pytest.approx(expected, rel=1e-6, abs=1e-6 * norm)


@pytest.mark.parametrize("vectorize", VECTORIZE)
@ORDERS
def test_backward_fills_the_given_module_itself(first_order, vectorize):
    net = network("batchnorm")
    learner = tlml.learner(
        "maml", network=net, strategy=tlml.strategy("sgd", lr=RATE, steps=1),
        first_order=first_order, vectorize=vectorize,
    )  # fmt: skip
    assert learner.network is net
    learner.meta_loss(episode("batchnorm")).backward()
    assert all(p.grad is not None and p.dtype == torch.float64 for p in net.parameters())


@pytest.mark.parametrize("vectorize", VECTORIZE)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("kind", ["batchnorm", "instancenorm", "mlp_batchnorm"])
def test_stored_statistics_and_modes_stay(kind, training, vectorize):
    learner = learner_of(kind, 2, False, vectorize)
    net = learner.built().train(training)
    before = copy.deepcopy(net.state_dict())
    learner.meta_loss(episode(kind)).backward()
    after = net.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(module.training == training for module in net.modules())


@pytest.mark.parametrize("kind", ["mlp", "batchnorm"])
@pytest.mark.parametrize("vectorize", VECTORIZE)
def test_the_meta_loss_is_the_mean_over_tasks(kind, vectorize):
    learner, data = learner_of(kind, 2, False, vectorize), episode(kind)
    whole = float(learner.meta_loss(data).detach())
    alone = []
    for i in range(TASKS):
        one = Episode(*(Batch(part.x[i : i + 1], part.y[i : i + 1]) for part in data))
        alone.append(float(learner.meta_loss(one).detach()))
    assert whole == pytest.approx(sum(alone) / TASKS, rel=1e-12)
    assert len({round(value, 6) for value in alone}) == TASKS


@pytest.mark.parametrize("kind", ["mlp", "groupnorm"])
@STEPS
def test_adapted_parameters_are_the_references(kind, steps):
    learner, data = learner_of(kind, steps, False, "auto"), episode(kind)
    adapted = learner.adapted(Batch(data.support.x[1], data.support.y[1]))
    net = network(kind)
    params = {name: p.detach().requires_grad_() for name, p in net.named_parameters()}
    expected = slow_adapted(net, params, data.support, 1, steps, graph=False)
    assert adapted.keys() == expected.keys()
    for name, value in adapted.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("vectorize", VECTORIZE)
def test_without_gradients_the_meta_loss_is_the_same_number(vectorize):
    learner, data = learner_of("mlp", 2, False, vectorize), episode("mlp")
    with torch.no_grad():
        quiet = learner.meta_loss(data)
    assert not quiet.requires_grad
    assert float(quiet) == pytest.approx(float(learner.meta_loss(data).detach()), rel=1e-14)


@pytest.mark.parametrize("vectorize", VECTORIZE)
def test_frozen_parameters_get_no_gradient(vectorize):
    learner = learner_of("mlp", 1, False, vectorize)
    first = next(learner.built().parameters())
    first.requires_grad_(False)
    learner.meta_loss(episode("mlp")).backward()
    assert first.grad is None
    assert all(p.grad is not None for p in list(learner.built().parameters())[1:])


def test_a_strategy_that_cannot_be_differentiated_is_refused():
    learner = tlml.learner("maml", network=network("mlp"), strategy=tlml.strategy("full"))
    with pytest.raises(tlml.TlmlError) as caught:
        learner.meta_loss(episode("mlp"))
    assert str(caught.value) == (
        "strategy Full: its steps can't be differentiated, so Maml can't learn through them; "
        "take one that can, such as sgd"
    )


@pytest.mark.parametrize("vectorize", VECTORIZE)
def test_every_task_has_a_dropout_of_its_own(vectorize):
    net = nn.Sequential(nn.Dropout(0.5), nn.Linear(2, 1, bias=False)).double()
    nn.init.ones_(net[1].weight)
    learner = tlml.learner(
        "maml", network=net, strategy=tlml.strategy("sgd", lr=RATE, steps=0), vectorize=vectorize
    )
    batch = Batch(torch.ones(64, 1, 2), torch.zeros(64, 1, 1))
    for gradients in (True, False):
        with torch.set_grad_enabled(gradients):
            loss = float(learner.meta_loss(Episode(batch, batch)).detach())
        # One mask for all would give 0², 2² or 4² (each input is dropped, or counts twice).
        assert 0 < loss < 16
        assert loss != 4
