"""Arrays kept on disk after they were made once."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tlml.errors import TlmlError
from tlml.files import make_folder, replacing

Arrays = dict[str, NDArray[np.generic]]

_log = logging.getLogger(__name__)


def load_or_make(name: str, recipe: Mapping[str, object], make: Callable[[], Arrays]) -> Arrays:
    """Return what `make` makes, from the disk where the same recipe was made before.

    A file that is truncated or damaged is made again; a folder that can't be written to costs
    a line in the log and the time to make the arrays.

    Args:
        name: The beginning of the file's name.
        recipe: All that the arrays depend on, as plain data.
        make: Makes the arrays; none may hold objects.
    """
    text = json.dumps(recipe, sort_keys=True)
    path = cache_folder() / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.npz"
    arrays = _read(path)
    if arrays is None:
        arrays = make()
        _write(path, arrays)
    return arrays


def cache_folder() -> Path:
    """Return ``$TLML_CACHE``, else the folder `tlml` of the user's cache."""
    own = os.environ.get("TLML_CACHE")
    if own:
        return Path(own).expanduser()
    variable = "LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME"
    return Path(os.environ.get(variable) or Path.home() / ".cache") / "tlml"


def _read(path: Path) -> Arrays | None:
    try:
        # Given a path, numpy leaves the file open where it is damaged.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {key: arrays[key] for key in arrays.files}
    except FileNotFoundError:
        return None
    except Exception as error:  # zipfile, zlib and numpy each have errors of their own for damage
        _log.debug("%s is damaged (%s) and made again", path, error)
        return None


def _write(path: Path, arrays: Arrays) -> None:
    try:
        with (
            replacing(make_folder(path.parent) / path.name) as temporary,
            temporary.open("xb") as f,
        ):
            np.savez(f, **arrays)  # type: ignore[arg-type]
    except TlmlError as error:
        _log.warning("nothing is kept for the next time: %s", error)
