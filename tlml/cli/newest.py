"""The newest checkpoint of a command, wherever its logger put it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from tlml.errors import TlmlError
from tlml.files import make_folder, write_atomic

RUNS = "runs"
_NOTE = "newest.txt"  # says where the newest runs of a command keep their checkpoints
_NOTED = 20  # folders: a later run may be stopped before it has a checkpoint


def note_folders(command: str, folders: Iterable[str | os.PathLike[str]]) -> None:
    """Note where a run keeps its checkpoints; a folder that can't be written to stops no run."""
    noted = Path(RUNS) / command
    lines = [*_noted(noted), *(_shown(Path(folder)) for folder in folders)]
    newest = list(dict.fromkeys(reversed(lines)))[:_NOTED]
    with suppress(TlmlError):
        write_atomic(make_folder(noted) / _NOTE, "\n".join(reversed(newest)) + "\n")


def find_newest(command: str) -> Path | None:
    """Return the checkpoint that was written last by a command, or None."""
    found = []
    for path in _checkpoints(command):
        with suppress(OSError):  # it went away meanwhile
            found.append((path.stat().st_mtime_ns, path))
    return max(found)[1] if found else None


def _checkpoints(command: str) -> Iterator[Path]:
    folder = Path(RUNS) / command
    yield from folder.glob("*/checkpoints/last*.ckpt")
    for line in _noted(folder):
        with suppress(OSError, ValueError):  # a folder that is nobody's to read
            yield from Path(line).glob("*.ckpt")


def _noted(folder: Path) -> list[str]:
    """Return the folders that were noted, the newest last; none of a damaged note."""
    with suppress(OSError, ValueError):
        return (folder / _NOTE).read_text(encoding="utf-8").splitlines()
    return []


def _shown(folder: Path) -> str:
    """Return a path that still holds when the working folder is moved with all that is in it."""
    with suppress(ValueError):
        folder = folder.absolute().relative_to(Path.cwd())
    return folder.as_posix()
