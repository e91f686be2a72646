"""SAC and TD3: their updates against plain autograd by both paths, how they act and refuse."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_agents import INPUTS, values_of
from torch import Tensor, nn
from torch.nn import functional as F
from twin_agents import ACTIONS, by_autograd, drawn, twins

import tlml
from tlml import TlmlError
from tlml.data import Transitions
from tlml.errors import DivergedError
from tlml.views import ViewSpaces
from tlml_rl.off_policy.twins import ActorTwins
from tlml_rl.sac import SAC
from tlml_rl.td3 import TD3


class Plain:
    """The algorithms as the papers have them, by torch's own optimisers and autograd."""

    def __init__(self, agent: Any) -> None:
        self.agent, self.network = agent, copy.deepcopy(agent.built())
        self.target = copy.deepcopy(self.network)
        for name, parameters in (
            ("critics", self.target.of_critics()),
            ("actor", self.target.of_actor()),
        ):
            row = getattr(agent, f"target_{name}", None)
            if row is not None:
                nn.utils.vector_to_parameters(row.clone(), parameters)
        adam = lambda ps: torch.optim.Adam(list(ps), lr=agent.lr, eps=agent.eps)  # noqa: E731
        self.actor, self.critics = adam(self.network.of_actor()), adam(self.network.of_critics())
        self.alpha = None if self.network.log_alpha is None else adam([self.network.log_alpha])
        self.taken = 0

    def update(self, steps: Transitions) -> None:
        rng = np.random.default_rng([self.agent.seed, int(self.agent.rollouts), 3])
        shape = (len(steps.rewards), 2, *steps.actions.shape[1:])
        for g, noise in enumerate(rng.standard_normal(shape, np.float32)):
            x, a, after = (
                one[g].double()
                for one in (steps.observations, steps.actions, steps.next_observations)
            )
            worth = steps.discount[g].double() * ~steps.terminated[g]
            self.learn(
                x, a, steps.rewards[g].double(), after, worth, torch.from_numpy(noise).double()
            )

    def learn(
        self, x: Tensor, a: Tensor, r: Tensor, after: Tensor, worth: Tensor, noise: Tensor
    ) -> None:
        raise NotImplementedError

    def step(self, optimizer: Any, loss: Tensor) -> None:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def follow(self, parameters: str) -> None:
        pairs = zip(
            getattr(self.target, parameters)(), getattr(self.network, parameters)(), strict=True
        )
        with torch.no_grad():
            for kept, now in pairs:
                kept += self.agent.tau * (now - kept)


class PlainSAC(Plain):
    def draw(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = self.network(x).chunk(2, 1)
        log_std = log_std.clamp(-20, 2)
        normal = torch.distributions.Normal(mean, log_std.exp())
        before = mean + log_std.exp() * noise
        density = normal.log_prob(before) - torch.log1p(-(torch.tanh(before) ** 2))
        return torch.tanh(before), density.sum(1)

    def learn(self, x, a, r, after, worth, noise):
        log_alpha, given = self.network.log_alpha, self.agent.entropy
        alpha = given if log_alpha is None else log_alpha.detach().exp()
        with torch.no_grad():
            action, surprise = self.draw(after, noise[1])
            y = r + worth * (self.target.values(after, action).min(0).values - alpha * surprise)
        action, surprise = self.draw(x, noise[0])
        if log_alpha is not None:
            self.step(self.alpha, -(log_alpha * (surprise.detach() - a.shape[1])).mean())
        self.step(self.critics, 0.5 * sum(F.mse_loss(q, y) for q in self.network.values(x, a)))
        judged = self.network.values(x, action).min(0).values
        self.step(self.actor, (alpha * surprise - judged).mean())
        self.follow("of_critics")


class PlainTD3(Plain):
    def learn(self, x, a, r, after, worth, noise):
        agent = self.agent
        with torch.no_grad():
            near = (agent.target_noise * noise[1]).clamp(-agent.target_clip, agent.target_clip)
            action = (torch.tanh(self.target(after)) + near).clamp(-1, 1)
            y = r + worth * self.target.values(after, action).min(0).values
        self.step(self.critics, sum(F.mse_loss(q, y) for q in self.network.values(x, a)))
        self.taken += 1
        if self.taken % agent.policy_every == 0:
            self.step(self.actor, -self.network.values(x, torch.tanh(self.network(x)))[0].mean())
            self.follow("of_critics")
            self.follow("of_actor")


KINDS = {SAC: PlainSAC, TD3: PlainTD3}
OPTIONS: list[tuple[Any, dict[str, Any]]] = [
    (SAC, {}), (SAC, {"entropy": 0.3}), (SAC, {"tau": 0.3, "gamma": 0.5}),
    (TD3, {}), (TD3, {"policy_every": 1, "tau": 0.3}), (TD3, {"target_noise": 2.0}),
]  # fmt: skip


def joined(network: nn.Module) -> Tensor:
    return torch.cat([p.detach().reshape(-1) for p in network.parameters()])


@pytest.mark.parametrize("way", ["by hand", "autograd"])
@pytest.mark.parametrize(("kind", "options"), OPTIONS, ids=str)
def test_updates_are_those_of_plain_autograd(kind: Any, options: Any, way: str) -> None:
    agent = twins(kind, lr=0.01, **options)
    if way == "autograd":
        by_autograd(agent)
    plain, before = KINDS[kind](agent), values_of(agent)
    for seed in range(2):
        steps = drawn(agent, seed)
        assert steps.terminated.any() and not steps.terminated.all()
        plain.update(steps)
        agent.update(steps)
    assert agent.path().name == way
    assert (joined(plain.network) - before).abs().max() > 0.01
    torch.testing.assert_close(values_of(agent), joined(plain.network), rtol=0, atol=1e-7)
    for name, parameters in (
        ("critics", plain.target.of_critics()),
        ("actor", plain.target.of_actor()),
    ):
        if hasattr(agent, f"target_{name}"):
            row = nn.utils.parameters_to_vector(parameters).detach()
            torch.testing.assert_close(getattr(agent, f"target_{name}"), row, rtol=0, atol=1e-7)


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([SAC, TD3]), st.lists(st.integers(1, 6), min_size=1, max_size=3),
    st.sampled_from(["tanh", "relu"]), st.integers(0, 100),
)  # fmt: skip
def test_both_paths_come_to_the_same(
    kind: Any, hidden: list[int], activation: str, seed: int
) -> None:
    agents = [
        twins(kind, network_options={"hidden": hidden, "activation": activation}) for _ in range(2)
    ]
    by_autograd(agents[0])
    told = [agent.update(drawn(agent, seed)) for agent in agents]
    torch.testing.assert_close(values_of(agents[1]), values_of(agents[0]), rtol=0, atol=1e-9)
    assert agents[1].path().name == "by hand"
    for name, value in told[0].items():
        assert told[1][name] == pytest.approx(value, rel=1e-7, abs=1e-8)


def test_densities_are_those_of_torch_and_stay_finite_far_out() -> None:
    agent = twins(SAC)
    with torch.no_grad():
        agent.built().head.policy.bias += 30.0
    told = agent.update(drawn(agent))
    assert all(math.isfinite(value) for value in told.values())


def test_actions_are_in_their_box_and_the_best_one_is_the_same_each_time() -> None:
    for kind in KINDS:
        agent = twins(kind)
        seen = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32) * 10
        found = agent.act(seen)
        assert found.shape == (50, 2) and all(ACTIONS.contains(action) for action in found)
        assert np.array_equal(found, agent.act(torch.from_numpy(seen)))
        outputs = agent.path().outputs(seen.astype(np.float64))
        raw = agent.drawn(outputs, np.random.default_rng(1).standard_normal((50, 2)))
        assert (np.abs(raw) <= 1).all()
        assert not np.array_equal(agent.performed(raw), found)


@pytest.mark.parametrize("kind", list(KINDS))
def test_copies_act_and_learn_alike(kind: Any) -> None:
    agent = twins(kind)
    agent.update(drawn(agent))
    other = copy.deepcopy(agent)
    other._optimizers = ()
    seen = np.zeros((2, 3), np.float32)
    assert np.array_equal(agent.act(seen), other.act(seen))


def test_a_scratch_network_is_another_one() -> None:
    network = twins(SAC, entropy_start=0.5).built()
    assert isinstance(network, ActorTwins) and network.log_alpha is not None
    before = joined(network)
    network.reset_parameters()
    assert (joined(network) != before).all()
    assert float(network.log_alpha.detach()) == pytest.approx(math.log(0.5))


@pytest.mark.parametrize("kind", list(KINDS))
def test_actions_that_are_not_in_a_box_are_refused(kind: Any) -> None:
    agent = kind()
    with pytest.raises(
        TlmlError, match=r"it chooses numbers in a Box, and actions are .*ppo or dqn"
    ):
        agent.meet(ViewSpaces(INPUTS, Discrete(3)))
    with pytest.raises(TlmlError, match="need a Box with bounds"):
        kind().meet(ViewSpaces(INPUTS, Box(-np.inf, np.inf, (2,), np.float32)))


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (SAC, {"entropy": "much"}, "entropy: "),
        (SAC, {"entropy": 0.0}, "entropy: must be greater than 0"),
        (SAC, {"tau": 1.5}, "tau: must be from 0 to 1"),
        (SAC, {"network": "mlp"}, "network: 'mlp' has no critics"),
        (SAC, {"network_options": {"hiden": [3]}}, "network auto: has no option 'hiden'; did you"),
        (TD3, {"policy_every": 0}, "policy_every: must be greater than 0"),
        (TD3, {"noise": -0.1}, "noise: must be at least 0"),
        (TD3, {"batch_size": 300, "buffer_size": 200}, "batch_size: 300 steps are more"),
        (SAC, {"max_env_steps": 50}, "max_env_steps: 50 steps are fewer than the 256 of batch_"),
    ],
)
def test_options_out_of_range_are_refused(kind: Any, options: Any, message: str) -> None:
    with pytest.raises(TlmlError, match=f"^{message}"):
        kind(**options)


def test_the_memory_is_of_the_whole_fit_unless_told() -> None:
    assert SAC(max_env_steps=500).buffer_size == 500
    assert SAC(max_env_steps=10_000_000).buffer_size == 1_000_000


def test_a_loss_that_is_not_finite_stops_the_fit() -> None:
    agent = twins(SAC)
    steps = drawn(agent)
    steps.rewards[0, 0] = torch.inf
    with pytest.raises(DivergedError, match="the critics' loss is"):
        agent.update(steps)


def test_learners_of_numbers_say_so_before_they_are_imported() -> None:
    for name in ("sac", "td3"):
        verdict = tlml.registry.default_registry().judge("cartpole", name)
        assert "continuous_actions" in str(verdict)
