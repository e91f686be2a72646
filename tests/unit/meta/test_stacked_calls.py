"""Networks as people write them, run for several tasks at once."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from trainers import quiet_trainer

import tlml
from tlml import Batch, Episode, GradientLearner
from tlml.meta.paths import path_for
from tlml.meta.stacked_calls import can_stack_calls


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(2, 6), nn.Linear(6, 6), nn.Linear(6, 1, bias=False)
        self.norm = nn.LayerNorm(6)
        self.scale = nn.Parameter(torch.linspace(0.5, 1.5, 6))
        self.drop = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.c(torch.tanh(self.b(F.relu(self.a(x)))))
        return found


class Residual(Plain):
    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x.reshape(x.size(0), -1))
        x = x + self.norm(self.b(x).relu()) * self.scale
        return self.c(2 * F.silu(x) - self.scale)  # type: ignore[no-any-return]


class Norms(Plain):
    def forward(self, x: Tensor) -> Tensor:
        x = F.layer_norm(torch.sigmoid(self.a(x)), (6,), self.scale)
        return self.c(F.layer_norm(x, (6,))).flatten(1)  # type: ignore[no-any-return]


class Transposed(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return self.c(F.linear(self.a(x), self.b.weight.T))  # type: ignore[no-any-return]


class Sorted(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return self.c(torch.cumsum(self.a(x), 1))  # type: ignore[no-any-return]


class Constant(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.ones(2))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x - self.mean)


class Changing(Plain):
    """In training it does something more."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.cumsum(1) if self.training else x)


class Typed(Plain):
    def forward(self, x: Tensor) -> Tensor:
        if not isinstance(x, Tensor) or x.shape[-1] != 2 or len(x) != x.shape[0]:
            raise TypeError
        return super().forward(x.to(x.dtype))


STACKED = [Plain, Residual, Norms, Typed]
OTHERS = [Transposed, Sorted, Constant, Changing]


def made(kind: type[nn.Module]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return kind().double()


def learner_of(net: nn.Module, **options: Any) -> GradientLearner:
    strategy = tlml.strategy("sgd", lr=0.1, steps=2)
    learner = tlml.learner("maml", network=copy.deepcopy(net), strategy=strategy, **options)
    assert isinstance(learner, GradientLearner)
    return learner


def waves() -> Episode:
    rng = torch.Generator().manual_seed(0)
    sides = [torch.randn(3, 5, 2, generator=rng, dtype=torch.float64) for _ in range(2)]
    return Episode(*(Batch(x, (x * x).sum(-1, keepdim=True)) for x in sides))


def slopes(learner: GradientLearner) -> dict[str, Tensor]:
    learner.meta_loss(waves()).backward()  # type: ignore[no-untyped-call]
    return {n: p.grad for n, p in learner.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("kind", [*STACKED, *OTHERS])
def test_every_network_has_the_gradient_of_the_loop(kind: type[nn.Module]) -> None:
    learner, loop = learner_of(made(kind)), learner_of(made(kind), vectorize="loop")
    found, expected = slopes(learner), slopes(loop)
    assert found.keys() == expected.keys()
    for name, slope in expected.items():
        torch.testing.assert_close(found[name], slope, rtol=1e-10, atol=1e-12)
    assert learner.stacks_calls == (kind in STACKED)


@pytest.mark.parametrize("first_order", [True, False])
@pytest.mark.parametrize("options", [{"memory": "low"}, {"chunk_size": 2}, {"vectorize": "stack"}])
def test_the_options_of_stacking_are_its_too(options: dict[str, Any], first_order: bool) -> None:
    net = made(Residual)
    found = slopes(learner_of(net, first_order=first_order, **options))
    expected = slopes(learner_of(net, first_order=first_order, vectorize="loop"))
    for name, slope in expected.items():
        torch.testing.assert_close(found[name], slope, rtol=1e-10, atol=1e-12)


def test_it_is_compiled_too() -> None:
    pytest.importorskip("torch._inductor")
    found, expected = (slopes(learner_of(made(Plain), compile=c)) for c in (True, False))
    for name, slope in expected.items():
        torch.testing.assert_close(found[name], slope, rtol=1e-9, atol=1e-11)


def test_trying_leaves_the_network_as_it_was() -> None:
    net = made(Plain)
    net.drop.eval()
    before = {n: v.clone() for n, v in net.state_dict().items()}
    assert can_stack_calls(net, torch.randn(4, 2, dtype=torch.float64))
    assert net.training and not net.drop.training
    assert all(torch.equal(before[n], v) for n, v in net.state_dict().items())


def test_other_networks_are_not_tried_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    learner = learner_of(made(Sorted))
    slopes(learner)
    monkeypatch.setattr("tlml.meta.paths.can_stack_calls", None)
    slopes(learner)


def test_a_fit_says_that_it_stacks(caplog: pytest.LogCaptureFixture) -> None:
    learner = tlml.learner("maml", network=Plain1())
    view = learner.view(tlml.domain("sinusoid"), tasks_per_batch=4, episodes=8)
    with caplog.at_level("INFO"):
        quiet_trainer(max_epochs=1, limit_val_batches=0).fit(learner, view)
    assert "run by stack (every operation of the network is known" in caplog.text
    assert path_for(learner).name == "stack"


class Plain1(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(1, 4), nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(self.a(x).tanh())  # type: ignore[no-any-return]
