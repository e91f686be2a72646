"""mini-ImageNet: 100 classes of ImageNet at 84 × 84 pixels, in the split of Ravi & Larochelle."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

from tlml.data import Split
from tlml.errors import TlmlError
from tlml_vision.readers import image_folder
from tlml_vision.readers.image_folder import check_apart, find_folders, of_files
from tlml_vision.readers.image_pool import ON_DISK, ImagePool
from tlml_vision.storage.decoding import fit_images, scaled
from tlml_vision.storage.image_data import FoundImages
from tlml_vision.storage.image_store import Classes
from tlml_vision.storage.numbers import whole_numbers
from tlml_vision.storage.safe_pickle import load_pickle

_CACHE = "mini-imagenet-cache-{}.pkl"


class MiniImageNet(ImagePool):
    """600 colour images of each of 64, 16 and 20 classes (Vinyals et al. 2016).

    The split is that of the files, which is Ravi & Larochelle's (2017) in all that are around.

    Args:
        root: The folder of the data; ``$TLML_DATA/mini_imagenet`` where None.
        size: Side of the images in pixels.

    Raises:
        TlmlError: An option is out of range.
    """

    name = "mini_imagenet"
    layouts = (
        "images/*.jpg with train.csv, val.csv and test.csv (filename,label)",
        image_folder.LAYOUT,
        _CACHE.format("{train,val,test}"),
    )
    obtain = (
        "ImageNet's terms forbid a download of ours: the csv files are in "
        "https://github.com/twitter-research/meta-learning-lstm (data/miniImagenet), the images "
        "at https://image-net.org, and the pickles are linked from "
        "https://github.com/renmengye/few-shot-ssl-public"
    )

    def find(self, folder: Path, split: Split) -> FoundImages | None:
        """Find the lists, the folders or the pickle of a split.

        Raises:
            TlmlError: A list names an image that is not there, or splits share a class.
        """
        return (
            self._find_lists(folder, split)
            or find_folders(folder, split, scaled(self.size))
            or self._find_pickle(folder, split)
        )

    def _find_lists(self, folder: Path, split: Split) -> FoundImages | None:
        lists = {part: folder / f"{part}.csv" for part in ON_DISK.values()}
        own = lists.pop(ON_DISK[split])
        if not own.is_file():
            return None
        classes = _listed(own)
        for other, path in lists.items():
            if path.is_file():
                check_apart(folder, own.stem, classes, other, _listed(path))
        for path in (path for files in classes.values() for path in files):
            if not path.is_file():
                raise TlmlError(f"mini_imagenet: {own} lists {path}, which is not there")
        return of_files(classes, folder, scaled(self.size))

    def _find_pickle(self, folder: Path, split: Split) -> FoundImages | None:
        path = folder / _CACHE.format(ON_DISK[split])
        if not path.is_file():
            return None

        def read() -> Classes:
            images, classes = _unpack(path)
            for name, rows in sorted(classes.items()):
                yield str(name), fit_images(images[np.asarray(rows)], scaled(self.size))

        return FoundImages((path,), read)


def _listed(path: Path) -> dict[str, list[Path]]:
    """Return the files of each class of a list with the columns filename and label."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        if not {"filename", "label"} <= set(rows.fieldnames or ()):
            raise TlmlError(f"{path}: its first line must name the columns filename and label")
        classes: dict[str, list[Path]] = {}
        for row in rows:
            classes.setdefault(row["label"], []).append(path.parent / "images" / row["filename"])
    return classes


def _unpack(path: Path) -> tuple[Any, dict[Any, Any]]:
    """Return images ``[n, H, W, 3]`` and the rows of each class."""
    data = load_pickle(path)
    images, classes = (data.get(k) if isinstance(data, dict) else None for k in _KEYS)
    if (
        not (isinstance(images, np.ndarray) and isinstance(classes, dict))
        or images.dtype != np.uint8
        or images.shape[3:] != (3,)
    ):
        raise TlmlError(f"{path}: must hold image_data, bytes [n, H, W, 3], and class_dict")
    empty = [name for name, rows in classes.items() if np.shape(rows) == (0,)]
    if empty:
        raise TlmlError(f"{path}: class_dict names no image of class '{empty[0]}'")
    places = {
        name: whole_numbers(rows, f"the images of class '{name}'", path)
        for name, rows in classes.items()
    }
    last = max((int(rows.max()) for rows in places.values()), default=-1)
    if last >= len(images):
        raise TlmlError(f"{path}: class_dict names image {last}, and there are {len(images)}")
    return images, places


_KEYS = ("image_data", "class_dict")
