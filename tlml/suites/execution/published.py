"""What is done: results that can be read, and checkpoints that are what their results say."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import zipfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tlml.suites.execution.places import Place
from tlml.suites.results import CHECKPOINT, RESULT


def read_result(folder: Path) -> dict[str, Any] | None:
    """Return what the ``result.json`` of a folder says, or None where it cannot be read."""
    try:
        found = json.loads((folder / RESULT).read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and "kind" in found else None


def is_done(folder: Path) -> bool:
    """Say whether a folder has a result, and the learner that belongs to it."""
    found = read_result(folder)
    return found is not None and (not _has_learner(found) or (folder / CHECKPOINT).is_file())


def is_sound(folder: Path) -> bool:
    """Say whether a folder is done and its checkpoint is the one of its result, byte for byte.

    Results of earlier versions have no hash; then the checkpoint must be whole.
    """
    found = read_result(folder)
    if found is None:
        return False
    if "sha256" in found:
        return bool(digest(folder / CHECKPOINT) == found["sha256"])
    return not _has_learner(found) or is_whole(folder / CHECKPOINT)


def _has_learner(found: dict[str, Any]) -> bool:
    """Say whether a checkpoint belongs to a result: of a fit, but not of a choice that diverged."""
    return found["kind"] == "fit" and "error" not in found


def digest(path: Path) -> str | None:
    """Return the SHA-256 of a file, or None where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def is_whole(path: Path) -> bool:
    """Say whether a checkpoint, which is a zip file, has all its parts with the right sums."""
    try:
        with zipfile.ZipFile(path) as file:
            return file.testzip() is None
    except (OSError, zipfile.BadZipFile, EOFError, ValueError, NotImplementedError):
        return False


def set_aside(place: Place) -> None:
    """Move a damaged cell out of the way, whatever stands there, so that it is done anew."""
    aside = place.damaged(secrets.token_hex(4))
    with suppress(OSError):
        place.work.mkdir(parents=True, exist_ok=True)
        os.rename(place.published, aside)
        if is_sound(aside):  # another has done it anew after we looked
            os.rename(aside, place.published)


def set_damaged_aside(places: Iterable[Place]) -> list[str]:
    """Set aside those of some cells that are not sound, and return their ids."""
    damaged = [place for place in places if not is_sound(place.published)]
    for place in damaged:
        set_aside(place)
    return [place.id for place in damaged]
