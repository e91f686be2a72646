"""Splits and parts that must share nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
import torch
from failing import FINITE, spec
from gymnasium.spaces import Box, Discrete

from tlml import Domain, Examples
from tlml.data import Part, Split
from tlml.testing import CheckFailed
from tlml.testing.domain_splits import check_splits
from tlml.testing.subject import Subject, find_subject
from tlml.testing.toys import Clouds, Planes


@dataclass(frozen=True)
class Numbered:
    """Examples from `first` on; those of ``test`` begin at `test`."""

    name: str
    first: int
    test: int

    def split(self, part: Part) -> Examples:
        start = {"train": self.first, "val": 0, "test": self.test}[part]
        x = torch.arange(start, start + (0 if part == "val" else 8)).float()[:, None]
        return Examples(x, torch.arange(len(x)) % 2)


class Family(Domain[Numbered]):
    x, y = Box(0, 1000, (1,)), Discrete(2)

    def __init__(self, source: tuple[int, int], target: tuple[int, int]) -> None:
        self.starts = {"source": source, "validation": (500, 600), "target": target}

    def tasks(self, split: Split) -> Sequence[Numbered]:
        return [Numbered(split, *self.starts[split])]


def subject(domain: object) -> Subject:
    return find_subject("domain", domain, spec(*FINITE), None)


@pytest.mark.parametrize("domain", [Planes(), Clouds(), Family((0, 100), (200, 300))], ids=type)
def test_what_is_apart_passes(domain: Domain) -> None:
    check_splits(subject(domain), domain, None, 0.0)


@pytest.mark.parametrize(
    ("domain", "word"),
    [(Family((0, 100), (0, 300)), "source"), (Family((0, 4), (200, 300)), "train")],
    ids=["two splits", "two parts"],
)
def test_shared_examples_are_found(domain: Domain, word: str) -> None:
    with pytest.raises(CheckFailed, match=word):
        check_splits(subject(domain), domain, None, 0.0)


def test_a_share_may_be_allowed() -> None:
    domain = Family((0, 100), (6, 300))  # 2 of 8 are the source's
    with pytest.raises(CheckFailed):
        check_splits(subject(domain), domain, None, 0.0)
    check_splits(subject(domain), domain, None, 0.5)
