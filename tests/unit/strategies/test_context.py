"""What loss terms see, and what is empty unless it is given."""

from __future__ import annotations

import dataclasses
import re

import pytest
import torch
from places import ROOT
from torch import nn

from tlml import Context


def context(**given: object) -> Context:
    return Context(*(torch.ones(2, 3) for _ in range(6)), 0.5, nn.Identity(), **given)  # type: ignore[arg-type]


def test_labels_and_params_are_empty_where_there_are_none() -> None:
    seen = context()
    assert seen.labels_source.shape == (0,)
    assert seen.params == {} and seen.features_at is None
    assert context().params is not seen.params


def test_it_can_not_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        context().progress = 1.0  # type: ignore[misc]


def test_each_field_is_in_the_docs() -> None:
    page = (ROOT / "docs" / "strategies.md").read_text()
    table = page[page.index("## What a loss term sees") :]
    told = set(re.findall(r"`(\w+)`", table))
    assert {one.name for one in dataclasses.fields(Context)} <= told
