"""Writing files whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tlml.errors import TlmlError

__all__ = ["make_folder", "replacing", "write_atomic"]

_DEVICES = {
    "CON",
    "PRN",
    "AUX",
    "NUL",
    *(f"{port}{n}" for port in ("COM", "LPT") for n in range(10)),
}
_FULL = {errno.ENOSPC, errno.EDQUOT}
_CLOSED = {errno.EACCES, errno.EPERM, errno.EROFS}


def write_atomic(path: str | Path, data: str | bytes) -> None:
    """Replace the file at `path` by `data` (text as UTF-8); a failure leaves it as it was.

    Raises:
        TlmlError: The folder is missing or not writable, or the disk is full.
    """
    content = data.encode() if isinstance(data, str) else data
    with replacing(path) as temporary, temporary.open("xb") as file:
        file.write(content)


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a temporary path in the same folder, which takes the place of `path` at the end.

    Whoever must write by another's function (``torch.save``) writes there. Where the block raises,
    `path` is as it was and nothing is left beside it.

    Raises:
        TlmlError: The block or the replacing failed with an OSError.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        yield temporary
        _to_disk(temporary)
        os.replace(temporary, path)
    except OSError as error:
        raise _explain(path, error) from error
    finally:
        # Not there after success; where the folder itself is bad there is nothing to remove.
        _remove(temporary)


def make_folder(path: str | Path) -> Path:
    """Make a folder (and its parents) where it is missing, and return it once it can be written to.

    Raises:
        TlmlError: It cannot be made, or nothing can be written into it.
    """
    folder = Path(path)
    # Permission bits say little (root, read-only mounts, quotas): only writing shows it.
    probe = folder / f".probe.{secrets.token_hex(4)}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"tlml")
        probe.unlink()
    except OSError as error:
        _remove(probe)
        raise _explain(folder, error) from error
    return folder


def file_name_problem(names: Iterable[str]) -> str:
    """Say why names can't be those of files on every system; "" where they can."""
    seen: dict[str, str] = {}
    for name in names:
        if name.partition(".")[0].upper() in _DEVICES or name.endswith((".", " ")):
            return f"'{name}' cannot be the name of a file on Windows"
        if (other := seen.setdefault(name.casefold(), name)) != name:
            return f"'{other}' and '{name}' would be the same file on macOS and Windows"
    return ""


def _remove(path: Path) -> None:
    try:
        path.unlink()
    except OSError:
        return


def _to_disk(path: Path) -> None:
    # Without it a power cut may keep the new name and lose the content.
    handle = os.open(path, os.O_RDWR)  # Windows writes back what may be written to only
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _explain(path: Path, error: OSError) -> TlmlError:
    if error.errno in _FULL:
        return TlmlError(
            f"{path}: the disk is full; make room and run again, what was done is kept"
        )
    if error.errno in _CLOSED:
        return TlmlError(f"{path}: cannot be written ({error.strerror}); choose another folder")
    if isinstance(error, FileNotFoundError) and not path.parent.exists():
        return TlmlError(f"{path}: cannot be written: the folder {path.parent} does not exist")
    if isinstance(error, NotADirectoryError | FileExistsError | IsADirectoryError):
        return TlmlError(f"{path}: cannot be written ({error.strerror}); choose another path")
    return TlmlError(f"{path}: cannot be written ({error.strerror or error})")
