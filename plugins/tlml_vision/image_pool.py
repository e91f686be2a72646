"""What the domains of image data sets share: where the data is, and reading it once."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import PIL
from gymnasium.spaces import Box
from torch import Tensor

from tlml import ClassPool
from tlml.errors import TlmlError, check_choice, check_positive
from tlml.task import SPLITS, Split
from tlml_vision.image_store import Bytes, Classes, Floats, stored

RECIPE = 2  # to be raised with each change to how images are decoded
ON_DISK: dict[Split, str] = {"source": "train", "validation": "val", "target": "test"}


@dataclass(frozen=True, slots=True)
class Found:
    """The images of a split in one layout.

    Args:
        files: What they are made from; they are read anew when one of these changes.
        read: Yields each class with its images, bytes ``[n, C, H, W]``.
    """

    files: tuple[Path, ...]
    read: Callable[[], Classes]


class ImagePool(ClassPool):
    """A pool of classes read from a folder; a sample is ``[C, size, size]`` in [0, 1].

    A subclass names itself, its layouts and where the data comes from, and writes `find`. The
    images are decoded once and kept in the cache, from which episodes read what they draw.
    """

    name: ClassVar[str]
    layouts: ClassVar[tuple[str, ...]]
    obtain: ClassVar[str]
    channels: ClassVar[int] = 3

    def __init__(self, root: str | None = None, size: int = 84) -> None:
        check_positive(size=size)
        self.root, self.size = root, size
        self.x = Box(0.0, 1.0, (self.channels, size, size), np.float32)
        self._splits: dict[Split, dict[str, Bytes]] = {}

    @abstractmethod
    def find(self, folder: Path, split: Split) -> Found | None:
        """Return the images of a split; None where no layout is there."""

    def get(self, folder: Path) -> bool:
        """Download the data where that was asked for, and say whether it was."""
        return False

    def classes(self, split: Split) -> Mapping[str, Tensor]:
        """Map each class of a split to its samples ``[n, C, size, size]``, made when asked for.

        Raises:
            TlmlError: The data is missing, incomplete or damaged.
        """
        return Floats(self.samples(split))

    def samples(self, split: Split) -> dict[str, Bytes]:
        """Map each class of a split to its images on the disk."""
        check_choice("split", split, SPLITS)
        if split not in self._splits:
            self._splits[split] = self._load(split)
        return self._splits[split]

    def __getstate__(self) -> dict[str, Any]:
        # The images are mapped from the disk again: copies for workers stay small.
        return {**self.__dict__, "_splits": {}}

    def _load(self, split: Split) -> dict[str, Bytes]:
        folder = self._folder()
        found = self.find(folder, split)
        if found is None and self.get(folder):
            found = self.find(folder, split)
        if found is None:
            raise TlmlError(self._missing(folder, split))
        recipe = {
            "recipe": [RECIPE, PIL.__version__],
            "options": [type(self).__qualname__, split, repr(self._options())],
            "files": _fingerprint(found.files),
        }
        classes = stored(self.name, recipe, self.x.shape, lambda: _checked(self, found.read()))  # type: ignore[arg-type]
        if not classes:
            raise TlmlError(f"{self.name}: {folder} holds no {split} class")
        return classes

    def _options(self) -> list[tuple[str, Any]]:
        """Return the options that images depend on: all but where they are."""
        hidden = ("root", "x", "download")
        return sorted((k, v) for k, v in vars(self).items() if k[0] != "_" and k not in hidden)

    def _folder(self) -> Path:
        if self.root is not None:
            return Path(self.root).expanduser()
        data = os.environ.get("TLML_DATA")
        if not data:
            raise TlmlError(
                f"{self.name}: where is the data? set root to its folder, or the environment "
                f"variable TLML_DATA to the folder that holds {self.name}/; {self.obtain}"
            )
        return Path(data).expanduser() / self.name

    def _missing(self, folder: Path, split: Split) -> str:
        there = (
            "it has none of the layouts"
            if folder.is_dir()
            else "there is no such folder; it may hold"
        )
        return (
            f"{self.name}: no {split} images in {folder}: {there} "
            f"{', or '.join(self.layouts)}; {self.obtain}"
        )


def _checked(pool: ImagePool, classes: Classes) -> Iterable[tuple[str, Any]]:
    for name, images in classes:
        if images.dtype != np.uint8 or images.shape[1:] != pool.x.shape:
            raise TlmlError(
                f"{pool.name}: class '{name}' was read as {images.dtype} {list(images.shape)}, and "
                f"must be uint8 [n, {', '.join(map(str, pool.x.shape or ()))}]"
            )
        yield name, images


def _fingerprint(files: Iterable[Path]) -> list[list[Any]]:
    return [[str(path), (stat := path.stat()).st_size, stat.st_mtime_ns] for path in files]
