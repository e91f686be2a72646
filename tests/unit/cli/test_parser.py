"""The parser of commands that aren't Lightning's."""

from __future__ import annotations

import pytest

from tlml import TlmlError
from tlml.cli.parser import Parser


@pytest.fixture
def parser() -> Parser:
    made = Parser("bench", "runs a suite")
    made.add_argument("suite")
    made.add_argument("--jobs", type=int)
    return made


def message(parser: Parser, *words: str) -> str:
    with pytest.raises(TlmlError) as caught:
        parser.parse(words)
    return str(caught.value)


def test_what_is_right_is_parsed(parser: Parser) -> None:
    found = parser.parse(["mine.yaml", "--jobs", "2"])
    assert (found.suite, found.jobs) == ("mine.yaml", 2)


def test_an_unknown_flag_has_a_near_one(parser: Parser) -> None:
    assert message(parser, "mine.yaml", "--job", "2") == (
        "bench: '--job' is not understood; did you mean --jobs?"
    )


def test_a_word_too_many_is_named(parser: Parser) -> None:
    assert message(parser, "mine.yaml", "other") == "bench: 'other' is not understood"


def test_what_is_missing_or_wrong_points_to_the_help(parser: Parser) -> None:
    assert message(parser).endswith("(tlml bench --help)")
    assert "invalid int value: 'two'" in message(parser, "mine.yaml", "--jobs", "two")
