"""What a domain gives is checked: finite values, and enough of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from drawn import fails
from tiny import Letters, Lines, Tables

from tlml import Batch, TlmlError
from tlml.data import (
    check_data,
    check_finite,
    draw_episode,
    keyed_rng,
)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_counted_and_named(bad):
    x = torch.zeros(4, 2)
    x[1, 0] = x[3, 1] = bad
    with fails(
        "here: x of 2 of 4 examples is NaN or infinite; remove or fill these examples in the domain"
    ):
        check_finite(Batch(x, torch.zeros(4)), "here")
    with fails(
        "here: y of 1 of 4 examples is NaN or infinite; remove or fill these examples in the domain"
    ):
        check_finite(Batch(torch.zeros(4, 2), torch.tensor([0.0, 0.0, bad, 0.0])), "here")
    check_finite(Batch(torch.zeros(4, 2, dtype=torch.uint8), torch.arange(4)), "here")


def test_an_episode_with_nan_names_its_task():
    task = Tables(classes=2).tasks("source")[1]
    task.x[:] = float("nan")
    with fails(
        "task source 1: x of 2 of 2 examples is NaN or infinite; remove or fill these examples in "
        "the domain"
    ):
        draw_episode(task, 1, 1, keyed_rng(0, "source", 0))


def test_data_in_memory_is_checked_whole():
    class Broken(Letters):
        def classes(self, split):
            found = dict(super().classes(split))
            found[f"{split} 2"] = found[f"{split} 2"] * torch.tensor([1.0, np.nan])
            return found

    with fails(
        "class 'source 2': x of 8 of 8 examples is NaN or infinite; remove or fill these examples "
        "in the domain"
    ):
        check_data(Broken(), "source")

    class Gaps(Tables):
        def tasks(self, split):
            found = list(super().tasks(split))
            found[2].y[-1] = float("nan")
            return found

    for gaps in (Gaps(), Gaps(train=8, test=4)):
        with pytest.raises(TlmlError, match=r"^task source 2: y of 1 of \d+ examples is NaN"):
            check_data(gaps, "source")
    check_data(Letters(), "source")
    check_data(Tables(test=3), "target")
    check_data(Lines(), "source")
