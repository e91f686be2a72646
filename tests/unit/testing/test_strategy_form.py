"""How a strategy is written; `test_strategy` tries what is wrong by `check_strategy`."""

from __future__ import annotations

from typing import Any

import pytest
from failing import failure

from tlml import Strategy
from tlml.testing.strategy_form import check_form
from tlml.testing.subject import find_subject


def form(strategy: type[Strategy]) -> Any:
    return find_subject("strategy", strategy, None, None)


class Kept(Strategy):
    def __init__(self, damping: float = 0.5, **options: Any) -> None:
        super().__init__(**options)
        self.damping = damping

    def report(self) -> float:
        return self.damping


class Starts(Kept):
    def starts(self) -> None:
        """As `start`."""


@pytest.mark.parametrize("strategy", [Strategy, Kept])
def test_what_is_used_and_called_passes(strategy: type[Strategy]) -> None:
    check_form(form(strategy))


def test_a_near_name_is_found_in_the_class_that_writes_it() -> None:
    assert "it has starts(), which nothing calls; did you mean start()?" in failure(
        check_form, form(Starts)
    )
