"""Attempts: a cell is made in a private folder, and one rename publishes the whole of it."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from tlml.errors import TlmlError
from tlml.files import make_folder, write_atomic
from tlml.suites.execution.claims import Claim
from tlml.suites.execution.places import Place
from tlml.suites.execution.published import digest, is_whole, read_result, set_aside
from tlml.suites.results import CHECKPOINT, RESULT

_CHOICE = "choice.json"  # a choice of a fit's options that was tried to the end
_STATE = "state"  # of the data that an attempt is made of; no file where none is told


def begin(place: Place, token: str, state: str = "") -> tuple[Path, bool]:
    """Make the folder of an attempt, with what earlier attempts have left to go on from.

    Attempts that were made of data in another state are thrown away.

    Their folders are renamed first: a process that was taken for dead finds none of its paths any
    more. Then what it left is copied, since files that it holds open move along with a folder.

    Args:
        place: The cell's.
        token: Of the claim.
        state: Of the data that the cell is made of, where it is told.

    Returns:
        The folder, and whether something is there to go on from.
    """
    folder = _made(place.attempt(token), state)
    resumed = False
    for old in sorted(place.work.glob("a-*"), key=_age):
        if old == folder:
            continue
        aside = place.work / f"old-{secrets.token_hex(4)}"
        with suppress(OSError):
            os.rename(old, aside)
            resumed |= _state(aside) == state and _copy(aside, folder)
    for aside in place.work.glob("old-*"):
        shutil.rmtree(aside, ignore_errors=True)
    return folder, resumed


def begin_anew(folder: Path, state: str = "") -> Path:
    """Empty the folder of an attempt at data in a state."""
    aside = folder.with_name(f"old-{secrets.token_hex(4)}")
    os.rename(folder, aside)
    shutil.rmtree(aside, ignore_errors=True)
    return _made(folder, state)


def publish(place: Place, claim: Claim, content: dict[str, Any]) -> bool:
    """Write the result of an attempt and rename its folder to the cell's; the first one wins.

    Returns:
        Whether this attempt is the one that is published.

    Raises:
        TlmlError: The result cannot be written, or the folder cannot be renamed.
    """
    folder = place.attempt(claim.token)
    hash = digest(folder / CHECKPOINT)
    proof = {"token": claim.token} | ({"sha256": hash} if hash else {})
    write_atomic(folder / RESULT, json.dumps({**content, **proof}, indent=1) + "\n")
    (folder / _STATE).unlink(missing_ok=True)  # the result says it
    for _ in range(2):
        if not claim.is_ours():
            return False
        try:
            os.rename(folder, place.published)
            return True
        except OSError as error:
            # On shared storage the rename may have worked although it says that it has not.
            found, failure = read_result(place.published), error
        if found is not None:
            return bool(found.get("token") == claim.token)
        if os.path.lexists(place.published):  # nobody's whole result
            set_aside(place)
    raise TlmlError(f"{place.published}: cannot be made ({failure.strerror})") from failure


def tidy(place: Place, *, keep: bool = False) -> None:
    """Remove what attempts have left; `keep` spares what the next one can go on from."""
    for folder in [*place.work.glob("a-*"), *place.work.glob("old-*")]:
        if not (keep and any(folder.rglob(CHECKPOINT))):
            shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        place.note.unlink(missing_ok=True)


def _made(folder: Path, state: str) -> Path:
    make_folder(folder)
    if state:
        write_atomic(folder / _STATE, state)
    return folder


def _state(folder: Path) -> str:
    try:
        return (folder / _STATE).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def _copy(old: Path, new: Path) -> bool:
    """Copy whole checkpoints and finished choices; say whether there were any."""
    found = False
    for path in sorted(old.rglob("*")):
        if path.name == _CHOICE or (path.name == CHECKPOINT and is_whole(path)):
            target = new / path.relative_to(old)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            found = True
    return found


def _age(folder: Path) -> float:
    """Return when an attempt was last written to, so that later ones are copied over earlier."""
    try:
        return folder.stat().st_mtime
    except OSError:
        return 0.0
