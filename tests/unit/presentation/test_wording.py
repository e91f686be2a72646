"""How the parts of a report are called."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from presented import block

from tlml.presentation.wording import printable, title


def test_a_title_says_where_and_what_is_better() -> None:
    assert title(block(shots=1)) == "glyphs, 1 shot: accuracy (higher is better)"
    assert title(block(metric="mse")) == "glyphs, 5 shots: mse (lower is better)"


def test_a_title_says_what_intervals_hold_and_where_tasks_are_few() -> None:
    told = replace(block(), basis="intervals over 9 parts", about="about 1 task")
    what = "accuracy (higher is better), about 1 task; intervals over 9 parts"
    assert title(told) == f"glyphs, 5 shots: {what}"


def test_letters_of_any_alphabet_stay() -> None:
    assert printable("é Σ 字 🙂") == "é Σ 字 🙂"
    assert printable("\x9b2J\x00\u2028") == r"\x9b2J\x00\u2028"


@given(st.text(max_size=20))
def test_just_what_steers_is_escaped(text: str) -> None:
    steers = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    escaped = [
        char.encode("unicode_escape").decode() if unicodedata.category(char) in steers else char
        for char in text
    ]
    assert printable(text) == "".join(escaped)
