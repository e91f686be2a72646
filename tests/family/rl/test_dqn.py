"""DQN: its update against plain autograd by both paths, its target, how it acts and refuses."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from agents import Lines
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_agents import INPUTS, values_of
from torch import Tensor, nn
from torch.nn import functional as F
from value_agents import by_autograd, dqn, drawn, rollout

import tlml
from tlml import TlmlError
from tlml.data import Transitions
from tlml.errors import DivergedError
from tlml.networks import mlp
from tlml.views import ViewSpaces
from tlml_rl.dqn import DQN
from tlml_rl.off_policy.target import Target
from tlml_rl.off_policy.values import value_perceptron
from tlml_rl.off_policy.values_by_hand import ValuesByAutograd, value_lack


def plain_update(network: nn.Module, target: nn.Module, steps: Transitions, agent: DQN) -> None:
    """Update as the papers say, minibatch by minibatch and by torch's own optimiser."""
    optimizer = torch.optim.Adam(network.parameters(), lr=agent.lr, eps=agent.eps)
    for g in range(len(steps.rewards)):
        x, after = steps.observations[g].double(), steps.next_observations[g].double()
        with torch.no_grad():
            worth, own = target(after), network(after)
            if steps.next_allowed is not None:
                worth, own = (one.masked_fill(~steps.next_allowed[g], -1e9) for one in (worth, own))
            best = own.argmax(1) if agent.doubled else worth.argmax(1)
            follows = worth.gather(1, best[:, None])[:, 0]
            follows[steps.terminated[g]] = 0.0
            aims = steps.rewards[g].double() + steps.discount[g].double() * follows
        found = network(x).gather(1, steps.actions[g][:, None])[:, 0]
        losses = F.smooth_l1_loss(found, aims, reduction="none")
        if steps.weights is not None:
            losses = losses * steps.weights[g].double()
        optimizer.zero_grad()
        losses.mean().backward()
        if agent.clip_norm is not None:
            nn.utils.clip_grad_norm_(network.parameters(), agent.clip_norm)
        optimizer.step()


def as_it_was(agent: DQN) -> nn.Module:
    """Return the target network."""
    found = copy.deepcopy(agent.built())
    found.load_state_dict(agent.target.tensors())
    return found


def joined(network: nn.Module) -> Tensor:
    return torch.cat([p.detach().reshape(-1) for p in network.parameters()])


OPTIONS: list[dict[str, Any]] = [
    {},
    {"double": True},
    {"dueling": True},
    {"n_step": 3},
    {"priority_alpha": 0.6},
    {"double": True, "dueling": True, "n_step": 3, "priority_alpha": 0.5, "clip_norm": 0.1},
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: " ".join(o) or "plain")
@pytest.mark.parametrize("way", ["by hand", "autograd"])
def test_an_update_is_that_of_plain_autograd(options: dict[str, Any], way: str) -> None:
    agent = dqn(lr=0.01, **options)
    right, target = copy.deepcopy(agent.built()), as_it_was(agent)
    before, steps = values_of(agent), drawn(agent)
    assert steps.terminated.any() and not steps.terminated.all()
    assert (steps.discount < agent.gamma).any() == (agent.n_step > 1)
    if way == "autograd":
        by_autograd(agent)
    plain_update(right, target, steps, agent)
    agent.update(steps)
    assert agent.path().name == way
    assert (joined(right) - before).abs().max() > 0.01
    torch.testing.assert_close(values_of(agent), joined(right), rtol=0, atol=1e-7)
    assert torch.equal(joined(as_it_was(agent)), joined(target))


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=3), st.sampled_from(["tanh", "relu"]),
    st.booleans(), st.booleans(), st.booleans(), st.integers(0, 100),
)  # fmt: skip
def test_both_paths_come_to_the_same(hidden, activation, double, dueling, masks, seed) -> None:
    options = {"hidden": hidden, "activation": activation}
    agents = [dqn(network_options=options, double=double, dueling=dueling) for _ in range(2)]
    for agent in agents if masks else []:
        agent.replay.clear()
        agent.replay.write(rollout(40, 2, seed, masks=True))
    told = [one.update(drawn(one, seed)) for one in (by_autograd(agents[0]), agents[1])]
    torch.testing.assert_close(values_of(agents[1]), values_of(agents[0]), rtol=0, atol=1e-8)
    assert agents[1].path().name == "by hand"
    for name, value in told[0].items():
        assert told[1][name] == pytest.approx(value, rel=1e-6, abs=1e-7)


def test_what_is_ruled_out_has_no_worth() -> None:
    agent = dqn()
    agent.replay.clear()
    agent.replay.write(rollout(40, 2, 5, masks=True))
    right, steps = copy.deepcopy(agent.built()), drawn(agent)
    plain_update(right, as_it_was(agent), steps, agent)
    agent.update(steps)
    torch.testing.assert_close(values_of(agent), joined(right), rtol=0, atol=1e-8)
    other = dqn()
    other.update(steps._replace(next_allowed=None))
    assert not torch.allclose(values_of(other), joined(right), rtol=0, atol=1e-6)


def test_errors_of_a_turn_become_priorities_of_the_next() -> None:
    agent = dqn(priority_alpha=1.0, lr=1e-9, gradient_steps=1)
    steps = drawn(agent)
    with torch.no_grad():
        found = agent.built()(steps.observations[0].double())
        worth = as_it_was(agent)(steps.next_observations[0].double()).max(1).values
    worth[steps.terminated[0]] = 0.0
    wrong = found.gather(1, steps.actions[0][:, None])[:, 0] - (
        steps.rewards[0] + agent.gamma * worth
    )
    agent.update(steps)
    assert steps.rows is not None and agent.replay.priorities is not None
    kept = agent.replay.priorities.at(steps.rows[0].numpy())
    np.testing.assert_allclose(kept, wrong.abs() + 1e-6, rtol=1e-5)


@pytest.mark.parametrize(("tau", "times"), [(1.0, 1), (0.3, 1), (0.3, 4)])
def test_the_target_follows_by_steps_in_environments(tau: float, times: int) -> None:
    agent = dqn(tau=tau, target_every=10)
    target, network = joined(as_it_was(agent)), values_of(agent)
    agent._before = 15
    agent.env_steps.fill_(19)
    agent.follow_target()
    assert torch.equal(joined(as_it_was(agent)), target)
    agent.env_steps.fill_(15 + 10 * times)
    agent.follow_target()
    for _ in range(times):
        target = (1 - tau) * target + tau * network
    torch.testing.assert_close(joined(as_it_was(agent)), target)


def test_networks_without_a_hand_made_path_say_so_and_learn() -> None:
    agent = dqn(network=mlp((3,), 2, hidden=[6]), network_options=None)
    steps, right = drawn(agent), copy.deepcopy(agent.built())
    plain_update(right, as_it_was(agent), steps, agent)
    agent.update(steps)
    assert agent.path().name == "autograd"
    torch.testing.assert_close(values_of(agent), joined(right), rtol=0, atol=1e-8)
    assert agent.act(np.zeros((4, 3), np.float32)).shape == (4,)


def test_actions_are_the_best_of_those_allowed_as_the_environment_numbers_them() -> None:
    agent = DQN(network_options={"hidden": [4]})
    agent.meet(ViewSpaces(INPUTS, Discrete(3, start=5)))
    seen = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    values = ValuesByAutograd(agent.built(), agent.target).values(seen)
    assert (agent.act(seen) == values.argmax(1) + 5).all()
    allowed = np.arange(3) != values.argmax(1)[:, None]
    second = np.argsort(values, 1)[:, 1]
    assert (agent.act(seen, allowed) == second + 5).all()


def test_chance_is_all_before_learning_then_falls_and_stays() -> None:
    agent = dqn(
        max_env_steps=100, epsilon=0.8, epsilon_end=0.2, epsilon_share=0.5, learning_starts=10
    )
    found = agent.chance(np.array([0, 9, 10, 25, 50, 99]))
    np.testing.assert_allclose(found, [1, 1, 0.68, 0.5, 0.2, 0.2])


@pytest.mark.parametrize(("epsilon", "most"), [(0.0, 0), (1.0, 400)])
def test_it_acts_by_chance_as_often_as_it_is_told(epsilon: float, most: int) -> None:
    agent = DQN(
        max_env_steps=1_000, epsilon=epsilon, epsilon_end=epsilon, learning_starts=0,
        network_options={"hidden": [4]},
    )  # fmt: skip
    agent.enter(agent.view(Lines(), envs=4))
    found = agent.collect(100)
    best = agent.decide(found.observations[:-1].flatten(0, 1).numpy())
    other = int((found.actions.flatten().numpy() != best).sum())
    assert other == 0 if most == 0 else 100 < other < 300
    agent.leave()


def test_a_loss_that_is_not_finite_ends_the_fit() -> None:
    agent = dqn()
    with torch.no_grad():
        agent.built().head.action.bias.fill_(torch.nan)
    with pytest.raises(DivergedError, match=r"DQN: the loss is nan .* take a lower lr"):
        agent.update(drawn(agent))


@pytest.mark.parametrize(
    ("space", "told"), [(Box(-1, 1, (2,)), "Box"), (MultiDiscrete([2, 3]), "MultiDiscrete")]
)
def test_other_actions_are_refused(space: Any, told: str) -> None:
    with pytest.raises(TlmlError, match=f"DQN: it values numbered actions.*{told}.*such as ppo"):
        DQN().meet(ViewSpaces(INPUTS, space))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"buffer_size": 32}, "batch_size: 64 steps are more than the 32 of buffer_size"),
        ({"max_env_steps": 500}, "learning_starts: 1000 is more than max_env_steps=500"),
        ({"buffer_size": 900}, "learning_starts: 1000 is more than buffer_size=900"),
        ({"block_steps": 300}, "block_steps: 300 is no multiple of train_every=256"),
        ({"n_step": 0}, "n_step: must be greater than 0"),
        ({"tau": 1.5}, "tau: must be from 0 to 1, is 1.5"),
        ({"epsilon_end": -0.1}, "epsilon_end: must be from 0 to 1"),
        ({"priority_alpha": 0.0}, "priority_alpha: must be greater than 0"),
        ({"priority_beta": 2.0}, "priority_beta: must be from 0 to 1"),
        ({"learning_starts": -1}, "learning_starts: must be at least 0"),
        ({"gamma": 1.5}, "gamma: must be from 0 to 1"),
        ({"lr_schedule": "cosine"}, "lr_schedule: 'cosine' is not one of linear, constant"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(TlmlError, match=message):
        DQN(**options)


def test_a_network_without_features_is_refused() -> None:
    with pytest.raises(TlmlError, match=r"network: an agent takes a tlml.Network .* is a Linear"):
        DQN(nn.Linear(3, 2)).meet(ViewSpaces(INPUTS, Discrete(2)))
    with pytest.raises(TlmlError, match="network auto: has no option 'hiden'; did you mean hidden"):
        DQN(network_options={"hiden": [3]}).meet(ViewSpaces(INPUTS, Discrete(2)))


def test_processes_that_would_replay_apart_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = DQN()
    view = agent.view(Lines(), envs=2)
    monkeypatch.setattr(type(view), "world", lambda self: (0, 2))
    with pytest.raises(TlmlError, match=r"DQN: 2 processes would each replay .* take devices=1"):
        agent.check(view)


def test_more_environments_than_there_are_places_for_are_refused() -> None:
    agent = DQN(buffer_size=64, batch_size=8, learning_starts=10)
    with pytest.raises(TlmlError, match="buffer_size: 64 places are too few for 40 environments"):
        agent.check(agent.view(Lines(), envs=40))


def test_it_is_a_learner_by_name() -> None:
    assert isinstance(tlml.learner("dqn", max_env_steps=2_000), DQN)


def test_what_cannot_be_done_by_hand_says_why() -> None:
    def network(**options: Any) -> nn.Module:
        return value_perceptron(INPUTS, 2, **options)

    assert value_lack(network()) == ""
    assert value_lack(network(hidden=[3], activation="tanh", dueling=True)) == ""
    assert "in torch.bfloat16" in value_lack(network().bfloat16())
    other: Any = network()
    other.body[2] = nn.GELU()
    assert "no perceptron" in value_lack(other)
    hooked: Any = network()
    hooked.head.action.register_forward_hook(lambda *_: None)
    assert value_lack(hooked) == "the network has hooks"


def test_a_target_keeps_what_was_there_and_its_place_in_memory() -> None:
    network = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    before = copy.deepcopy(network)
    target, x = Target(network), torch.randn(6, 2)
    places = [kept.data_ptr() for kept in target.buffers()]
    with torch.no_grad():
        network[0].weight.add_(1.0)
    torch.testing.assert_close(target.call(network.eval(), x), before.eval()(x))
    assert not list(target.parameters())
    target.follow(network)
    torch.testing.assert_close(target.call(network, x), network(x))
    assert [kept.data_ptr() for kept in target.buffers()] == places
