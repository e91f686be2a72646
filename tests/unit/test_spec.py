from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlml.errors import TlmlError
from tlml.spec import KINDS, VOCABULARY, WORDS, Kind, Spec, unmet


def spec(name: str = "waves", target: str = "sea.waves:Waves", **more: Any) -> Spec:
    return Spec(name, target, more.pop("summary", "the sea"), **more)


def test_a_spec_is_frozen_plain_data() -> None:
    made = spec(gives={"finite"}, needs=["loss"])
    assert (made.gives, made.needs) == (frozenset({"finite"}), ("loss",))
    assert (made.paper, made.approach) == ("", "")
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.name = "tides"  # type: ignore[misc]
    assert not hasattr(made, "__dict__")
    assert made == spec(gives=frozenset({"finite"}), needs=("loss",))
    assert hash(made) == hash(spec(gives=frozenset({"finite"}), needs=("loss",)))


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        *(
            (
                {"name": name},
                f"spec '{name}': a name is lower case letters, digits and underscores, "
                "starting with a letter",
            )
            for name in ("", "Waves", "2waves", "_waves", "wa-ves", "wa.ves", "waves\n", "wäves")
        ),
        *(
            ({"target": target}, f"spec waves: target '{target}' is not 'module:Class'")
            for target in ("", "sea", "sea.Waves", "sea:", ":Waves", "sea:a.b", "sea:Waves:x")
        ),
        ({"summary": ""}, "spec waves: summary must be one line of text"),
        ({"summary": "one\ntwo"}, "spec waves: summary must be one line of text"),
        ({"gives": "finite"}, "spec waves: gives and needs are collections, not strings"),
        ({"needs": "loss"}, "spec waves: gives and needs are collections, not strings"),
        (
            {"gives": {"finit"}},
            "spec waves: gives 'finit', which is not a known word; did you mean finite? "
            "(your own words are written vendor:word)",
        ),
        (
            {"needs": ("regression|clasification",)},
            "spec waves: needs 'clasification', which is not a known word; did you mean "
            "classification? (your own words are written vendor:word)",
        ),
        (
            {"needs": ("sea:Tide",)},
            f"spec waves: needs 'sea:Tide', which is not a known word; there are {len(WORDS)}, "
            f"such as {', '.join(sorted(WORDS)[:5])} (your own words are written vendor:word)",
        ),
    ],
)
def test_a_malformed_field_is_an_error(fields: dict[str, Any], error: str) -> None:
    with pytest.raises(TlmlError) as caught:
        spec(**fields)
    assert str(caught.value) == error


@given(st.from_regex(r"[a-z][a-z0-9_]*", fullmatch=True))
def test_any_lower_case_name_will_do(name: str) -> None:
    assert spec(name).name == name


def test_a_stranger_has_words_of_their_own() -> None:
    made = spec(gives={"sea:tide"}, needs=("sea:moon|loss",))
    for kind in KINDS:
        made.check_kind(kind)
    assert unmet(made, frozenset({"sea:moon"})) == []


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_gives_its_own_words(kind: Kind) -> None:
    spec(gives=VOCABULARY[kind]).check_kind(kind)
    for word in WORDS - VOCABULARY[kind]:
        with pytest.raises(TlmlError) as caught:
            spec(gives={word}).check_kind(kind)
        start = f"{kind} waves: gives '{word}', which is not a word for a {kind}; "
        assert str(caught.value).startswith(start)


def test_needs_are_a_conjunction_of_alternatives() -> None:
    made = spec(needs=("episodes", "regression|classification", "loss"))
    assert unmet(made, frozenset()) == ["episodes", "regression|classification", "loss"]
    assert unmet(made, frozenset({"episodes", "classification"})) == ["loss"]
    assert unmet(made, frozenset({"episodes", "regression", "loss", "finite"})) == []
    assert unmet(spec(), frozenset()) == []
