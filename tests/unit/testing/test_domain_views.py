"""Views that a domain says it gives, looked at for a batch or two."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from failing import FINITE, spec
from gymnasium.spaces import Box, Discrete

from tlml import Domain, Examples
from tlml.data import Part, Split
from tlml.testing import CheckFailed
from tlml.testing.domain_views import check_view
from tlml.testing.subject import find_subject
from tlml.testing.toys import Clouds, Planes, Walks


class Idle(Domain):
    """Tasks that can be neither sampled, nor divided, nor acted in."""

    x, y = Box(-1, 1, (2,)), Discrete(2)

    def tasks(self, split: Split) -> Sequence[object]:
        return [object()]


class Task:
    name = "beyond"

    def split(self, part: Part) -> Examples:
        number = 12 if part != "val" else 0
        return Examples(torch.full((number, 2), 7.0), torch.arange(number) % 2)


class Beyond(Domain[Task]):
    """Inputs of 7 in a space of at most 1."""

    x, y = Box(-1, 1, (2,)), Discrete(2)

    def tasks(self, split: Split) -> Sequence[Task]:
        return [Task()]


def check(domain: Domain, word: str) -> None:
    check_view(find_subject("domain", domain, spec(*FINITE), None), domain, word, None)


@pytest.mark.parametrize("domain", [Planes(), Clouds()], ids=type)
@pytest.mark.parametrize("word", ["episodes", "pair", "stream"])
def test_views_of_data_pass(domain: Domain, word: str) -> None:
    check(domain, word)


def test_environments_pass() -> None:
    check(Walks(), "env")


@pytest.mark.parametrize("word", ["episodes", "pair", "stream"])
def test_tasks_that_give_nothing_are_no_view(word: str) -> None:
    with pytest.raises(CheckFailed, match=f"'{word}'"):
        check(Idle(), word)


@pytest.mark.parametrize("word", ["episodes", "pair", "stream"])
def test_values_beyond_their_space_are_found(word: str) -> None:
    with pytest.raises(CheckFailed, match="7"):
        check(Beyond(), word)


def test_data_is_no_environment() -> None:
    with pytest.raises(CheckFailed):
        check(Planes(), "env")
