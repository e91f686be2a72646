"""Slopes by a compiled program: those of autograd, and taken where asked for and possible."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from agents import Lines
from slopes_cases import case
from torch import nn

from tlml_rl.base.actor_critic import ActorCritic
from tlml_rl.base.by_hand import AutogradPath
from tlml_rl.base.compiled_path import CompiledPath
from tlml_rl.base.flat import FlatParameters
from tlml_rl.base.objective import Objective
from tlml_rl.ppo import PPO


@pytest.mark.parametrize(
    "kind, masks, objectives",
    [
        ("categorical", True, [Objective(clip, 0.1, 0.7, 0.3) for clip in (0.2, 0.05)]),
        ("gaussian", False, [Objective(None, 0.0, 0.5)]),
    ],
)
def test_gradients_and_terms_are_those_of_autograd(
    kind: str, masks: bool, objectives: list[Objective]
) -> None:
    made = case(kind, [5], "tanh", 1, masks=masks)
    made.network.actor[2] = nn.GELU()
    made.network.critic.requires_grad_(False)
    other = copy.deepcopy(made.network)
    paths: list[Any] = [
        how(network, made.policy, FlatParameters(network.parameters()))
        for how, network in ((AutogradPath, made.network), (CompiledPath, other))
    ]
    for objective in objectives:
        for each in paths:
            each.flat.gradients.fill_(7.0)
        right, found = (each.slopes(objective, made.rows, True) for each in paths)
        np.testing.assert_allclose(found, right, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(
            paths[1].flat.gradients, paths[0].flat.gradients, rtol=1e-9, atol=1e-11
        )
        assert paths[0].flat.gradients.abs().max() > 1e-4
    assert len(paths[1]._programs) == 1  # another clip is no other program
    other.requires_grad_(False)  # a strategy may freeze all there is
    found = paths[1].slopes(objectives[-1], made.rows, True)
    np.testing.assert_allclose(found, right, rtol=1e-9, atol=1e-12)
    assert not paths[1].flat.gradients.any()


def bent(agent: PPO, layer: nn.Module) -> PPO:
    """Let an agent meet a domain, with another layer in its actor."""
    view = agent.view(Lines(), envs=2)
    network = agent.built()
    assert isinstance(network, ActorCritic)
    network.actor[2] = layer  # type: ignore[index]
    agent.enter(view)  # type: ignore[arg-type]
    return agent


def test_an_agent_compiles_where_it_is_told_to_and_has_to() -> None:
    options: dict[str, Any] = {
        "max_env_steps": 100, "rollout_steps": 4, "batch_size": 8, "epochs": 2, "seed": 1,
        "network_options": {"hidden": [4]},
    }  # fmt: skip
    compiled, plain = (bent(PPO(**options, compile=c), nn.GELU()) for c in (True, False))
    for agent in (compiled, plain):
        agent.update(agent.collect(4))
        agent.leave()
    assert isinstance(compiled.path(), CompiledPath)
    assert not isinstance(plain.path(), CompiledPath)
    for one, other in zip(compiled.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
    again = copy.deepcopy(compiled)  # a copy has programs of its own
    assert isinstance(again.path(), CompiledPath)
    by_hand = bent(PPO(**options, compile=True), nn.Tanh())
    assert by_hand.path().name == "by hand"
    counting = bent(PPO(**options, compile=True), nn.BatchNorm1d(4))
    path, why = counting.choose_path(FlatParameters(counting.built().parameters()))
    assert path.name == "autograd, but for the loss"
    assert why == "its buffer actor.2.running_mean changes, which no program may"
    for agent in (by_hand, counting):
        agent.leave()
