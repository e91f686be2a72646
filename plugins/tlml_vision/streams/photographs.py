"""Photographs of many classes that come some at a time: CIFAR-100 and Tiny ImageNet."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from gymnasium.spaces import Box
from torch import Tensor

from tlml import ClassPool
from tlml.data import SPLITS, Split, fingerprint_files
from tlml.errors import TlmlError, check_choice, check_positive
from tlml_vision.readers import cifar100
from tlml_vision.readers.cifar100 import find_cifar100
from tlml_vision.readers.image_folder import of_files, subfolders
from tlml_vision.readers.torchvision_data import download as torchvision_download
from tlml_vision.storage.decoding import image_files, scaled
from tlml_vision.storage.image_data import FoundImages, data_folder, missing, read_once
from tlml_vision.storage.image_store import Bytes, Floats
from tlml_vision.streams.changed import ENDS

File = Literal["train", "test"]
_ANNOTATIONS = "val_annotations.txt"


class _SplitPhotographs(ClassPool):
    """Classes of colour photographs ``[3, size, size]`` in [0, 1], to be divided into tasks.

    All splits have all classes. Of each class's images to learn from the source has the first four
    fifths, validation the next 15%, the target the rest; the images to test on test the source's
    stream.
    """

    name: ClassVar[str]
    layouts: ClassVar[tuple[str, ...]]
    obtain: ClassVar[str]

    def __init__(self, root: str | None, size: int) -> None:
        check_positive(size=size)
        self.root, self.size = root, size
        self.x = Box(0.0, 1.0, (3, size, size), np.float32)
        self._files: dict[File, dict[str, Bytes]] = {}

    @abstractmethod
    def find(self, folder: Path, file: File) -> FoundImages | None:
        """Return the images to learn from or to test on; None where no layout is there."""

    def get(self, folder: Path) -> bool:
        """Download the data where that was asked for, and say whether it was."""
        return False

    def classes(self, split: Split) -> Mapping[str, Tensor]:
        """Map each class to its images ``[n, 3, size, size]`` in a split, made when asked for.

        Raises:
            TlmlError: The data is missing or damaged, or a class has too few images.
        """
        return Floats(self.samples(split))

    def samples(self, split: Split) -> dict[str, Bytes]:
        """Map each class to its images of a split on the disk."""
        check_choice("split", split, SPLITS)
        return {
            f"{split} {name}": self._share(name, own.images, split)
            for name, own in self._file("train").items()
        }

    def test_samples(self, split: Split) -> dict[str, Bytes]:
        """Map each class of the source to its images to test on."""
        if split != "source":
            return {}
        learned, tested = self._file("train"), self._file("test")
        both = learned.keys() ^ tested.keys()
        if both:
            only = "train" if min(both) in learned else "test"
            raise TlmlError(f"{self.name}: class '{min(both)}' is in the {only} images only")
        return {f"{split} {name}": tested[name] for name in learned}

    def fingerprint(self) -> str | None:
        """Return the state of the folder of the data."""
        return fingerprint_files(self._folder())

    def __getstate__(self) -> dict[str, Any]:
        # The images are mapped from the disk again: copies for workers stay small.
        return {**self.__dict__, "_files": {}}

    def _share(self, name: str, images: Any, split: Split) -> Bytes:
        ends = [0, *(int(end * len(images)) for end in ENDS), len(images)]
        if any(stop == start for start, stop in pairwise(ends)):
            raise TlmlError(
                f"{self.name}: class '{name}' has {len(images)} images to learn from, too few for "
                f"{', '.join(SPLITS)}"
            )
        own = SPLITS.index(split)
        return Bytes(images[ends[own] : ends[own + 1]])

    def _folder(self) -> Path:
        return data_folder(self.name, self.root, self.obtain)

    def _file(self, file: File) -> dict[str, Bytes]:
        if file not in self._files:
            folder = self._folder()
            found = self.find(folder, file)
            if found is None and self.get(folder):
                found = self.find(folder, file)
            if found is None:
                raise missing(f"{self.name}: no {file} images", folder, self.layouts, self.obtain)
            shape = (3, self.size, self.size)
            options = [type(self).__qualname__, file]
            self._files[file] = read_once(self.name, options, shape, found)
        return self._files[file]


class SplitCifar100(_SplitPhotographs):
    """CIFAR-100's 100 classes in the order of their labels, five of which make a task.

    All splits have all classes. Of the 500 images of a class in ``train`` the source has 400,
    validation 75, the target 25; the 100 in ``test`` test the source's stream. So target tasks are
    new images of known classes, and no new classes; `cifar_fs` and `fc100` have those.

    Args:
        root: The folder of the data; ``$TLML_DATA/cifar100`` where None.
        size: Side of the images in pixels.
        download: Whether to download CIFAR-100 through torchvision where nothing is there.

    Raises:
        TlmlError: The size is out of range.
    """

    name = "cifar100"
    layouts = (cifar100.LAYOUT, "train/CLASS/*.png and test/CLASS/*.png")
    obtain = f"{cifar100.OBTAIN}; without it take split_glyphs, which needs no files"

    def __init__(self, root: str | None = None, size: int = 32, download: bool = False) -> None:
        super().__init__(root, size)
        self.download = download

    def find(self, folder: Path, file: File) -> FoundImages | None:
        """Find the pickle, or the folders of classes.

        Raises:
            TlmlError: A class has no image.
        """
        found = find_cifar100(folder, self.size, lambda *_: True, (file,))
        return found or _folders(folder / file, folder, self.size)

    def get(self, folder: Path) -> bool:
        """Download CIFAR-100 where that was asked for."""
        if self.download:
            torchvision_download("CIFAR100", folder)
        return self.download


class SplitTinyImageNet(_SplitPhotographs):
    """Tiny ImageNet's 200 classes in the order of their names, some of which make a task.

    All splits have all classes. Of the 500 images of a class in ``train`` the source has 400,
    validation 75, the target 25; the 50 in ``val`` test the source's stream (its ``test`` has no
    labels). So target tasks are new images of known classes, and no new classes.

    Args:
        root: The folder of the data; ``$TLML_DATA/tinyimagenet`` where None.
        size: Side of the images in pixels.

    Raises:
        TlmlError: The size is out of range.
    """

    name = "tinyimagenet"
    layouts = (
        f"tiny-imagenet-200/ with train/CLASS/images/*.JPEG, val/images/*.JPEG and "
        f"val/{_ANNOTATIONS}, also without the outer folder",
        "the same with val/CLASS/*.JPEG",
    )
    obtain = (
        "unpack http://cs231n.stanford.edu/tiny-imagenet-200.zip there; without it take "
        "split_glyphs, which needs no files"
    )

    def __init__(self, root: str | None = None, size: int = 64) -> None:
        super().__init__(root, size)

    def find(self, folder: Path, file: File) -> FoundImages | None:
        """Find the folders of classes, or the table of what is tested on.

        Raises:
            TlmlError: The table is not one of files and classes, or names what is not there.
        """
        for place in (folder / "tiny-imagenet-200", folder):
            inner = place / ("train" if file == "train" else "val")
            if file == "test" and (inner / _ANNOTATIONS).is_file():
                return of_files(_annotated(inner), folder, scaled(self.size))
            found = _folders(inner, folder, self.size)
            if found is not None:
                return found
        return None


def _folders(place: Path, root: Path, size: int) -> FoundImages | None:
    files = {name: image_files(own) for name, own in subfolders(place).items()}
    return of_files(files, root, scaled(size)) if files else None


def _annotated(folder: Path) -> dict[str, list[Path]]:
    """Return the files of each class as a table tells: file, class, and a box that is left out."""
    path, found = folder / _ANNOTATIONS, dict[str, list[Path]]()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        name, *rest = line.split("\t")
        file = folder / "images" / name
        if not rest or Path(name).name != name or not file.is_file():
            raise TlmlError(
                f"{path}:{number}: must be a file in images/, a tab and a class, is '{line[:60]}'"
            )
        found.setdefault(rest[0], []).append(file)
    return dict(sorted(found.items()))
