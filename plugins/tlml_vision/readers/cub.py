"""CUB-200-2011: 200 species of birds (Wah et al. 2011)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tlml.data import Split
from tlml.errors import TlmlError
from tlml_vision.readers import image_folder
from tlml_vision.readers.image_folder import find_folders, of_files, subfolders
from tlml_vision.readers.image_pool import ImagePool
from tlml_vision.storage.decoding import decode, image_files, scaled
from tlml_vision.storage.image_data import FoundImages
from tlml_vision.storage.image_store import Classes

Frame = tuple[int, int, int, int]  # left, top, right, bottom in pixels

_SPECIES = re.compile(r"(\d{3})\.")
_TABLES = ("images.txt", "bounding_boxes.txt")


class Cub(ImagePool):
    """100, 50 and 50 species of birds, 41 to 60 photographs each.

    The split is that of Chen et al. 2019 (arXiv 1904.04232): of species counted from 0, the even
    ones are to learn from, 1, 5, 9, … to validate on, and 3, 7, 11, … the target.

    Args:
        root: The folder of the data; ``$TLML_DATA/cub`` where None.
        size: Side of the images in pixels; photographs are resized to a square.
        crop: Cut out the bird by the bounding boxes of the data.

    Raises:
        TlmlError: An option is out of range.
    """

    name = "cub"
    layouts = ("CUB_200_2011/images/NNN.Species/*.jpg, also without the outer folder",
               image_folder.LAYOUT)  # fmt: skip
    obtain = "unpack CUB_200_2011.tgz of data.caltech.edu/records/65de6-vp158 there"

    def __init__(self, root: str | None = None, size: int = 84, crop: bool = False) -> None:
        super().__init__(root, size)
        self.crop = crop

    def find(self, folder: Path, split: Split) -> FoundImages | None:
        """Find the species of a split by their numbers, or its folders.

        Raises:
            TlmlError: A folder is not called as a species is, or boxes are missing.
        """
        for place in (folder / "CUB_200_2011", folder):
            species = subfolders(place / "images")
            own = {name: path for name, path in species.items() if split_of(path) == split}
            if own:
                files = {name: image_files(path) for name, path in own.items()}
                return self._crop(place, files) if self.crop else self._whole(place, files)
        if self.crop and (folder / "train").is_dir():
            raise TlmlError(f"crop: {folder} has folders of splits, and no bounding boxes")
        return find_folders(folder, split, scaled(self.size))

    def _whole(self, place: Path, files: Mapping[str, list[Path]]) -> FoundImages:
        return of_files(files, place, scaled(self.size))

    def _crop(self, place: Path, files: Mapping[str, list[Path]]) -> FoundImages:
        frames, fit = _frames(place), scaled(self.size)

        def cut(path: Path) -> NDArray[np.uint8]:
            key = f"{path.parent.name}/{path.name}"
            if key not in frames:
                raise TlmlError(f"{place / _TABLES[1]}: has no box for {key}")
            one: NDArray[np.uint8]
            (one,) = decode([path], lambda image: fit(_inside(image, frames[key])))
            return one

        def read() -> Classes:
            for name, paths in files.items():
                yield name, np.stack([cut(path) for path in paths])

        whole = self._whole(place, files)
        return FoundImages((*whole.files, *(place / table for table in _TABLES)), read)


def split_of(folder: Path) -> Split:
    """Return the split of a species by the number before its name."""
    number = _SPECIES.match(folder.name)
    if number is None:
        raise TlmlError(f"{folder}: must be called like 001.Black_footed_Albatross")
    index = int(number[1]) - 1
    if index % 2 == 0:
        return "source"
    return "validation" if index % 4 == 1 else "target"


def _inside(image: Image.Image, frame: Frame) -> Image.Image:
    left, top, right, bottom = frame
    return image.crop((left, top, min(right, image.width), min(bottom, image.height)))


def _frames(place: Path) -> dict[str, Frame]:
    """Return the boxes by ``NNN.Species/file.jpg``."""
    for table in _TABLES:
        if not (place / table).is_file():
            raise TlmlError(f"crop: needs {' and '.join(_TABLES)}; there is no {place / table}")
    names, boxes = ((place / table).read_text(encoding="utf-8").splitlines() for table in _TABLES)
    try:
        files = dict(line.split() for line in names)
        return {files[line.split()[0]]: _frame(line.split()[1:]) for line in boxes}
    except (ValueError, KeyError) as error:
        raise TlmlError(f"{place / _TABLES[1]}: does not fit {_TABLES[0]} ({error})") from error


def _frame(numbers: list[str]) -> Frame:
    left, top, width, height = (float(number) for number in numbers)
    return round(left), round(top), round(left + width), round(top + height)
