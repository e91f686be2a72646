"""Labels and places of images, as the files of others hold them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tlml.errors import TlmlError


def whole_numbers(values: Any, what: str, path: Path) -> NDArray[np.int64]:
    """Return labels or places as an array ``[n]``.

    Args:
        values: A list or an array.
        what: What they are, for an error: ``labels``.
        path: The file that holds them.

    Raises:
        TlmlError: They are not whole numbers from 0 on, one for each image.
    """
    try:
        found = np.asarray(values)
    except ValueError:  # lists of unequal lengths
        found = np.empty((0, 0), object)
    whole = not found.size or (found.dtype.kind in "iu" and found.min() >= 0)
    if found.ndim != 1 or not whole:
        raise TlmlError(f"{path}: {what} must be whole numbers from 0 on, one for each image")
    return found.astype(np.int64)
