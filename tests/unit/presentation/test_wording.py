"""How the parts of a report are called."""

from __future__ import annotations

import pytest
from presented import block

from tlml.presentation.wording import point_words, printable, title


def test_a_title_says_where_and_what_is_better() -> None:
    assert title(block(shots=1)) == "glyphs, 1 shot: accuracy (higher is better)"
    assert title(block(metric="mse")) == "glyphs, 5 shots: mse (lower is better)"


@pytest.mark.parametrize(
    ("point", "text"),
    [
        ({"shots": 0}, "0 shots"), ({"shots": 1}, "1 shot"), ({"tasks": 20}, "20 tasks"),
        ({"env_steps": 2000}, "2000 env steps"),
    ],
)  # fmt: skip
def test_a_point_reads_as_one_speaks(point: dict[str, int], text: str) -> None:
    assert point_words(point) == text


def test_letters_of_any_alphabet_stay() -> None:
    assert printable("é Σ 字 🙂") == "é Σ 字 🙂"
    assert printable("\x9b2J\x00\u2028") == r"\x9b2J\x00\u2028"
