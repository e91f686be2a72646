"""CIFAR-100 as its authors hand it on: pickles of Python 2, with classes and superclasses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tlml.errors import TlmlError
from tlml_vision.readers.image_pool import ImagePool
from tlml_vision.readers.torchvision_data import download as torchvision_download
from tlml_vision.storage.decoding import fit_images, scaled
from tlml_vision.storage.image_data import FoundImages
from tlml_vision.storage.image_store import Classes
from tlml_vision.storage.numbers import whole_numbers
from tlml_vision.storage.safe_pickle import load_pickle

LAYOUT = "cifar-100-python/ with train, test and meta"
OBTAIN = (
    "get cifar-100-python.tar.gz from https://www.cs.toronto.edu/~kriz/cifar.html, or set "
    "download=True"
)
SIDE = 32
_IMAGES = ("data", "fine_labels", "coarse_labels")
_NAMES = ("fine_label_names", "coarse_label_names")


class CifarPool(ImagePool):
    """A pool of classes of CIFAR-100, of 600 images each: its training and its test images."""

    def __init__(self, root: str | None = None, size: int = 32, download: bool = False) -> None:
        super().__init__(root, size)
        self.download = download

    def get(self, folder: Path) -> bool:
        """Download CIFAR-100 where that was asked for."""
        if self.download:
            torchvision_download("CIFAR100", folder)
        return self.download


def find_cifar100(
    folder: Path,
    size: int,
    wanted: Callable[[str, str], bool],
    files: tuple[str, ...] = ("train", "test"),
) -> FoundImages | None:
    """Find the classes that are wanted by their names and those of their superclasses.

    Args:
        folder: Where ``cifar-100-python/`` is.
        size: Side of the images in pixels.
        wanted: Says it of a class and its superclass.
        files: Whose images are put together.
    """
    *own, meta = (folder / "cifar-100-python" / name for name in (*files, "meta"))
    if not all(path.is_file() for path in (*own, meta)):
        return None

    def read() -> Classes:
        fine_names, coarse_names = _held(meta, _NAMES)
        parts = [_part(path, len(fine_names), len(coarse_names)) for path in own]
        images, fine, coarse = (np.concatenate(both) for both in zip(*parts, strict=True))
        for label in np.unique(fine):
            rows = fine == label
            name = str(fine_names[label])
            if wanted(name, str(coarse_names[coarse[rows][0]])):
                yield name, fit_images(images[rows], scaled(size))

    return FoundImages((*own, meta), read)


def _part(path: Path, fine_names: int, coarse_names: int) -> tuple[Any, Any, Any]:
    """Return images ``[n, 32, 32, 3]``, classes and superclasses ``[n]`` of one file."""
    data, *labels = _held(path, _IMAGES)
    fine, coarse = (whole_numbers(own, "labels", path) for own in labels)
    images = np.asarray(data)
    if images.dtype != np.uint8 or images.shape != (len(fine), 3 * SIDE * SIDE) or not len(fine):
        raise TlmlError(f"{path}: data must be bytes [n, {3 * SIDE * SIDE}], one row a label")
    if len(coarse) != len(fine) or fine.max() >= fine_names or coarse.max() >= coarse_names:
        raise TlmlError(f"{path}: its labels do not fit each other or the names in meta")
    return images.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1), fine, coarse


def _held(path: Path, keys: tuple[str, ...]) -> list[Any]:
    held = load_pickle(path)
    if not isinstance(held, dict) or not held.keys() >= set(keys):
        raise TlmlError(f"{path}: must hold {', '.join(keys)}")
    return [held[key] for key in keys]
