"""Attempts: private until one rename, and the first wins."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from bare_cells import published, zipped

from tlml.errors import TlmlError
from tlml.suites.execution.attempts import begin, begin_anew, publish, tidy
from tlml.suites.execution.claims import Claim, take
from tlml.suites.execution.places import Place
from tlml.suites.execution.published import is_sound


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "cells").mkdir()
    return Place(tmp_path, "4f0c")


def claimed(place: Place, steal: str | None = None) -> Claim:
    claim = take(place, steal)
    assert claim is not None
    return claim


def made(place: Place, claim: Claim, checkpoint: bool = True) -> Path:
    folder, _ = begin(place, claim.token)
    (folder / "config.yaml").write_text("kind: fit\n")
    if checkpoint:
        (folder / "last.ckpt").write_bytes(zipped())
    return folder


def result(place: Place) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(place.result.read_text())
    return found


def test_a_cell_appears_whole_with_the_hash_of_its_learner(place: Place) -> None:
    claim = claimed(place)
    folder = made(place, claim)
    assert not place.published.exists()
    assert publish(place, claim, {"kind": "fit"})
    assert not folder.exists()
    assert {path.name for path in place.published.iterdir()} == {
        "config.yaml", "last.ckpt", "result.json",
    }  # fmt: skip
    assert result(place)["token"] == claim.token
    assert is_sound(place.published)


def test_what_has_no_learner_has_no_hash(place: Place) -> None:
    claim = claimed(place)
    made(place, claim, checkpoint=False)
    assert publish(place, claim, {"kind": "adapt"})
    assert set(result(place)) == {"kind", "token"}


def test_the_first_to_publish_wins(place: Place) -> None:
    claim = claimed(place)
    folder = made(place, claim)
    published(place.out, place.id, token="another")
    assert not publish(place, claim, {"kind": "adapt"})
    assert result(place)["token"] == "another"
    assert folder.exists()


def test_who_was_robbed_publishes_nothing(place: Place) -> None:
    first = claimed(place)
    made(place, first)
    second = claimed(place, steal=first.token)
    assert not publish(place, first, {"kind": "fit"})
    assert not place.published.exists()
    assert second.is_ours()


def test_the_paths_of_whoever_is_taken_for_dead_are_gone(place: Place) -> None:
    first = claimed(place)
    old = made(place, first)
    with (old / "last.ckpt").open("ab") as held_open:
        second = claimed(place, steal=first.token)
        new, resumed = begin(place, second.token)
        held_open.write(b"of the dead")
    assert resumed
    assert not old.exists()
    assert (new / "last.ckpt").read_bytes() == zipped()
    with pytest.raises(TlmlError, match="does not exist"):
        publish(place, first, {"kind": "fit"})
    assert publish(place, second, {"kind": "fit"})


def test_a_rename_that_worked_although_it_failed_is_seen(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = claimed(place)
    made(place, claim)
    rename = os.rename

    def unsure(old: Path, new: Path) -> None:
        rename(old, new)
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(os, "rename", unsure)
    assert publish(place, claim, {"kind": "fit"})


def test_what_stands_in_the_way_is_set_aside(place: Place) -> None:
    claim = claimed(place)
    made(place, claim)
    place.published.mkdir()
    (place.published / "config.yaml").write_text("of a version that made it too early")
    assert publish(place, claim, {"kind": "fit"})
    assert len([*place.work.glob("damaged-*")]) == 1


def test_a_folder_that_cannot_be_renamed_is_named(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = claimed(place)
    made(place, claim)

    def closed(old: Path, new: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "rename", closed)
    with pytest.raises(TlmlError, match=r"4f0c: cannot be made \(Permission denied"):
        publish(place, claim, {"kind": "fit"})


def test_an_attempt_goes_on_from_whole_checkpoints_and_finished_choices(place: Place) -> None:
    place.attempt("old").joinpath("choice-0").mkdir(parents=True)
    place.attempt("old").joinpath("choice-1").mkdir()
    for name, content in {
        "last.ckpt": zipped()[:-9], "metrics.csv": b"1,2", "choice-0/last.ckpt": zipped(),
        "choice-0/choice.json": b"{}", "choice-1/last.ckpt": b"",
    }.items():  # fmt: skip
        (place.attempt("old") / name).write_bytes(content)
    folder, resumed = begin(place, "new")
    assert resumed
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files == {"choice-0/last.ckpt", "choice-0/choice.json"}
    assert [path.name for path in place.work.iterdir()] == ["a-new"]


def test_what_left_nothing_is_begun_anew(place: Place) -> None:
    place.attempt("old").mkdir(parents=True)
    assert begin(place, "new") == (place.attempt("new"), False)


@pytest.mark.parametrize(("before", "goes_on"), [("one", True), ("two", False), ("", False)])
def test_what_was_made_of_other_data_is_not_gone_on_from(
    place: Place, before: str, goes_on: bool
) -> None:
    old, _ = begin(place, "old", before)
    (old / "last.ckpt").write_bytes(zipped())
    folder, resumed = begin(place, "new", "one")
    assert resumed == (folder / "last.ckpt").exists() == goes_on
    assert begin(place, "newer", "one")[1] == goes_on
    emptied = begin_anew(place.attempt("newer"), "one")
    (emptied / "last.ckpt").write_bytes(zipped())
    assert begin(place, "last", "one")[1]


def test_the_state_of_an_attempt_is_told_by_its_result_alone(place: Place) -> None:
    claim = claimed(place)
    begin(place, claim.token, "one")
    assert publish(place, claim, {"kind": "adapt", "fingerprint": "one"})
    assert [path.name for path in place.published.iterdir()] == ["result.json"]


def test_an_attempt_can_be_emptied(place: Place) -> None:
    folder = made(place, claimed(place))
    assert list(begin_anew(folder).iterdir()) == []


def test_failed_attempts_are_kept_where_something_can_go_on(place: Place) -> None:
    folder = made(place, claimed(place))
    (place.attempt("empty")).mkdir()
    place.note.write_text(".5")
    tidy(place, keep=True)
    assert {path.name for path in place.work.iterdir()} == {"claim", folder.name}
    tidy(place)
    assert {path.name for path in place.work.iterdir()} == {"claim"}
