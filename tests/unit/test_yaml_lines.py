"""YAML with lines: what values mean, where they are, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tlml.errors import TlmlError
from tlml.yaml_lines import (
    LocatedData,
    Problem,
    dotted_path,
    load_located,
    parse_located,
    write_yaml,
)

TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=8)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=10,
)  # fmt: skip


@given(PLAIN)
def test_json_is_read_as_what_it_says(data: Any) -> None:
    assert parse_located(json.dumps(data), "x").data == data


NAMES = st.from_regex(r"[a-z]{1,8}", fullmatch=True)
NESTED = st.integers() | st.lists(st.integers()) | st.dictionaries(NAMES, st.integers())


@given(st.dictionaries(NAMES, NESTED, min_size=1))
def test_each_key_is_found_at_the_line_that_it_stands_on(data: dict[str, Any]) -> None:
    text = yaml.safe_dump(data, default_flow_style=False)
    lines = parse_located(text, "x").lines
    for key in data:
        assert text.splitlines()[lines[key,] - 1].startswith((f"{key}:", f"'{key}':"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001), ("1E5", 1e5), ("-2.5e+3", -2500.0), (".5", 0.5), ("3.", 3.0), ("7", 7),
        ("-4", -4), ("0", 0), ("true", True), ("False", False), ("~", None), ("", None),
        ("no", "no"), ("on", "on"), ("yes", "yes"), ("010", "010"), ("1:30", "1:30"),
        ("2026-01-01", "2026-01-01"), ("1_000", "1_000"), ("e5", "e5"), (".", "."), ("-", [None]),
        ("'5'", "5"), ("=", "="),
    ],
)  # fmt: skip
def test_scalars_mean_what_they_look_like(text: str, value: object) -> None:
    found = parse_located(f"key: {text}" if text != "-" else "key:\n-", "x").data["key"]
    assert found == value
    assert type(found) is type(value)


def test_lines_of_nested_parts() -> None:
    located = parse_located("a:\n  b: [1,\n   2]\n  c: {d: 5}\n", "x")
    assert located.lines == {
        (): 1, ("a",): 1, ("a", "b"): 2, ("a", "b", 0): 2, ("a", "b", 1): 3,
        ("a", "c"): 4, ("a", "c", "d"): 4,
    }  # fmt: skip


def test_an_error_names_the_nearest_part_that_stands_in_the_file() -> None:
    located = parse_located("a:\n  b: 1\n", "f.yaml")
    assert str(located.error(Problem(("a", "b", 0), "wrong"))) == "f.yaml:2: a.b: wrong"
    assert str(located.error(Problem(("a", "x", "y"), "wrong"))) == "f.yaml:1: a: wrong"
    assert str(located.error(Problem(("z",), "wrong"))) == "f.yaml:1: wrong"
    assert str(located.error(Problem(("a",), "wrong", ("a", "b")))) == "f.yaml:2: a: wrong"
    assert str(LocatedData("g", None, {}).error(Problem(("z",), "wrong"))) == "g:1: wrong"


def test_paths_are_written_as_users_say_them() -> None:
    assert dotted_path(("domains", "glyphs", "shots", 1)) == "domains.glyphs.shots[1]"
    assert dotted_path(()) == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", "f:3: duplicate key 'a' (first on line 1)"),
        ("o:\n  a: 1\n  'a': 3", "f:3: o: duplicate key 'a' (first on line 2)"),
        ("o: {1: x}", "f:1: o: the key 1 is not text; put it in quotes"),
        ("true: x", "f:1: the key true is not text; put it in quotes"),
        ("? [a, b]\n: x", "f:1: the key a collection is not text; put it in quotes"),
        ("a:\n  b: .inf", "f:2: a.b: must be a finite number, is .inf"),
        ("a: 1e999", "f:1: a: must be a finite number, is 1e999"),
        ("a: !!python/name:os.system x",
         "f:1: a: the tag !!python/name:os.system is not allowed; write plain values"),
        ("a: !!binary aGk=", "f:1: a: the tag !!binary is not allowed; write plain values"),
        ("a: !!set {b, c}", "f:1: a: the tag !!set is not allowed; write plain values"),
        ("a: !!int five", "f:1: a: 'five' is not an int"),
        ("a: !!int ''", "f:1: a: '' is not an int"),
        ("a: !!bool abc", "f:1: a: 'abc' is not a bool"),
        ("a: !!float x", "f:1: a: 'x' is not a float"),
        ("a: !!int " + 100 * "x", "f:1: a: '" + 60 * "x" + "...' is not an int"),
        ("a: {<<: 1}", "f:1: a: << takes a mapping, or a list of mappings"),
        ("a: &a {<<: *a}", "f:1: a: contains itself"),
        ("a: {<<: {b: 1}, <<: {c: 1}}", "f:1: a: duplicate key '<<' (first on line 1)"),
        ("a: &x [1, *x]", "f:1: a[1]: contains itself"),
        ("a: {b", "f:1: not YAML: expected ',' or '}', but got '<stream end>'"),
        ("a: 1\n\tb: 2", "f:2: not YAML: found character '\\t' that cannot start any token"),
        ("a: *x", "f:1: not YAML: found undefined alias 'x'"),
        ("a: 1\n---\nb: 2",
         "f:2: not YAML: expected a single document in the stream, but found another document"),
        ("a: \x00",
         "f: not YAML: unacceptable character #x0000: special characters are not allowed"),
    ],
)  # fmt: skip
def test_what_is_not_plain_data_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(TlmlError) as caught:
        parse_located(text, "f")
    assert str(caught.value) == message


def test_deep_nesting_is_an_error_and_no_crash() -> None:
    with pytest.raises(TlmlError, match=r"^f: nested too deeply$"):
        parse_located("[" * 2000 + "]" * 2000, "f")


def bomb(first: str, line: str) -> str:
    """Return nine levels of aliases, each of nine of the level before."""
    lines = [f"a0: &a0 {first}"]
    lines += [f"a{i}: &a{i} " + line.format(", ".join([f"*a{i - 1}"] * 9)) for i in range(1, 10)]
    return "\n".join(lines)


@pytest.mark.parametrize("text", [bomb("[x]", "[{}]"), bomb("{x: 1}", "{{<<: [{}]}}")])
def test_a_file_of_too_many_parts_is_refused_at_once(text: str) -> None:
    with pytest.raises(TlmlError, match=r"^f: more than 100000 values once aliases are expanded$"):
        parse_located(text, "f")


def test_merged_keys_may_be_overridden_wherever_they_are_used() -> None:
    text = "a: &a {x: 1, y: 2}\nb: &b {<<: *a, x: 3}\nc: *b\n"
    data = parse_located(text, "f").data
    assert data["b"] == data["c"] == {"x": 3, "y": 2}


def test_of_several_merged_mappings_the_first_one_wins() -> None:
    text = "a: &a {x: 1}\nb: &b {x: 2,\n y: 3}\nc: {<<: [*a, *b], z: 4}\n'<<': text\n"
    located = parse_located(text, "f")
    assert located.data["c"] == {"x": 1, "y": 3, "z": 4}
    assert located.lines["c", "y"] == 3
    assert located.data["<<"] == "text"


@given(PLAIN)
def test_what_is_written_reads_back_as_it_is_by_every_reader(data: Any) -> None:
    text = write_yaml(data)
    assert parse_located(text, "x").data == data
    assert yaml.safe_load(text) == data


def test_text_that_looks_like_something_else_is_written_in_quotes() -> None:
    texts = ["no", "On", "y", "1e5", "12e4567", "010", "1_000", "1:30", "2026-01-01", "~", "",
             "=", "a: b", "a #b", "two\nlines", "é", ".inf", "<<", "-", "true",
             "0x1f", "a b"]  # fmt: skip
    assert parse_located(write_yaml(texts), "x").data == texts
    assert yaml.safe_load(write_yaml(texts)) == texts
    assert write_yaml({"b": "plain/word-1.x", "a": [1e-05, 1, None, True]}) == (
        "b: plain/word-1.x\na:\n- 1.0e-05\n- 1\n- null\n- true\n"
    )


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(
        TlmlError, match=r"none\.yaml: cannot be read \(No such file or directory\)"
    ):
        load_located(tmp_path / "none.yaml")
    with pytest.raises(TlmlError, match=r"cannot be read \(Is a directory\)"):
        load_located(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9")
    with pytest.raises(TlmlError, match=r"^short: not a text file in UTF-8 \(byte 9\)$"):
        load_located(tmp_path / "latin.yaml", "short")
