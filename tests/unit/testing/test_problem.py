"""The small problem that gradients are compared on."""

from __future__ import annotations

import pytest
import torch

from tlml.testing.problem import (
    INPUTS,
    OUTPUTS,
    TASKS,
    slopes,
    tiny_episode,
    tiny_learner,
    tiny_network,
    tiny_triples,
)
from tlml.testing.toys import Descent


def test_the_network_is_the_same_each_time() -> None:
    one, other = tiny_network(), tiny_network()
    assert all(map(torch.equal, one.state_dict().values(), other.state_dict().values()))
    assert one(torch.zeros(4, INPUTS)).shape == (4, OUTPUTS)


@pytest.mark.parametrize("classes", [False, True])
def test_the_episode_is_in_float64_and_fits_the_network(classes: bool) -> None:
    (sx, sy), (qx, qy) = tiny_episode(classes)
    assert sx.shape == qx.shape == (TASKS, 6, INPUTS) and sx.dtype == torch.float64
    assert sy.shape == ((TASKS, 6) if classes else (TASKS, 6, OUTPUTS))
    assert not torch.equal(sx, qx)
    if classes:
        assert qy.unique().tolist() == list(range(OUTPUTS))


def test_triples_are_a_ring() -> None:
    (sx, sy), (qx, qy) = tiny_triples()
    assert sx.shape == qx.shape == (1, 6, 3)
    assert sorted(sy[0].tolist()) == sorted(qy[0].tolist()) == list(range(6))


def test_slopes_by_autograd_equal_finite_differences() -> None:
    learner, episode = tiny_learner(Descent(steps=2), batchnorm="batch"), tiny_episode()
    before = {name: p.detach().clone() for name, p in learner.named_parameters()}
    found = slopes(lambda: learner.meta_loss(episode), dict(learner.named_parameters()))
    assert found.keys() == before.keys()
    for exact, difference in found.values():
        assert exact == pytest.approx(difference, rel=1e-5, abs=1e-7)
    assert all(torch.equal(p, before[name]) for name, p in learner.named_parameters())


def test_a_parameter_without_part_in_the_loss_has_no_slope() -> None:
    idle = torch.nn.Parameter(torch.ones(2, dtype=torch.float64))
    used = torch.nn.Parameter(torch.ones(2, dtype=torch.float64))
    found = slopes(lambda: (used**2).sum(), {"idle": idle, "used": used})
    assert found["idle"] == (0.0, 0.0)
    assert found["used"][0] == pytest.approx(found["used"][1], rel=1e-6)
