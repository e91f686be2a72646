"""Claims: a file that says who is at work on a cell, so that nobody else begins it.

A claim only saves work. Two owners of one cell, which a false take-over can make, cost double work
and never a wrong result: each has a folder of its own, and the first to publish wins.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tlml.errors import TlmlError
from tlml.suites.execution.heart import heart
from tlml.suites.execution.owners import Owner
from tlml.suites.execution.places import Place
from tlml.suites.execution.silence import BEATS, lease

_ROUNDS = 20  # a claim that others make and remove while one looks is tried again


@dataclass(frozen=True, slots=True)
class Held:
    """A claim as an observer sees it.

    Args:
        identity: Which claim it is: its token, or its age where it cannot be read.
        beat: Its last sign of life, in the file system's nanoseconds.
        gone: Whether its owner is certainly gone.
    """

    identity: str
    beat: int
    gone: bool


def look(path: Path) -> Held | None:
    """Return the claim at a path, or None where there is none."""
    try:
        beat = path.stat().st_mtime_ns
    except OSError:
        return None
    owner = _owner(path)
    if owner is None:  # being written, or cut by a full disk: only its silence tells
        return Held(f"unreadable since {beat}", beat, gone=False)
    return Held(owner.token, beat, owner.is_gone())


def take(place: Place, steal: str | None = None) -> Claim | None:
    """Claim a cell, or return None where another is at work on it.

    Args:
        place: The cell's.
        steal: The identity of a claim whose owner was silent for too long.

    Raises:
        TlmlError: The folder cannot be made or written to.
    """
    owner = Owner.here(secrets.token_hex(8))
    for _ in range(_ROUNDS):
        try:
            place.work.mkdir(parents=True, exist_ok=True)
            _create(place.claim, owner.text())
            return Claim(place.claim, owner.token)
        except FileNotFoundError:  # whoever was done removed the folder in between
            continue
        except FileExistsError as error:
            if not place.work.is_dir():
                raise TlmlError(f"{place.work}: is not a folder; remove it") from error
        except OSError as error:
            raise TlmlError(f"{place.claim}: cannot be written ({error.strerror})") from error
        held = look(place.claim)
        if held is not None and not (held.gone or held.identity == steal):
            return None
        if held is not None and not _remove(place.claim, held):
            return None
    return None


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim of this process.

    Args:
        path: Its file.
        token: Of this attempt.
    """

    path: Path
    token: str

    def is_ours(self) -> bool:
        """Say whether nobody has taken it over."""
        owner = _owner(self.path)
        return owner is not None and owner.token == self.token

    @contextmanager
    def beating(self) -> Iterator[Claim]:
        """Show signs of life until the block ends, then give the cell free."""
        try:
            with heart(lease() / BEATS).beating(self._beat):
                yield self
        finally:
            self.release()

    def release(self) -> None:
        """Give the cell free; `tidy_folder` removes what is empty, for all cells at once."""
        if self.is_ours():
            with suppress(OSError):
                self.path.unlink()

    def _beat(self) -> None:
        if self.is_ours():
            with suppress(OSError):
                os.utime(self.path)


def _owner(path: Path) -> Owner | None:
    try:
        return Owner.parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return None


def _create(path: Path, text: str) -> None:
    """Write a file that isn't there yet; of several who try at once one succeeds."""
    with path.open("x", encoding="utf-8") as file:
        file.write(text)


def _remove(path: Path, held: Held) -> bool:
    """Remove the claim that was seen; False where it was another's by then, which stays."""
    aside = path.with_name(f"claim-{secrets.token_hex(4)}")
    try:
        path.rename(aside)
    except FileNotFoundError:
        return True
    found = look(aside)
    ours = found is not None and found.identity == held.identity
    if not ours:
        with suppress(OSError):
            os.link(aside, path)  # fails where a third has claimed the cell since
    if aside.is_dir():
        shutil.rmtree(aside, ignore_errors=True)
    else:
        aside.unlink(missing_ok=True)
    return ours
