"""results.json: rows and summaries of every protocol."""

from __future__ import annotations

import json

from presented import block, report, row, stream_block

from tlml.presentation import Interval
from tlml.reports import to_json


def test_a_summary_says_protocol_and_point() -> None:
    made = report(block(row("a")), stream_block(row("er", metrics={"BTI": float("nan")})))
    episodes, stream = json.loads(to_json(made))["summary"]
    assert (episodes["protocol"], episodes["point"], episodes["shots"]) == (
        "episodes", {"shots": 5}, 5
    )  # fmt: skip
    assert (stream["protocol"], stream["point"]) == ("stream", {"tasks": 2})
    assert "tasks" not in stream
    assert stream["metrics"] == {"BTI": None}


def test_no_character_steers_a_terminal() -> None:
    text = to_json(report(block(row("a", score=Interval(1.0, 1.0, 1.0))), name="a\x9b2J\x7f\x1b"))
    assert [char for char in text if not char.isprintable() and char != "\n"] == []
    assert json.loads(text)["suite"] == "a\x9b2J\x7f\x1b"
