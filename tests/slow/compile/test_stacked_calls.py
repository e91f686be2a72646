"""Networks as people write them, as compiled programs."""

from __future__ import annotations

import pytest
import torch
from networks_as_written import Plain, learner_of, made, slopes


def test_it_is_compiled_too() -> None:
    pytest.importorskip("torch._inductor")
    found, expected = (slopes(learner_of(made(Plain), compile=c)) for c in (True, False))
    for name, slope in expected.items():
        torch.testing.assert_close(found[name], slope, rtol=1e-9, atol=1e-11)
