"""IDX: the format that MNIST and its kind are handed on in."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tlml.errors import TlmlError

_LARGEST = 1 << 30  # bytes that a file may unpack to
_INNER = ("", "MNIST/raw", "FashionMNIST/raw", "mnist", "fashion_mnist")  # also torchvision's


def find_idx(folder: Path, name: str) -> Path | None:
    """Return the file of a name in a folder, packed or not, also where torchvision puts it."""
    places = (folder / inner / (name + end) for inner in _INNER for end in ("", ".gz"))
    return next((path for path in places if path.is_file()), None)


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """Read bytes: two zeros, type 8, the number of dimensions, their sizes, then the values.

    Raises:
        TlmlError: The file is damaged, or in another format.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            raw = file.read(_LARGEST)
        start = 4 + 4 * dimensions
        shape = np.frombuffer(raw[4:start], ">u4")
        if raw[:4] != bytes([0, 0, 8, dimensions]):
            raise ValueError("its head is another one")
        return np.frombuffer(raw[start:], np.uint8).reshape(shape)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise damage_error(path, "IDX", error) from error


def damage_error(path: Path, form: str, error: Exception) -> TlmlError:
    """Build the error for a file that can't be read."""
    return TlmlError(f"{path}: is damaged or not in the format {form} ({error}); get it again")
