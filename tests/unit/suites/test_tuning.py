"""Values to try, and the best of them."""

from __future__ import annotations

import math

import pytest

from tlml.errors import TlmlError
from tlml.suites.tuning import TrialResult, best_of, candidates


def test_ranges_to_tune_become_values() -> None:
    assert candidates({"values": [3, 1]}) == [3, 1]
    assert candidates([1.0, 5.0, "linear"]) == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert candidates([0.01, 100.0, "log"]) == pytest.approx([0.01, 0.1, 1, 10, 100])


def test_the_best_choice_has_a_finite_risk() -> None:
    assert (
        best_of(
            [TrialResult(math.nan), TrialResult(3.0), TrialResult(math.inf, "no"), TrialResult(2.0)]
        )
        == 3
    )
    message = (
        "tune: none of the 2 choices has a finite risk, so there is nothing to choose from; try "
        "other values"
    )
    for reason, end in (("", "$"), ("lower its lr", r" \(one failed: lower its lr\)$")):
        with pytest.raises(TlmlError, match=f"^{message}{end}"):
            best_of([TrialResult(math.nan), TrialResult(math.inf, reason)])
