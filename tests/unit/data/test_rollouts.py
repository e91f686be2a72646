"""Rollouts: what followed each step."""

from __future__ import annotations

import torch

from tlml.data import Rollout


def rollout(successors: torch.Tensor | None) -> Rollout:
    none = torch.zeros(2, 1, dtype=torch.bool)
    observations = torch.arange(3.0).view(3, 1, 1)
    return Rollout(observations, none, none.float(), none, none, ~none, successors)


def test_what_followed_is_what_was_seen_next_or_what_an_environment_told() -> None:
    assert rollout(None).next_observations.flatten().tolist() == [1, 2]
    told = torch.tensor([[[7.0]], [[8.0]]])
    assert rollout(told).next_observations is told
