"""tiered-ImageNet: 608 classes of ImageNet, divided by the categories above them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tlml.data import Split
from tlml.errors import TlmlError
from tlml_vision.readers import image_folder
from tlml_vision.readers.image_folder import find_folders
from tlml_vision.readers.image_pool import ON_DISK, ImagePool
from tlml_vision.storage.decoding import decoded_bytes, fit_images, scaled
from tlml_vision.storage.image_data import FoundImages
from tlml_vision.storage.image_store import Classes
from tlml_vision.storage.numbers import whole_numbers
from tlml_vision.storage.safe_pickle import load_pickle

Rows = NDArray[np.intp]
ReadRows = Callable[[Rows], NDArray[np.uint8]]


class TieredImageNet(ImagePool):
    """351, 97 and 160 classes of some 1,280 colour images each (Ren et al. 2018).

    Args:
        root: The folder of the data; ``$TLML_DATA/tiered_imagenet`` where None.
        size: Side of the images in pixels.

    Raises:
        TlmlError: An option is out of range.
    """

    name = "tiered_imagenet"
    layouts = (
        "{train,val,test}_images_png.pkl with {train,val,test}_labels.pkl",
        "{train,val,test}_images.npz with the same",
        image_folder.LAYOUT,
        "each of these in tiered-imagenet/",
    )
    obtain = (
        "ImageNet's terms forbid a download of ours: tiered-imagenet.tar is linked from "
        "https://github.com/renmengye/few-shot-ssl-public"
    )

    def find(self, folder: Path, split: Split) -> FoundImages | None:
        """Find the pickles, the arrays or the folders of a split.

        Raises:
            TlmlError: Splits share a class, or the labels are missing.
        """
        for place in (folder, folder / "tiered-imagenet"):
            found = self._find_arrays(place, ON_DISK[split])
            found = found or find_folders(place, split, scaled(self.size))
            if found is not None:
                return found
        return None

    def _find_arrays(self, folder: Path, part: str) -> FoundImages | None:
        labels = folder / f"{part}_labels.pkl"
        for path, opened in (
            (folder / f"{part}_images_png.pkl", self._encoded),
            (folder / f"{part}_images.npz", self._plain),
        ):
            if path.is_file():
                if not labels.is_file():
                    raise TlmlError(f"{path}: its labels are missing, {labels}")
                return FoundImages((path, labels), partial(_group, opened, path, labels))
        return None

    def _encoded(self, path: Path) -> tuple[int, ReadRows]:
        images = load_pickle(path)
        if not isinstance(images, list):
            raise TlmlError(f"{path}: must hold a list of encoded images")
        fit = scaled(self.size)
        return len(images), lambda rows: decoded_bytes(
            (np.asarray(images[i], np.uint8).tobytes() for i in rows), str(path), fit
        )

    def _plain(self, path: Path) -> tuple[int, ReadRows]:
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                images = arrays["images"]
        except Exception as error:  # zipfile, zlib and numpy each have errors of their own
            raise TlmlError(f"{path}: is damaged or holds no images ({error})") from error
        if images.dtype != np.uint8 or images.shape[3:] != (3,):
            raise TlmlError(f"{path}: images must be bytes [n, H, W, 3]")
        # OpenCV filled them, blue first; the encoded ones are ordinary files, red first.
        return len(images), lambda rows: fit_images(images[rows, :, :, ::-1], scaled(self.size))


def _group(opened: Callable[[Path], tuple[int, ReadRows]], path: Path, labels: Path) -> Classes:
    """Decode class by class: a split in memory whole is 9 GB."""
    number, read_rows = opened(path)
    own, names = _labels(labels)
    if len(own) != number:
        raise TlmlError(f"{path}: holds {number} images, and {labels.name} labels {len(own)}")
    for label in np.unique(own):
        # Each file counts its classes from 0.
        yield f"{labels.name.split('_')[0]}/{names(label)}", read_rows(np.flatnonzero(own == label))


def _labels(path: Path) -> tuple[NDArray[Any], Callable[[int], str]]:
    """Return the class of each image, and what gives a class its name."""
    held = load_pickle(path)
    held = {_text(key): value for key, value in held.items()} if isinstance(held, dict) else {}
    if {"label_specific", "label_specific_str"} <= held.keys():
        own = whole_numbers(held["label_specific"], "label_specific", path)
        texts = list(held["label_specific_str"])
        if own.size and own.max() >= len(texts):
            raise TlmlError(f"{path}: names {len(texts)} classes, and an image is of {own.max()}")
        # Two classes of ImageNet may share a name (crane, the bird and the machine).
        return own, lambda label: f"{label:03d} {_text(texts[label])}"
    if "labels" in held:
        return whole_numbers(held["labels"], "labels", path), str
    raise TlmlError(f"{path}: must hold label_specific and label_specific_str, or labels")


def _text(value: Any) -> str:
    return value.decode("latin1") if isinstance(value, bytes) else str(value)
