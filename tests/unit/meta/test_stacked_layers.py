"""Layers for many tasks at once, against each task by itself."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.func import functional_call

from tlml.meta.stacked_layers import linear, stacked_layers, stacked_scores
from tlml.networks import mlp

TASKS, N = 3, 5
NETWORKS: dict[str, Any] = {
    "mlp": lambda: mlp((4,), 2, hidden=[3]),
    "layernorm": lambda: nn.Sequential(
        nn.Linear(4, 3), nn.LayerNorm(3), nn.GELU(), nn.Linear(3, 2)
    ),
    "flattened": lambda: nn.Sequential(nn.Flatten(), nn.Linear(4, 1, bias=False)),
    "narrow": lambda: nn.Sequential(nn.Linear(4, 1), nn.Tanh(), nn.Linear(1, 2)),
}


def stacked(network: nn.Module) -> dict[str, torch.Tensor]:
    rng = torch.Generator().manual_seed(2)
    return {
        name: torch.randn(TASKS, *p.shape, generator=rng, dtype=torch.float64)
        for name, p in network.named_parameters()
    }


@pytest.mark.parametrize("name", NETWORKS)
def test_each_task_is_scored_by_its_own_parameters(name: str) -> None:
    network = NETWORKS[name]().double()
    layers = stacked_layers(network)
    assert layers is not None
    params, x = stacked(network), torch.randn(TASKS, N, 4, dtype=torch.float64)
    found = stacked_scores(layers, params, x, "batch")
    for task in range(TASKS):
        own = {key: value[task] for key, value in params.items()}
        torch.testing.assert_close(found[task], functional_call(network, own, (x[task],)))


def test_batchnorm_takes_the_statistics_of_each_task_or_what_is_stored() -> None:
    network = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)).double()
    layers, params = stacked_layers(network), stacked(network)
    assert layers is not None
    x = torch.randn(TASKS, N, 4, dtype=torch.float64)
    for policy in ("batch", "stored"):
        module = network.train(policy == "batch")
        found = stacked_scores(layers, params, x, policy)  # type: ignore[arg-type]
        for task in range(TASKS):
            own = {key: value[task] for key, value in params.items()}
            buffers = {key: value.clone() for key, value in network.named_buffers()}
            expected = functional_call(module, {**buffers, **own}, (x[task],))
            torch.testing.assert_close(found[task], expected)


@pytest.mark.parametrize(
    "network",
    [nn.Sequential(nn.Linear(4, 3), nn.PReLU()), nn.Sequential(nn.Flatten(2), nn.Linear(4, 3))],
    ids=["unknown layer", "another flattening"],
)
def test_what_is_not_known_is_not_stacked(network: nn.Module) -> None:
    assert stacked_layers(network) is None


def test_shared_and_watched_layers_are_not_stacked() -> None:
    layer = nn.Linear(3, 3)
    assert stacked_layers(nn.Sequential(layer, nn.Tanh(), layer)) is None
    watched = nn.Sequential(nn.Linear(3, 3))
    watched[0].register_forward_hook(lambda *_: None)
    assert stacked_layers(watched) is None


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("inputs", "outputs"), [(4, 2), (1, 2), (4, 1), (1, 1)])
def test_a_linear_layer_is_a_batched_product_of_any_width(
    inputs: int, outputs: int, bias: bool
) -> None:
    x, weight = torch.randn(TASKS, N, inputs), torch.randn(TASKS, outputs, inputs)
    shift = torch.randn(TASKS, outputs) if bias else None
    expected = x @ weight.mT + (0 if shift is None else shift[:, None])
    torch.testing.assert_close(linear(x, weight, shift), expected)
