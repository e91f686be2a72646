"""Networks as people write them, run for several tasks at once."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from networks_as_written import Plain, learner_of, made, slopes
from torch import Tensor, nn
from torch.nn import functional as F

from tlml.meta.stacked_calls import can_stack_calls


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
