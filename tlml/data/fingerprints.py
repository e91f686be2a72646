"""The state of files, in a short text."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG

_READ = 32 << 20  # bytes up to which all files together are read


def fingerprint_files(*paths: str | os.PathLike[str]) -> str | None:
    """Return what changes with files and with all that is in folders; None where there is none.

    Up to 32 MiB in all it follows from names and contents, so that a copy on another computer has
    the same. Of more data, names, sizes and times of change are taken, which costs a look at each
    file; so is what can't be read. Of links to nothing and of pipes the names count. Hidden files
    don't.

    Args:
        paths: Files and folders; a path of a user's home may begin with ``~``.
    """
    files = [pair for path in paths for pair in _named(Path(path).expanduser())]
    known = [(name, file, _about(file)) for name, file in files]
    if not known:
        return None
    small = sum(about.st_size for _, _, about in known if about) <= _READ
    digest = hashlib.sha256()
    for name, file, about in known:
        size = about.st_size if about else ""
        digest.update(f"{name}\0{size}\0".encode(errors="surrogateescape"))
        digest.update(_state(file, about, small) if about else b"")
    return ("content " if small else "times ") + digest.hexdigest()[:16]


def _about(file: Path) -> os.stat_result | None:
    """Return what is known of a file; None of what can't be read: links to nothing, and pipes."""
    try:
        about = file.stat()
    except OSError:
        return None
    return about if S_ISREG(about.st_mode) else None


def _state(file: Path, about: os.stat_result, small: bool) -> bytes:
    if small:
        with suppress(OSError):  # it is nobody's to read, or went away meanwhile
            return file.read_bytes()
    return str(about.st_mtime_ns).encode()


def _named(path: Path) -> Iterator[tuple[str, Path]]:
    """Yield the files at a path by their names there, in an order that no system changes."""
    if not os.path.isdir(path):
        if os.path.lexists(path):
            yield path.name, path
        return
    found, seen = [], set[str]()
    for folder, folders, names in os.walk(path, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:  # a link leads back, or here again: its name tells enough
            folders.clear()
            found.append(Path(folder))
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(folder, name) for name in names if not name.startswith(".")]
    yield from sorted((file.relative_to(path).as_posix(), file) for file in found)
