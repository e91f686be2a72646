"""Where image data lies on the disk, and how it is read once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL

from tlml.errors import TlmlError
from tlml_vision.storage.image_store import Bytes, Classes, open_store

RECIPE = 2  # to be raised with each change to how images are decoded

Shape = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class FoundImages:
    """The images of a split or of a domain in one layout.

    Args:
        files: What they are made from; they are read anew when one of these changes.
        read: Yields each class with its images, bytes ``[n, C, H, W]``.
        classes: The names of the classes in the order of `read`, where they are known before.
    """

    files: tuple[Path, ...]
    read: Callable[[], Classes]
    classes: tuple[str, ...] = ()


def data_folder(name: str, root: str | None, obtain: str) -> Path:
    """Return `root`, else the folder of a data set in ``$TLML_DATA``.

    Raises:
        TlmlError: Neither is given.
    """
    if root is not None:
        return Path(root).expanduser()
    data = os.environ.get("TLML_DATA")
    if not data:
        raise TlmlError(
            f"{name}: where is the data? set root to its folder, or the environment "
            f"variable TLML_DATA to the folder that holds {name}/; {obtain}"
        )
    return Path(data).expanduser() / name


def missing(what: str, folder: Path, layouts: Sequence[str], obtain: str) -> TlmlError:
    """Build the error for data that isn't in its folder; `what` is it."""
    there = (
        "it has none of the layouts" if folder.is_dir() else "there is no such folder; it may hold"
    )
    return TlmlError(f"{what} in {folder}: {there} {', or '.join(layouts)}; {obtain}")


def read_once(
    name: str, options: Sequence[object], shape: Shape, found: FoundImages
) -> dict[str, Bytes]:
    """Return the images of each class, decoded where that was not done before.

    Args:
        name: Of the data set.
        options: All that the images depend on beside their files, as plain data.
        shape: Channels, height and width of an image.
        found: The images.

    Raises:
        TlmlError: An image is damaged or of another shape, or the disk is full.
    """
    recipe = {
        "recipe": [RECIPE, PIL.__version__],
        "options": list(options),
        "files": _fingerprint(found.files),
    }
    return open_store(name, recipe, shape, lambda: _check(name, shape, found.read()))


def _check(name: str, shape: Shape, classes: Classes) -> Iterable[tuple[str, Any]]:
    for own, images in classes:
        if images.dtype != np.uint8 or images.shape[1:] != shape:
            raise TlmlError(
                f"{name}: class '{own}' was read as {images.dtype} {list(images.shape)}, and "
                f"must be uint8 [n, {', '.join(map(str, shape))}]"
            )
        yield own, images


def _fingerprint(files: Iterable[Path]) -> list[list[Any]]:
    return [[str(path), (stat := path.stat()).st_size, stat.st_mtime_ns] for path in files]
