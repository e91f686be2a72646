"""Why a cell failed: in one line for reports, and with the traceback in ``failed.json``."""

from __future__ import annotations

import errno
import json
import traceback
from contextlib import suppress
from pathlib import Path

from tlml.errors import TlmlError
from tlml.files import make_folder, write_atomic
from tlml.registry.registry import default_registry
from tlml.spec import ALL_KINDS

# What a full or closed disk, or too little memory, says: nothing is wrong with the cell.
_MACHINE = {
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EMFILE,
    errno.ENFILE, errno.ENOMEM, errno.EIO, errno.ESTALE,
}  # fmt: skip


def reason_for(error: BaseException) -> str:
    """Return what went wrong in one line; of a crash in a plugin, with the plugin's line."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, TlmlError):
        return text
    where = _line_of_plugin(error)
    named = text if text == type(error).__name__ else f"{type(error).__name__}: {text}"
    return f"{named} ({where})" if where else named


def write_failure(path: Path, reason: str, error: BaseException | None = None) -> None:
    """Write ``failed.json`` if it can be written; a full disk is no second failure."""
    about = {"error": reason}
    if error is not None:
        about["traceback"] = "".join(traceback.format_exception(error))
    with suppress(OSError, TlmlError):
        write_atomic(make_folder(path.parent) / path.name, json.dumps(about, indent=1) + "\n")


def read_failure(path: Path) -> str | None:
    """Return the reason that ``failed.json`` gives, or None where there is none to read."""
    try:
        return str(json.loads(path.read_bytes())["error"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def of_the_machine(error: BaseException | None) -> bool:
    """Say whether an error comes from the computer, so that what was done is still good."""
    while error is not None:
        if isinstance(error, MemoryError) or getattr(error, "errno", None) in _MACHINE:
            return True
        error = error.__cause__ or error.__context__
    return False


def _line_of_plugin(error: BaseException) -> str:
    """Return the innermost line of a plugin in a traceback, as ``package/file.py:12 in name``."""
    packages = _packages()
    for frame, number in reversed([*traceback.walk_tb(error.__traceback__)]):
        if frame.f_globals.get("__name__", "").partition(".")[0] in packages:
            file = "/".join(Path(frame.f_code.co_filename).parts[-2:])
            return f"{file}:{number} in {frame.f_code.co_name}"
    return ""


def _packages() -> set[str]:
    """Return the top packages of all that plugins register."""
    registry = default_registry()
    targets = {spec.target for kind in ALL_KINDS for spec in registry.specs(kind)}
    return {target.partition(":")[0].partition(".")[0] for target in targets} - {"tlml"}
