"""Perceptrons."""

from __future__ import annotations

from built import box

from tlml.networks import (
    build_network,
    mlp,
)


def test_the_default_mlp_is_the_sinusoid_network():
    network = build_network("mlp", box(1), box(1))
    shapes = [tuple(p.shape) for p in network.parameters()]
    assert shapes == [(40, 1), (40,), (40, 40), (40,), (1, 40), (1,)]
    linear = mlp((3,), 2, hidden=())
    assert [tuple(p.shape) for p in linear.parameters()] == [(2, 3), (2,)]
