"""Policies: what is drawn has the distribution that log-probabilities and entropies tell."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete
from hypothesis import given
from hypothesis import strategies as st
from torch import distributions

from tlml import TlmlError
from tlml_rl.base.policies import (
    Bernoulli,
    Categorical,
    DiagonalGaussian,
    MultiCategorical,
    SquashedGaussian,
    policy_for,
)

BOX = Box(np.array([-2.0, 0.0]), np.array([2.0, 10.0]), dtype=np.float64)
DRAWS = 20_000


def outputs_of(policy, rows, seed=0):
    return torch.randn(rows, policy.size, dtype=torch.float64,
                       generator=torch.Generator().manual_seed(seed))  # fmt: skip


def drawn(policy, outputs, log_std=None, seed=0):
    noise = policy.noise(np.random.default_rng(seed), DRAWS)
    rows = np.broadcast_to(outputs.numpy(), (DRAWS, policy.size))
    return policy.choose(rows, noise, log_std)


@pytest.mark.parametrize("space", [Discrete(3), MultiDiscrete([2, 3]), MultiBinary(2)], ids=str)
def test_actions_come_as_often_as_their_probability_says(space) -> None:
    policy = policy_for(space)
    outputs = outputs_of(policy, 1)
    found = drawn(policy, outputs).reshape(DRAWS, -1)
    sides = {"Discrete": [3], "MultiDiscrete": [2, 3], "MultiBinary": [2, 2]}[type(space).__name__]
    total = 0.0
    for action in itertools.product(*(range(side) for side in sides)):
        row = torch.tensor([action[0]] if isinstance(space, Discrete) else [action])
        probability = float(policy.log_prob(outputs, row).exp())
        total += probability
        share = (found == np.array(action)).all(1).mean()
        assert abs(share - probability) < 4 * np.sqrt(probability * (1 - probability) / DRAWS)
    assert total == pytest.approx(1)


@pytest.mark.parametrize("space", [Discrete(3), MultiDiscrete([2, 3]), MultiBinary(2)], ids=str)
def test_entropy_is_the_mean_of_log_probabilities(space) -> None:
    policy = policy_for(space)
    outputs = outputs_of(policy, 1)
    rows = torch.from_numpy(drawn(policy, outputs))
    logs = policy.log_prob(outputs.expand(DRAWS, -1), rows)
    assert float(policy.entropy(outputs)) == pytest.approx(-float(logs.mean()), abs=0.03)


@given(st.integers(1, 4), st.integers(0, 1000))
def test_gaussians_are_those_of_torch(size, seed) -> None:
    policy = policy_for(Box(-1, 1, (size,)))
    rng = torch.Generator().manual_seed(seed)
    outputs, actions = torch.randn(2, 5, size, generator=rng, dtype=torch.float64)
    log_std = torch.randn(size, generator=rng, dtype=torch.float64)
    right = distributions.Independent(distributions.Normal(outputs, log_std.exp()), 1)
    torch.testing.assert_close(policy.log_prob(outputs, actions, log_std), right.log_prob(actions))
    torch.testing.assert_close(policy.entropy(outputs, log_std), right.entropy())


@given(st.integers(1, 4), st.integers(0, 1000))
def test_squashed_densities_are_those_of_torch(size, seed) -> None:
    policy = policy_for(Box(-3, 3, (size,)), "squashed")
    rng = torch.Generator().manual_seed(seed)
    outputs = torch.randn(5, size, generator=rng, dtype=torch.float64)
    actions = torch.rand(5, size, generator=rng, dtype=torch.float64) * 1.9 - 0.95
    log_std = torch.randn(size, generator=rng, dtype=torch.float64)
    normal = distributions.Normal(outputs, log_std.exp())
    squashed = distributions.TransformedDistribution(normal, distributions.TanhTransform())
    torch.testing.assert_close(
        policy.log_prob(outputs, actions, log_std), squashed.log_prob(actions).sum(-1)
    )


@pytest.mark.parametrize("boxes", ["gaussian", "squashed"])
def test_densities_in_the_box_integrate_to_one(boxes) -> None:
    policy = policy_for(Box(-2.0, 6.0, (1,), np.float64), boxes)
    grid = torch.linspace(-20, 24, 200_001, dtype=torch.float64)[:, None]
    if boxes == "squashed":
        grid = torch.linspace(-1.9999, 5.9999, 200_001, dtype=torch.float64)[:, None]
    raw = policy.from_env(grid)
    outputs, log_std = torch.tensor([[0.3]], dtype=torch.float64), torch.tensor([-0.7]).double()
    density = (policy.log_prob(outputs, raw, log_std) - policy.log_scale).exp()
    assert float(torch.trapezoid(density, grid[:, 0])) == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("boxes", ["gaussian", "squashed"])
def test_actions_are_scaled_to_the_box_and_stay_in_it(boxes) -> None:
    policy = policy_for(BOX, boxes)
    found = policy.to_env(drawn(policy, torch.zeros(1, 2), np.zeros(2)))
    assert found.dtype == np.float64 and all(BOX.contains(row) for row in found[:100])
    assert found.mean(0) == pytest.approx([0, 5], abs=0.1)
    ends = policy.to_env(np.array([[-1.0, -1.0], [1.0, 1.0], [0.5, 0.0]]))
    np.testing.assert_allclose(ends, [[-2, 0], [2, 10], [1, 5]])
    raw = policy.from_env(torch.from_numpy(ends))
    torch.testing.assert_close(raw, torch.tensor([[-1.0, -1], [1, 1], [0.5, 0]]).double())


def test_a_box_without_bounds_takes_numbers_as_they_are() -> None:
    half = Box(np.array([-np.inf, -1.0]), np.array([3.0, np.inf]), dtype=np.float64)
    np.testing.assert_array_equal(policy_for(half).to_env(np.array([[7.0, -7.0]])), [[3, -1]])
    policy = policy_for(Box(-np.inf, np.inf, (2,)))
    np.testing.assert_array_equal(policy.to_env(np.array([[3.0, -7.0]])), [[3, -7]])
    with pytest.raises(TlmlError, match="squashed ones need a Box with bounds"):
        policy_for(Box(-np.inf, np.inf, (2,)), "squashed")


def test_what_is_far_out_keeps_finite_log_probabilities() -> None:
    policy = policy_for(Box(-1, 1, (1,)), "squashed")
    outputs = torch.tensor([[30.0]], requires_grad=True)
    action = policy.choose(outputs.detach().numpy(), np.zeros((1, 1), np.float32), np.zeros(1))
    log = policy.log_prob(outputs, torch.from_numpy(action).float(), torch.zeros(1))
    log.sum().backward()
    assert torch.isfinite(log).all() and torch.isfinite(outputs.grad).all()


@pytest.mark.parametrize("space", [Discrete(4), MultiDiscrete([2, 2])], ids=str)
def test_what_a_mask_rules_out_is_never_chosen_and_has_no_gradient(space) -> None:
    policy = policy_for(space)
    mask = np.array([[1, 0, 1, 1]])
    outputs = outputs_of(policy, 1)
    masked = torch.from_numpy(policy.masked(outputs.numpy(), mask))
    found = drawn(policy, masked)
    other = drawn(policy, outputs)
    if isinstance(space, Discrete):
        assert 1 in other and 1 not in found
        assert policy.best(np.where(mask, outputs.numpy(), 99.0))[0] == 1
    else:
        assert 1 in other[:, 0] and 1 not in found[:, 0] and 1 in found[:, 1]
    leaf = outputs.clone().requires_grad_()
    ruled = torch.where(torch.from_numpy(mask) > 0, leaf, -torch.inf)
    action = torch.from_numpy(found[:1])
    (policy.log_prob(ruled, action) + policy.entropy(ruled)).sum().backward()
    assert torch.isfinite(leaf.grad).all() and leaf.grad[0, 1] == 0
    assert torch.isfinite(policy.entropy(ruled)).all()


def test_wrong_masks_are_told() -> None:
    outputs = np.zeros((2, 4))
    policy = policy_for(Discrete(4))
    with pytest.raises(TlmlError, match=r"action_mask: must have 4 entries .* is \[2, 3\]"):
        policy.masked(outputs, np.ones((2, 3)))
    with pytest.raises(TlmlError, match="rules out all actions"):
        policy.masked(outputs, np.array([[1, 1, 1, 1], [0, 0, 0, 0]]))
    with pytest.raises(TlmlError, match="rules out all actions"):
        policy_for(MultiDiscrete([2, 2])).masked(outputs, np.array([[1, 1, 0, 0], [1, 0, 0, 1]]))
    with pytest.raises(TlmlError, match="only numbered actions can be ruled out"):
        policy_for(BOX).masked(np.zeros((1, 2)), np.ones((1, 2)))


def test_the_likeliest_action_is_chosen_without_noise() -> None:
    assert policy_for(Discrete(3)).best(np.array([[0.0, 2.0, 1.0]])).tolist() == [1]
    assert policy_for(MultiDiscrete([2, 2])).best(np.array([[0.0, 2.0, 1.0, 0.0]])).tolist() == [
        [1, 0]
    ]
    assert policy_for(MultiBinary(2)).best(np.array([[-1.0, 2.0]])).tolist() == [[0, 1]]
    assert policy_for(BOX).best(np.array([[0.5, -0.5]])).tolist() == [[0.5, -0.5]]
    squashed = policy_for(BOX, "squashed").best(np.array([[0.5, -9.0]]))
    np.testing.assert_allclose(squashed, np.tanh([[0.5, -9.0]]))


def test_actions_are_numbered_and_shaped_as_the_space_says() -> None:
    policy = policy_for(Discrete(3, start=5))
    assert policy.to_env(np.array([0, 2])).tolist() == [5, 7]
    assert policy.from_env(torch.tensor([5, 7])).tolist() == [0, 2]
    switches = policy_for(MultiBinary([2, 3]))
    found = switches.to_env(drawn(switches, torch.zeros(1, 6))[:4])
    assert found.shape == (4, 2, 3) and all(MultiBinary([2, 3]).contains(row) for row in found)
    assert switches.from_env(torch.from_numpy(found)).shape == (4, 6)
    choices = policy_for(MultiDiscrete([2, 3], start=[1, -1]))
    raw = choices.choose(np.zeros((4, 5)), np.zeros((4, 5)))
    assert choices.to_env(raw).tolist() == [[1, -1]] * 4
    assert choices.from_env(torch.from_numpy(choices.to_env(raw))).tolist() == [[0, 0]] * 4


def test_spaces_without_a_policy_are_refused() -> None:
    for space in (Dict({"a": Discrete(2)}), Box(0, 5, (2,), np.int64)):
        with pytest.raises(TlmlError, match=r"no policy chooses from .* Discrete, MultiDiscrete"):
            policy_for(space)
    with pytest.raises(TlmlError, match="must be of one dimension"):
        policy_for(MultiDiscrete([[2, 2], [3, 3]]))


def test_each_space_has_its_policy() -> None:
    kinds = [Categorical, MultiCategorical, Bernoulli, DiagonalGaussian]
    spaces = [Discrete(2), MultiDiscrete([2]), MultiBinary(2), BOX]
    assert [type(policy_for(space)) for space in spaces] == kinds
    assert type(policy_for(BOX, "squashed")) is SquashedGaussian
