"""Cells run in waves: what starts from others comes after them."""

from __future__ import annotations

from tlml.suites import AdaptCell, FitCell
from tlml.suites.run import _waves


def fit(id: str, *after: str) -> FitCell:
    return FitCell(id, id, "d", 0, {}, {}, after=after)


def adapt(id: str, *fits: str) -> AdaptCell:
    return AdaptCell(id, "d", "episodes", {"shots": 1}, 0, "m", fits, {}, {})


def test_each_wave_starts_from_earlier_ones() -> None:
    cells = [
        adapt("a", "f"),
        fit("f", "choice"),
        fit("choice"),
        adapt("b"),
        adapt("c", "g"),
        fit("g"),
    ]
    ids = [[cell.id for cell in wave] for wave in _waves(cells)]
    assert ids == [["choice", "b", "g"], ["f", "c"], ["a"]]


def test_what_is_done_already_is_not_waited_for() -> None:
    assert [[cell.id for cell in wave] for wave in _waves([adapt("a", "f")])] == [["a"]]
    assert list(_waves([])) == []
