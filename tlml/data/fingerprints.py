"""The state of files, in a short text."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

_READ = 32 << 20  # bytes up to which all files together are read


def fingerprint_files(*paths: str | os.PathLike[str]) -> str | None:
    """Return what changes with files and with all that is in folders; None where there is none.

    Up to 32 MiB in all it follows from names and contents, so that a copy on another computer has
    the same. Of more data, names, sizes and times of change are taken, which costs a look at each
    file. Hidden files don't count.

    Args:
        paths: Files and folders; a path of a user's home may begin with ``~``.
    """
    files = [pair for path in paths for pair in _named(Path(path).expanduser())]
    known = [(name, file, file.stat()) for name, file in files]
    if not known:
        return None
    small = sum(about.st_size for _, _, about in known) <= _READ
    digest = hashlib.sha256()
    for name, file, about in known:
        state = file.read_bytes() if small else str(about.st_mtime_ns).encode()
        digest.update(f"{name}\0{about.st_size}\0".encode() + state)
    return ("content " if small else "times ") + digest.hexdigest()[:16]


def _named(path: Path) -> Iterator[tuple[str, Path]]:
    """Yield the files at a path by their names there, in an order that no system changes."""
    if path.is_file():
        yield path.name, path
        return
    found = []
    for folder, folders, names in os.walk(path, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(folder, name) for name in names if not name.startswith(".")]
    yield from sorted((file.relative_to(path).as_posix(), file) for file in found)
