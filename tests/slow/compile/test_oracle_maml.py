"""MAML's meta-gradient as a compiled program, against a slow reference in float64."""

from __future__ import annotations

import pytest
import torch
from maml_reference import episode, gradient_of, learner_of, reference

COMPILED = [("mlp_norms", False), ("small_norms", False), ("small_batchnorm", True)]


@pytest.mark.parametrize(("kind", "first_order"), COMPILED)
def test_a_compiled_meta_gradient_equals_the_slow_reference(kind, first_order):
    pytest.importorskip("torch._inductor")
    learner = learner_of(kind, 1, first_order, "auto", compile=True)
    loss, slopes = gradient_of(learner, episode(kind))
    expected_loss, expected = reference(kind, 1, first_order)
    torch.testing.assert_close(loss, expected_loss, rtol=1e-12, atol=0)
    for name, slope in slopes.items():
        torch.testing.assert_close(slope, expected[name], rtol=1e-9, atol=1e-11)
