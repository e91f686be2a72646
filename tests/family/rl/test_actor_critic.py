"""The network of agents: what it is made of, what strategies find in it, and observations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete
from policy_agents import met, rollout_of, values_of
from torch import nn

import tlml
from tlml import TlmlError
from tlml.networks import check_head, fresh_parameters, head_name, head_patterns, mlp
from tlml.views import ViewSpaces
from tlml_rl.base.actor_critic import ActorCritic, actor_critic, over_features
from tlml_rl.base.inputs import inputs_for
from tlml_rl.ppo import PPO

INPUTS = Box(-1, 1, (3,), np.float32)


def test_it_begins_orthogonal_and_all_actions_about_alike() -> None:
    made = actor_critic(INPUTS, 2, seed=3)
    for body in (made.actor, made.critic):
        first, second = body.linear()
        torch.testing.assert_close(first.weight.T @ first.weight, 2 * torch.eye(3))
        torch.testing.assert_close(second.weight @ second.weight.T, 2 * torch.eye(64))
        assert not first.bias.any() and not second.bias.any()
    policy, value = made.head.policy.weight, made.head.value.weight
    torch.testing.assert_close(policy @ policy.T, 1e-4 * torch.eye(2))
    assert float(value.detach().norm()) == pytest.approx(1)
    assert not torch.equal(made.actor[1].weight, made.critic[1].weight)


def test_it_is_a_function_of_the_seed_alone() -> None:
    before = torch.get_rng_state()
    one, same, other = (actor_critic(INPUTS, 2, log_std=-0.5, seed=s) for s in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before)
    for a, b in zip(one.parameters(), same.parameters(), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(one.actor[1].weight, other.actor[1].weight)
    fresh = fresh_parameters(one, 7)
    assert float(fresh["head.log_std"][0]) == -0.5
    gram = fresh["actor.3.weight"] @ fresh["actor.3.weight"].T
    torch.testing.assert_close(gram, 2 * torch.eye(64))


def test_strategies_find_the_last_layers() -> None:
    made = actor_critic(INPUTS, 2, log_std=0.0)
    assert head_name(made) == "head"
    assert head_patterns(made) == ("head.*",)
    check_head(made, torch.zeros(2, 3))
    (group,) = tlml.param_groups(made, tlml.strategy("linear_probe"))
    assert sorted(group["names"]) == [
        "head.log_std", "head.policy.bias", "head.policy.weight", "head.value.bias",
        "head.value.weight",
    ]  # fmt: skip


def test_strategies_of_a_whole_agent_find_them_too() -> None:
    agent = PPO()
    agent.meet(ViewSpaces(INPUTS, Discrete(2)))
    assert head_name(agent) == "head"
    groups = tlml.param_groups(agent, tlml.strategy("linear_probe"))
    names = sorted(name for group in groups for name in group["names"])
    assert names == [f"network.head.{layer}.{kind}" for layer in ("policy", "value")
                     for kind in ("bias", "weight")]  # fmt: skip


@pytest.mark.parametrize("network", ["auto", "mlp"])
def test_a_probe_trains_the_head_alone(network: str) -> None:
    agent = met(PPO(network, "linear_probe", batch_size=32))
    before = {name: value.clone() for name, value in agent.built().state_dict().items()}
    agent.update(rollout_of(agent, 8, 4))
    for name, value in agent.built().state_dict().items():
        assert torch.equal(value, before[name]) != name.startswith("head.")


def test_a_network_by_name_or_as_a_module_shares_its_features() -> None:
    named = PPO("mlp", network_options={"hidden": [5], "activation": "tanh"}, batch_size=32)
    given = PPO(mlp((3,), 99, hidden=[5]), batch_size=32)
    for agent in (named, given):
        met(agent, Discrete(4))
        network = agent.built()
        assert isinstance(network, ActorCritic) and network.shares
        assert network.head.policy.weight.shape == (4, 5)
        before = values_of(agent)
        agent.update(rollout_of(agent, 8, 4))
        assert agent.path().name == "autograd, but for the loss"
        assert not torch.equal(values_of(agent), before)


def test_an_actor_critic_of_ones_own_is_taken_as_it_is() -> None:
    own = actor_critic(INPUTS, 2, hidden=[7])
    agent = PPO(own)
    agent.meet(ViewSpaces(INPUTS, Discrete(2)))
    assert agent.built() is own
    other = PPO(actor_critic(INPUTS, 3))
    with pytest.raises(TlmlError, match=r"PPO: the network gives \[2, 3\] for 2 observations"):
        other.meet(ViewSpaces(INPUTS, Discrete(2)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: over_features(nn.Linear(3, 2), 2, None, 0), "an agent takes a tlml.Network"),
        (lambda: actor_critic(INPUTS, 2, activation="gelu"), "activation: 'gelu' is not one of"),
        (
            lambda: met(PPO(network_options={"widths": 3})),
            "has no option 'widths'; choose from activation, hidden",
        ),
        (lambda: met(PPO(network_options={"hidden": [0]})), "hidden: must be a whole number"),
        (lambda: met(PPO(), Dict({"a": Discrete(2)})), "targets|no policy|spaces"),
        (lambda: PPO().act(np.zeros((1, 3))), "PPO: the network .auto. is not built yet"),
    ],
)
def test_what_fits_no_agent_is_refused(make: Any, message: str) -> None:
    with pytest.raises(TlmlError, match=message):
        make()


def test_observations_become_rows_of_floats() -> None:
    encode = inputs_for(Box(-5, 5, (2,), np.float64)).encode
    assert encode(np.array([[1.0, -2.0]])).dtype == np.float32
    images = inputs_for(Box(0, 255, (2, 2, 3), np.uint8))
    assert images.space.shape == (2, 2, 3)
    assert images.encode(np.full((1, 2, 2, 3), 51, np.uint8)).max() == np.float32(0.2)
    classes = inputs_for(Discrete(3, start=4))
    assert classes.encode(np.array([4, 6])).tolist() == [[1, 0, 0], [0, 0, 1]]
    several = inputs_for(MultiDiscrete([2, 3]))
    assert several.encode(np.array([[1, 2], [0, 0]])).tolist() == [
        [0, 1, 0, 0, 1], [1, 0, 1, 0, 0],
    ]  # fmt: skip
    assert inputs_for(MultiBinary(3)).encode(np.ones((2, 3), np.int8)).dtype == np.float32
    with pytest.raises(TlmlError, match="observations: no network takes"):
        inputs_for(Dict({"a": Discrete(2)}))


@pytest.mark.parametrize("space", [Discrete(3), Box(-4, 2, (2,)), MultiDiscrete([2, 2])], ids=str)
def test_agents_act_without_chance_on_tensors_and_arrays(space: Any) -> None:
    agent = met(PPO(), space)
    seen = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    found = agent.act(seen)
    assert np.array_equal(found, agent.act(torch.from_numpy(seen)))
    assert all(space.contains(row) for row in found.astype(space.dtype))
    agent.path()  # by hand from here on
    np.testing.assert_allclose(agent.act(seen), found, rtol=1e-5)
    kept = agent.act(seen[:2])
    agent.act(seen[2:4])
    np.testing.assert_allclose(kept, found[:2], rtol=1e-5)
