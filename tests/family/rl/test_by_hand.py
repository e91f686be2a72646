"""By hand and by autograd: the same outputs, losses and gradients."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from gymnasium.spaces import Discrete
from hypothesis import given, settings
from hypothesis import strategies as st
from slopes_cases import INPUTS, SPACES, Case, case
from torch import Tensor, nn

from tlml_rl.base.actor_critic import ActorCritic, actor_critic
from tlml_rl.base.by_hand import AutogradPath, ByHandPath, MixedPath, lack, path_for
from tlml_rl.base.flat import FlatParameters
from tlml_rl.base.objective import Objective, Rows, Terms
from tlml_rl.base.policies import policy_for


def each_way(made: Case, objective: Objective) -> list[tuple[Terms, Tensor]]:
    found = []
    for kind in (AutogradPath, ByHandPath, MixedPath):
        network = copy.deepcopy(made.network)
        flat = FlatParameters(network.parameters())
        flat.gradients.fill_(7.0)  # what was there before
        terms = kind(network, made.policy, flat).slopes(objective, made.rows, True)
        found.append((terms, flat.gradients))
    return found


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(SPACES)),
    st.lists(st.integers(1, 6), min_size=1, max_size=3),
    st.sampled_from(["tanh", "relu"]),
    st.sampled_from([None, 0.05, 0.3]),
    st.sampled_from([None, 0.1, 1.0]),
    st.sampled_from([0.0, 0.1]),
    st.integers(0, 1000),
)
def test_gradients_are_those_of_autograd(
    kind, hidden, activation, clip, value_clip, entropy, seed
) -> None:
    masks = kind in ("categorical", "multi") and seed % 2 == 0
    made = case(kind, hidden, activation, seed, masks=masks)
    objective = Objective(clip, entropy, 0.7, value_clip)
    (right, slopes), *others = each_way(made, objective)
    for found, by_hand in others:
        torch.testing.assert_close(by_hand, slopes, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(found, right, rtol=1e-9, atol=1e-11)
    assert slopes.abs().max() > 1e-4


@pytest.mark.parametrize("kind", sorted(SPACES))
def test_in_single_precision_too(kind: str) -> None:
    made = case(kind, [64, 64], "tanh", 3, dtype=torch.float32, rows=256)
    (_, slopes), *others = each_way(made, Objective(0.2, 0.01, 0.5, 0.2))
    for _, by_hand in others:
        torch.testing.assert_close(by_hand, slopes, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", sorted(SPACES))
@pytest.mark.parametrize("masks", [False, True])
def test_what_the_network_says_is_what_autograd_says(kind: str, masks: bool) -> None:
    made = case(kind, [5, 4], "relu", 1, masks=masks and kind in ("categorical", "multi"))
    flat = FlatParameters(made.network.parameters())
    paths = [one(made.network, made.policy, flat) for one in (AutogradPath, ByHandPath)]
    actions, allowed = made.rows.actions[:9], made.rows.masks
    allowed = None if allowed is None else allowed[:9]
    (values, logs), (by_hand, hand_logs) = (
        path.judge(made.rows.inputs, actions, allowed) for path in paths
    )
    torch.testing.assert_close(by_hand, values, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(hand_logs, logs, rtol=1e-10, atol=1e-12)
    for number in (3, 17):
        outputs = [path.outputs(made.rows.inputs[:number].numpy()) for path in paths]
        np.testing.assert_allclose(outputs[1], outputs[0], rtol=1e-10, atol=1e-12)


def test_room_for_one_batch_serves_the_next_and_other_sizes() -> None:
    made = case("categorical", [4], "tanh", 0, rows=20)
    flat = FlatParameters(made.network.parameters())
    path = ByHandPath(made.network, made.policy, flat)
    objective, found = Objective(0.2), []
    for _ in range(2):
        for number in range(2, 20):
            rows = Rows(*(None if one is None else one[:number] for one in made.rows))
            path.slopes(objective, rows, False)
            found.append(flat.gradients.clone())
    for first, second in zip(found[:18], found[18:], strict=True):
        assert torch.equal(first, second)


def test_frozen_parameters_have_no_gradient() -> None:
    made = case("gaussian", [4], "tanh", 0)
    made.network.actor.requires_grad_(False)
    flat = FlatParameters(made.network.parameters())
    for kind in (AutogradPath, ByHandPath, MixedPath):
        kind(made.network, made.policy, flat).slopes(Objective(0.2), made.rows, False)
        assert all(p.grad is None for p in made.network.actor.parameters())
        assert all(p.grad is not None for p in made.network.critic.parameters())
        assert flat.gather() is not None
        size = sum(p.numel() for p in made.network.actor.parameters())
        assert not flat.gradients[:size].any() and flat.gradients[size:].any()


def test_what_cannot_be_done_by_hand_says_why() -> None:
    def network(**options) -> ActorCritic:
        return actor_critic(INPUTS, 2, **options)

    assert lack(network()) == ""
    assert lack(network(activation="relu", hidden=[3])) == ""
    assert "in torch.bfloat16" in lack(network().bfloat16())
    other = network()
    other.actor[2] = nn.GELU()
    assert "no perceptrons" in lack(other)
    deeper = ActorCritic(network().actor, network(hidden=[64]).critic, network().head)
    assert "differ in depth" in lack(deeper)
    shared = network()
    assert "share" in lack(ActorCritic(shared.actor, shared.actor, shared.head))
    hooked = network()
    hooked.critic[1].register_forward_hook(lambda *_: None)
    assert lack(hooked) == "the network has hooks"
    for made, name in ((network(), "by hand"), (other, "autograd, but for the loss")):
        flat = FlatParameters(made.parameters())
        assert path_for(made, policy_for(Discrete(2)), flat)[0].name == name
