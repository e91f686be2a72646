"""Columns: one list, of which each column says what it shows and where it may be left out."""

from __future__ import annotations

import pytest
from presented import EPISODES, row, worse_row

from tlml.presentation import Column, Interval, Mark, Row
from tlml.presentation.columns import columns, described_column


def costs() -> list[Column]:
    return [described_column(name, head, "accuracy") for name, head in EPISODES.columns.items()]


def texts(shown: Row, baseline: str = "scratch") -> dict[str, str]:
    found = columns("accuracy", baseline, own=costs())
    return {f"{i} {column.heading}": column.text(shown) for i, column in enumerate(found)}


def test_a_row_has_a_text_for_each_heading() -> None:
    assert texts(row("full", 0.61, difference=Interval(0.1, -0.02, 1.0), notes=("a", "b"))) == {
        "0 method": "full", "1 accuracy": ".610", "2 95% interval": ".590 to .630", "3 IQM": ".610",
        "4 to scratch": "+.100", "5 95% interval": "-.020 to +1.000", "6 fit s": "10.5",
        "7 adapt s": "1.0", "8 steps": "50", "9 labels": "5", "10 notes": "a, b",
    }  # fmt: skip


def test_the_baseline_is_called_so_where_differences_stand() -> None:
    assert texts(row("scratch"))["4 to scratch"] == "baseline"
    assert texts(row("other"))["4 to scratch"] == "-"


def test_where_nothing_is_done_there_is_a_dash() -> None:
    found = texts(Row("scratch", 0, 2, notes=("missing: 2 of 2 seeds",)))
    assert found.pop("0 method") == "scratch"
    assert found.pop("10 notes") == "missing: 2 of 2 seeds"
    assert set(found.values()) == {"-"}


def test_the_best_and_the_worse_are_marked_where_it_shows() -> None:
    found = columns("accuracy", "scratch")
    marks = {column.heading: column.markup(row("m", best=True)) for column in found}
    assert {heading for heading, mark in marks.items() if mark} == {"method", "accuracy"}
    assert marks["method"] is Mark.BEST
    marks = {column.heading: column.markup(worse_row("m")) for column in found}
    assert {heading for heading, mark in marks.items() if mark} == {"to scratch"}
    assert marks["to scratch"] is Mark.WORSE


def test_columns_of_a_protocol_stand_before_the_notes() -> None:
    own = Column("mine", lambda row: f"{row.seeds}")
    assert [column.heading for column in columns("mse", "a", own=[own])][-2:] == ["mine", "notes"]


def test_a_narrow_terminal_leaves_out_what_says_so() -> None:
    found = columns("accuracy", "scratch", own=costs())
    assert [c.heading for c in found if c.place == "wide"] == ["IQM", "steps", "labels"]
    assert [c.heading for c in found if c.place == "below"] == ["notes"]


def test_figures_and_costs_are_found_by_name() -> None:
    shown = row("m", metrics={"BTI": -0.1})
    assert described_column("BTI", "BTI", "accuracy").text(shown) == "-.100"
    assert described_column("BWT", "BWT", "accuracy").text(shown) == "-"
    assert described_column("gradient_steps", "steps", "accuracy").text(shown) == "50"
    assert described_column("gradient_steps", "steps", "accuracy").place == "wide"
    assert described_column("BTI", "BTI", "accuracy").place == "always"
    assert described_column("memory_examples", "memory", "accuracy").place == "always"


def test_without_a_baseline_there_are_no_differences() -> None:
    found = [column.heading for column in columns("mse", None)]
    assert found == ["method", "mse", "95% interval", "IQM", "notes"]


@pytest.mark.parametrize(
    ("char", "text"), [("\x1b", r"\x1b"), ("\n", r"\n"), ("\u202e", r"\u202e")]
)
def test_characters_that_steer_a_terminal_are_written_out(char: str, text: str) -> None:
    assert columns("mse", "a")[0].text(row(f"a{char}[31mé")) == f"a{text}[31mé"
