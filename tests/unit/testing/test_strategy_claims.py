"""What strategies say they do, tried on small networks."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import tlml
from tlml import Spec, Strategy
from tlml.testing import CheckFailed
from tlml.testing.problem import tiny_network
from tlml.testing.strategy_claims import check_claims
from tlml.testing.subject import find_subject


class Weighing(Strategy):
    def weigh_samples(self, source: Tensor, target: Tensor) -> Tensor:
        return -torch.ones(len(source))


def check(strategy: Any, *gives: str) -> None:
    declared = Spec("made", "nowhere:Made", "made up", gives=frozenset(gives))
    check_claims(find_subject("strategy", strategy, declared, None), tiny_network, classes=True)


@pytest.mark.parametrize(
    ("name", "gives"), [("coral", ("aligns",)), ("mmd", ("aligns",)), ("kliep", ("weighs",))]
)
def test_what_they_say_is_so(name: str, gives: tuple[str, ...]) -> None:
    strategy = tlml.strategy(name)
    subject = find_subject("strategy", name, None, None)
    assert set(gives) <= subject.spec.gives  # type: ignore[union-attr]
    check_claims(subject, tiny_network, classes=True)
    assert strategy.options is not None


@pytest.mark.parametrize("word", ["aligns", "weighs", "maps"])
def test_a_word_without_its_method_is_found(word: str) -> None:
    with pytest.raises(CheckFailed, match=word):
        check(Strategy, word)


def test_a_method_without_its_word_is_found() -> None:
    with pytest.raises(CheckFailed, match="weigh"):
        check(Weighing)
