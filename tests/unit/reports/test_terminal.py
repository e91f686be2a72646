"""The terminal: no text of a suite steers it."""

from __future__ import annotations

import io

from presented import block, report, row
from rich.console import Console

from tlml.reports import Report, print_report
from tlml.reports.summary import Failure


def printed(made: Report) -> str:
    stream = io.StringIO()
    print_report(made, Console(file=stream, width=300, color_system=None))
    return stream.getvalue()


def test_control_characters_are_written_out() -> None:
    evil = "\x1b]0;title\x07\x9b2J\r"
    failure = Failure("fit", f"cell{evil}", "id", f"reason{evil}")
    shown = row(f"m{evil}", notes=(f"note{evil}",))
    made = report(
        block(shown, row(f"base{evil}"), domain=f"d{evil}", metric=f"metric{evil}"),
        name=f"suite{evil}", baseline=f"base{evil}", failures=(failure,),
    )  # fmt: skip
    text = printed(made)
    assert [char for char in text if char != "\n" and not char.isprintable()] == []
    written = r"\x1b]0;title\x07\x9b2J\r"
    words = "metric reason note suite base cell m d".split()
    assert [word for word in words if f"{word}{written}" not in text] == []


def test_notes_stand_below_the_table() -> None:
    text = printed(report(block(row("full", notes=("one", "two")), row("scratch"))))
    assert "\n  full: one, two\n" in text
    assert "  scratch: " not in text
