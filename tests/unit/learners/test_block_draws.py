"""Scores of a series under resampled blocks: kept, paired, and of small queries only."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tiny import Tables

from tlml import EpisodeView, TlmlError
from tlml.learners import block_draws as module
from tlml.learners.block_draws import DRAWS, block_draws


def series(blocks: int | None = 5, number: int = 1) -> EpisodeView:
    domain = Tables(number=number, train=20, test=60)
    domain.blocks = blocks
    return EpisodeView(domain, shots=2, queries=30)


def drawn(view: EpisodeView, index: int = 0, error: float = 0.0, stage: str = "test") -> Any:
    query = view.dataset("target")[index].query
    return block_draws(view, stage, index, query, query.y + error, view.spaces.y)


def test_draws_are_the_metric_of_resampled_predictions() -> None:
    found = drawn(series(), error=0.5)
    assert found["blocks"] == 6  # of five examples, in thirty
    assert found["resampled"] == [pytest.approx(0.25)] * DRAWS


def test_draws_are_the_same_for_all_methods_so_that_differences_are_paired() -> None:
    view = series()
    query = view.dataset("target")[0].query
    errors = torch.linspace(0, 1, 30)[:, None]
    one, other = (
        np.array(block_draws(view, "test", 0, query, query.y + own, view.spaces.y)["resampled"])
        for own in (errors, (errors**2 + 0.1) ** 0.5)
    )
    assert other - one == pytest.approx(np.full(DRAWS, 0.1), abs=1e-4)
    assert one.std() > 0.05
    again, part = drawn(view, 2)["resampled"], drawn(view, 1)["resampled"]
    assert again == drawn(view, 0)["resampled"]  # two parts: episode 2 is of part 0 again
    assert len(part) == DRAWS


@pytest.mark.parametrize(
    ("view", "stage"),
    [(series(None), "test"), (series(), "val"), (series(number=5), "test"), (None, "test")],
)
def test_nothing_is_kept_where_nothing_is_asked_for(view: EpisodeView | None, stage: str) -> None:
    whose = view or series()
    query = whose.dataset("target")[0].query
    assert block_draws(view, stage, 0, query, query.y, whose.spaces.y) == {}


def test_nothing_is_kept_of_large_queries_nor_of_other_splits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    view = series()
    view.split = "validation"
    assert drawn(view) == {}
    monkeypatch.setattr(module, "LARGEST", 29)
    assert drawn(series()) == {}


def test_a_length_of_blocks_is_above_zero() -> None:
    with pytest.raises(TlmlError, match="blocks: must be greater than 0, is 0"):
        series(0).setup("test")
