"""What counts as done, and what is set aside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bare_cells import published, zipped

from tlml.suites.execution.places import Place
from tlml.suites.execution.published import (
    digest,
    is_done,
    is_sound,
    is_whole,
    read_result,
    set_aside,
    set_damaged_aside,
)


def a_fit(out: Path, hashed: bool = True) -> Place:
    place = published(out, "f", "fit")
    place.checkpoint.write_bytes(zipped())
    if hashed:
        proof = {"sha256": digest(place.checkpoint)}
        place.result.write_text(json.dumps(json.loads(place.result.read_text()) | proof))
    return place


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "{}", '{"kind": "f', "\0\0\0"])
def test_a_result_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    place = published(tmp_path, "a")
    assert is_done(place.published)
    place.result.write_text(text)
    assert read_result(place.published) is None
    assert not is_done(place.published)
    assert not is_sound(place.published)


def test_a_fit_without_its_learner_is_not_done(tmp_path: Path) -> None:
    place = a_fit(tmp_path)
    assert is_done(place.published) and is_sound(place.published)
    place.checkpoint.unlink()
    assert not is_done(place.published)
    assert not is_sound(place.published)


def test_a_choice_that_diverged_has_no_learner_and_is_done(tmp_path: Path) -> None:
    place = published(tmp_path, "f", "fit", error="the loss is nan")
    assert is_done(place.published) and is_sound(place.published)


@pytest.mark.parametrize("hashed", [True, False])
@pytest.mark.parametrize("damage", ["cut", "empty", "bit"])
def test_a_damaged_checkpoint_is_not_sound(tmp_path: Path, hashed: bool, damage: str) -> None:
    place = a_fit(tmp_path, hashed)
    assert is_sound(place.published)
    content = bytearray(place.checkpoint.read_bytes())
    if damage == "bit":
        content[100] ^= 1
    place.checkpoint.write_bytes({"cut": content[:600], "empty": b""}.get(damage, content))
    assert not is_sound(place.published)


def test_what_is_no_zip_file_is_not_whole(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"text")
    assert not is_whole(tmp_path / "a")
    assert not is_whole(tmp_path)
    assert digest(tmp_path) is None


def test_what_is_damaged_is_set_aside_and_kept(tmp_path: Path) -> None:
    good, bad = a_fit(tmp_path), published(tmp_path, "b")
    bad.result.write_text("{")
    missing = Place(tmp_path, "c")
    assert set_damaged_aside([good, bad, missing]) == ["b", "c"]
    assert is_sound(good.published)
    assert not bad.published.exists()
    (aside,) = bad.work.glob("damaged-*")
    assert (aside / "result.json").read_text() == "{"


def test_a_file_in_place_of_a_cell_is_set_aside(tmp_path: Path) -> None:
    place = Place(tmp_path, "a")
    place.published.parent.mkdir()
    place.published.write_text("what")
    set_aside(place)
    assert not place.published.exists()


def test_what_another_has_done_anew_meanwhile_stays(tmp_path: Path) -> None:
    place = a_fit(tmp_path)
    set_aside(place)
    assert is_sound(place.published)
    assert list(place.work.iterdir()) == []
