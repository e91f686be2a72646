"""Downloads of MNIST and its kind through OpenML, where torchvision is not there."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tlml.errors import TlmlError
from tlml.files import make_folder
from tlml_vision.storage.idx import write_idx
from tlml_vision.storage.progress_bar import waiting

Bytes = NDArray[np.uint8]
_PIXELS = (28, 28)


class OpenMl(NamedTuple):
    """A table of images that OpenML has: those of several files, one file after the other.

    Args:
        name: What it is called there.
        id: Its number there, which never means another version.
        files: How many images there are of each file, and the labels that it begins with.
    """

    name: str
    id: int
    files: Mapping[str, tuple[int, tuple[int, ...]]]


def download(table: OpenMl, folder: Path, wanted: Collection[str]) -> None:
    """Write IDX files of a table into a folder.

    Args:
        table: The table.
        folder: The folder, made where it is missing.
        wanted: Which of its files.

    Raises:
        TlmlError: The download failed, or the table is not the one that is known.
    """
    with waiting(f"{table.name}: download from OpenML"):
        images, labels = _fetched(table, folder)
    make_folder(folder)
    first = 0
    for file, (size, _) in table.files.items():
        rows = slice(first, first + size)
        if file in wanted:
            write_idx(folder / f"{file}-images-idx3-ubyte", images[rows])
            write_idx(folder / f"{file}-labels-idx1-ubyte", labels[rows])
        first += size


def _fetched(table: OpenMl, folder: Path) -> tuple[Bytes, Bytes]:
    """Return all images ``[n, 28, 28]`` and labels ``[n]``."""
    from sklearn.datasets import fetch_openml

    try:
        # Nothing is cached: what is kept are the files.
        x, y = fetch_openml(data_id=table.id, as_frame=False, return_X_y=True, cache=False)
        images = np.asarray(x).reshape(-1, *_PIXELS).astype(np.uint8)
        labels = np.asarray(y).astype(np.uint8)
    except (OSError, ValueError) as error:
        raise TlmlError(f"{table.name}: the download into {folder} failed: {error}") from error
    _check(table, labels)
    return images, labels


def _check(table: OpenMl, labels: Bytes) -> None:
    """Raise where rows are in another order, which would mix files."""
    first = 0
    for file, (size, begins) in table.files.items():
        if tuple(labels[first : first + len(begins)].tolist()) != begins:
            raise TlmlError(
                f"{table.name}: rows from {first} on of OpenML's table {table.id} are not those of "
                f"the file {file}; get the files elsewhere"
            )
        first += size
    if len(labels) != first:
        raise TlmlError(
            f"{table.name}: OpenML's table {table.id} has {len(labels)} rows in place of {first}; "
            "get the files elsewhere"
        )
