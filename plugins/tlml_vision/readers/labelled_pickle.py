"""The pickles that CIFAR-FS and FC100 are handed on in: one array of images, a label for each."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tlml.errors import TlmlError
from tlml_vision.storage.decoding import fit_images, scaled
from tlml_vision.storage.image_data import FoundImages
from tlml_vision.storage.image_store import Classes
from tlml_vision.storage.numbers import whole_numbers
from tlml_vision.storage.safe_pickle import load_pickle


def find_labelled(path: Path, size: int) -> FoundImages | None:
    """Find a pickle of data, bytes ``[n, H, W, 3]``, and labels ``[n]``, its classes."""
    if not path.is_file():
        return None

    def read() -> Classes:
        held = load_pickle(path)
        images, labels = (held.get(k) if isinstance(held, dict) else None for k in _KEYS)
        if (
            not isinstance(images, np.ndarray)
            or images.dtype != np.uint8
            or images.shape[3:] != (3,)
            or labels is None
        ):
            raise TlmlError(f"{path}: must hold data, bytes [n, H, W, 3], and as many labels")
        of = whole_numbers(labels, "labels", path)
        if len(of) != len(images):
            raise TlmlError(f"{path}: must hold data, bytes [n, H, W, 3], and as many labels")
        for label in np.unique(of):
            # Each file may count its classes from 0.
            yield f"{path.stem}/{label}", fit_images(images[of == label], scaled(size))

    return FoundImages((path,), read)


_KEYS = ("data", "labels")
