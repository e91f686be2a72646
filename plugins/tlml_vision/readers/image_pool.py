"""What pools of classes of images share: the splits of a data set, each read once."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from gymnasium.spaces import Box
from torch import Tensor

from tlml import ClassPool
from tlml.data import SPLITS, Split, fingerprint_files
from tlml.errors import TlmlError, check_choice, check_positive
from tlml_vision.storage.image_data import FoundImages, data_folder, missing, read_once
from tlml_vision.storage.image_store import Bytes, Floats

ON_DISK: dict[Split, str] = {"source": "train", "validation": "val", "target": "test"}


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
    def find(self, folder: Path, split: Split) -> FoundImages | None:
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

    def fingerprint(self) -> str | None:
        """Return the state of the folder of the data."""
        return fingerprint_files(data_folder(self.name, self.root, self.obtain))

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
        folder = data_folder(self.name, self.root, self.obtain)
        found = self.find(folder, split)
        if found is None and self.get(folder):
            found = self.find(folder, split)
        if found is None:
            raise missing(f"{self.name}: no {split} images", folder, self.layouts, self.obtain)
        options = [type(self).__qualname__, split, repr(self._options())]
        classes = read_once(self.name, options, (self.channels, self.size, self.size), found)
        if not classes:
            raise TlmlError(f"{self.name}: {folder} holds no {split} class")
        return classes

    def _options(self) -> list[tuple[str, Any]]:
        """Return the options that images depend on: all but where they are."""
        hidden = ("root", "x", "download")
        return sorted((k, v) for k, v in vars(self).items() if k[0] != "_" and k not in hidden)
