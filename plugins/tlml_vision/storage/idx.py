"""IDX: the format that MNIST and its kind are handed on in."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tlml.errors import TlmlError
from tlml.files import write_atomic

LARGEST = 1 << 30  # values of a file, MNIST's have 47 million: what is damaged may tell of any
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
            head = file.read(4 + 4 * dimensions)
            shape = _shape(head, dimensions)
            size = math.prod(shape)
            raw = file.read(size + 1)
        if len(raw) != size:
            much = "more than" if len(raw) > size else f"{len(raw):,} of"
            raise ValueError(f"it holds {much} {size:,} values")
        return np.frombuffer(raw, np.uint8).reshape(shape)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise damage_error(path, "IDX", error) from error


def write_idx(path: Path, values: NDArray[np.uint8]) -> None:
    """Write bytes ``[n, ...]``; the file appears whole.

    Raises:
        TlmlError: The folder is not writable, or the disk is full.
    """
    sizes = np.array(values.shape, ">u4").tobytes()
    write_atomic(path, bytes([0, 0, 8, values.ndim]) + sizes + values.tobytes())


def _shape(head: bytes, dimensions: int) -> tuple[int, ...]:
    """Return the sizes that a file tells of; nothing has been read for them yet."""
    if head[:4] != bytes([0, 0, 8, dimensions]) or len(head) != 4 + 4 * dimensions:
        raise ValueError("its head is another one")
    shape = tuple(np.frombuffer(head[4:], ">u4").tolist())
    if math.prod(shape) > LARGEST:
        raise ValueError(f"it tells of more than {LARGEST:,} values")
    return shape


def damage_error(path: Path, form: str, error: Exception) -> TlmlError:
    """Build the error for a file that can't be read."""
    return TlmlError(f"{path}: is damaged or not in the format {form} ({error}); get it again")
