"""The newest checkpoint of a command, wherever its logger put it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from tlml.errors import TlmlError
from tlml.files import make_folder, write_atomic

RUNS = "runs"
_NOTE = "newest.txt"  # says where the newest run of a command keeps its checkpoints


def note_folders(command: str, folders: Iterable[str | os.PathLike[str]]) -> None:
    """Note where a run keeps its checkpoints; a folder that can't be written to stops no run."""
    lines = [_shown(Path(folder)) for folder in folders]
    with suppress(TlmlError):
        write_atomic(make_folder(Path(RUNS) / command) / _NOTE, "\n".join(lines) + "\n")


def find_newest(command: str) -> Path | None:
    """Return the checkpoint that was written last by a command, or None."""
    found = [(path.stat().st_mtime_ns, path) for path in _checkpoints(command)]
    return max(found)[1] if found else None


def _checkpoints(command: str) -> Iterator[Path]:
    folder = Path(RUNS) / command
    yield from folder.glob("*/checkpoints/last*.ckpt")
    with suppress(OSError, ValueError):
        for line in (folder / _NOTE).read_text(encoding="utf-8").splitlines():
            yield from Path(line).glob("*.ckpt")


def _shown(folder: Path) -> str:
    """Return a path that still holds when the working folder is moved with all that is in it."""
    with suppress(ValueError):
        folder = folder.absolute().relative_to(Path.cwd())
    return folder.as_posix()
