"""Claims: one owner at a time, and none for longer than it lives."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tlml.errors import TlmlError
from tlml.suites.execution import claims
from tlml.suites.execution.claims import Claim, look, take
from tlml.suites.execution.owners import Owner
from tlml.suites.execution.places import Place
from tlml.suites.execution.silence import BEATS


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, "4f0c")


def write(place: Place, owner: Owner) -> None:
    place.work.mkdir(parents=True, exist_ok=True)
    place.claim.write_text(owner.text())


def dead(token: str = "dead") -> Owner:
    return replace(Owner.here(token), pid=2**22 + 1)


def far(token: str = "far") -> Owner:
    return replace(Owner.here(token), host="elsewhere")


def taken(place: Place, steal: str | None = None) -> Claim:
    claim = take(place, steal)
    assert claim is not None
    return claim


def test_a_cell_is_claimed_once(place: Place) -> None:
    claim = taken(place)
    held = look(place.claim)
    assert held is not None
    assert (held.identity, held.gone) == (claim.token, False)
    assert claim.is_ours()
    assert take(place) is None


def taken_at_once(place: Place) -> list[Claim]:
    """Return the claims of eight who try at the same moment."""
    start = threading.Barrier(8)

    def attempt(_: int) -> Claim | None:
        start.wait()
        return take(place)

    with ThreadPoolExecutor(8) as pool:
        return [claim for claim in pool.map(attempt, range(8)) if claim]


def test_of_many_who_try_at_once_one_succeeds(place: Place) -> None:
    found = taken_at_once(place)
    assert len(found) == 1
    assert found[0].is_ours()


def test_what_is_released_can_be_taken_and_leaves_no_file(place: Place) -> None:
    taken(place).release()
    assert list(place.work.iterdir()) == []
    assert taken(place).is_ours()


def test_a_folder_with_something_in_it_stays(place: Place) -> None:
    claim = taken(place)
    (place.work / "a-1").mkdir()
    claim.release()
    assert [path.name for path in place.work.iterdir()] == ["a-1"]


def test_the_dead_are_followed_at_once(place: Place) -> None:
    write(place, dead())
    assert taken(place).is_ours()


def test_of_many_who_follow_the_dead_one_succeeds(place: Place) -> None:
    write(place, dead())
    found = taken_at_once(place)
    assert len([claim for claim in found if claim.is_ours()]) == 1


def test_who_may_live_keeps_a_cell_until_it_is_silent_for_too_long(place: Place) -> None:
    write(place, far())
    assert take(place) is None
    assert take(place, steal="another") is None
    assert taken(place, steal="far").is_ours()


def test_a_claim_that_cannot_be_read_is_known_by_its_age(place: Place) -> None:
    place.work.mkdir(parents=True)
    place.claim.write_bytes(b"\xff\xfe")
    held = look(place.claim)
    assert held is not None and not held.gone
    assert take(place) is None
    assert taken(place, steal=held.identity).is_ours()


def test_a_folder_in_place_of_a_claim_is_moved_away(place: Place) -> None:
    (place.claim / "inside").mkdir(parents=True)
    held = look(place.claim)
    assert held is not None
    assert taken(place, steal=held.identity).is_ours()
    assert [path.name for path in place.work.iterdir()] == ["claim"]


def test_who_was_robbed_knows_and_gives_nothing_free(place: Place) -> None:
    first = taken(place)
    second = taken(place, steal=first.token)
    assert not first.is_ours()
    first.release()
    assert second.is_ours()


def test_a_claim_that_changed_hands_while_one_looked_is_put_back(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(place, dead())
    seen = look(place.claim)
    write(place, far("new"))
    look_again = claims.look
    answers: list[Callable[[Path], object]] = [lambda path: seen]
    monkeypatch.setattr(
        claims, "look", lambda path: (answers.pop() if answers else look_again)(path)
    )
    assert take(place) is None
    held = look_again(place.claim)
    assert held is not None and held.identity == "new"
    assert [path.name for path in place.work.iterdir()] == ["claim"]


@pytest.fixture
def beats_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLML_LEASE", str(0.01 * BEATS))


@pytest.mark.usefixtures("beats_quickly")
def test_an_owner_shows_that_it_lives(place: Place) -> None:
    claim = taken(place)
    os.utime(place.claim, (1, 1))
    with claim.beating():
        until = time.monotonic() + 5
        while place.claim.stat().st_mtime < 2 and time.monotonic() < until:
            time.sleep(0.01)
        assert place.claim.stat().st_mtime > 2
    assert look(place.claim) is None


@pytest.mark.usefixtures("beats_quickly")
def test_nobody_keeps_anothers_claim_alive(place: Place) -> None:
    claim = taken(place)
    write(place, far())
    os.utime(place.claim, (1, 1))
    with claim.beating():
        time.sleep(0.05)
        assert place.claim.stat().st_mtime == 1


def test_a_file_in_place_of_the_folder_is_named(place: Place) -> None:
    place.work.parent.mkdir(parents=True)
    place.work.write_text("")
    with pytest.raises(TlmlError, match="4f0c: is not a folder; remove it"):
        take(place)


def test_a_folder_that_cannot_be_written_to_is_named(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(claims, "_create", full)
    with pytest.raises(TlmlError, match=r"claim: cannot be written \(No space left on device"):
        take(place)
