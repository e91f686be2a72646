"""MNIST as a stream: turned, with its pixels in other orders, and divided by digits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from gymnasium.spaces import Box
from torch import Tensor

from tlml import ClassPool
from tlml.data import SPLITS, Part, Split
from tlml.errors import check_choice
from tlml_vision.storage.image_store import Bytes, Floats
from tlml_vision.streams.changed import ENDS, ChangedImagesDomain, Source, reorder, turn
from tlml_vision.streams.written import (
    CLASSES,
    FASHION,
    MNIST,
    SIDE,
    Collection,
    File,
    WrittenImages,
)

# Shares of the file ``train``, in its order, where what is learned and what tests validation end.
_SHOWN = (0.875, 0.95)


def divided(total: int) -> dict[Split, range]:
    """Divide the images of the file ``train`` among splits: four fifths, 15% and 5%."""
    first, second = (int(end * total) for end in ENDS)
    return {
        "source": range(first), "validation": range(first, second), "target": range(second, total)
    }  # fmt: skip


def shown(total: int, tests: int) -> dict[Split, dict[Part, tuple[str, range]]]:
    """Return the files and rows of all parts, where each task shows all images of its split.

    Validation tasks learn from the images that source tasks learn from, changed in other ways, and
    are tested on images of their own: so a sample of MNIST is enough for a stream of each.

    Args:
        total: Images in ``train``.
        tests: Images in ``t10k``.
    """
    first, second = (int(end * total) for end in _SHOWN)
    half = (second + total) // 2
    learned, none = ("train", range(first)), ("train", range(0))
    return {
        "source": {"train": learned, "val": none, "test": ("t10k", range(tests))},
        "validation": {"train": learned, "val": none, "test": ("train", range(first, second))},
        "target": {
            "train": ("train", range(second, half)), "val": none,
            "test": ("train", range(half, total)),
        },
    }  # fmt: skip


class _ChangedMnist(ChangedImagesDomain):
    """MNIST's digits ``[1, 28, 28]`` in [0, 1], changed from task to task.

    Args:
        root: The folder of the data; ``$TLML_DATA/mnist`` where None.
        tasks: How many source tasks there are: the stream.
        validation: How many validation tasks.
        target: How many target tasks.
        seed: The key of the changes.
        download: Whether to download MNIST where it isn't there, through torchvision or OpenML.

    Raises:
        TlmlError: A number is out of range.
    """

    instead = ""

    def __init__(
        self,
        root: str | None = None,
        tasks: int = 20,
        validation: int = 20,
        target: int = 5,
        seed: int = 0,
        download: bool = False,
    ) -> None:
        super().__init__(tasks, validation, target, seed, SIDE)
        self.root, self.download = root, download
        self._written = WrittenImages(MNIST, root, download, self.instead)

    def source(self) -> Source:
        """Return what reads the files."""
        return self._written

    def rows(self, split: Split) -> dict[Part, tuple[str, range]]:
        """Return the images of a split.

        Raises:
            TlmlError: The data is missing or damaged.
        """
        total, tests = (len(self._written.labels(file)) for file in ("train", "t10k"))
        return shown(total, tests)[split]

    def fingerprint(self) -> str | None:
        """Return the state of the folder of the data."""
        return self._written.fingerprint()


class RotatedMnist(_ChangedMnist):
    """MNIST's handwritten digits; a task is an angle that they are turned by.

    The angle of task t of T is drawn evenly from 180 t / T to 180 (t + 1) / T degrees, turned
    counter-clockwise and bilinearly. Source tasks are tested on the file ``t10k``. Source and
    validation tasks learn from the first seven eighths of the file ``train``; what is left of it
    tests validation tasks (7.5%) and is that of target tasks (5%).
    """

    instead = "rotated_digits, which needs no files"

    def change(self, split: Split, number: int) -> tuple[str, Callable[[Tensor], Tensor]]:
        """Return the angle of a task, and what turns by it."""
        return turn(self.seed, split, number, self.numbers[split])


class PermutedMnist(_ChangedMnist):
    """MNIST's handwritten digits; a task is an order of their pixels (Kirkpatrick et al. 2017).

    Images are divided as those of `rotated_mnist`.
    """

    instead = "permuted_digits, which needs no files"

    def change(self, split: Split, number: int) -> tuple[str, Callable[[Tensor], Tensor]]:
        """Return a task's number, and what orders by its key."""
        return reorder(self.seed, split, number)


class ManyPermutations(PermutedMnist):
    """A hundred orders of the pixels of MNIST's digits (Riemer et al. 2019); 200 images each there.

    Args:
        root: The folder of the data; ``$TLML_DATA/mnist`` where None.
        tasks: How many source tasks there are: the stream.
        validation: How many validation tasks.
        target: How many target tasks.
        seed: The key of the orders.
        download: Whether to download MNIST where it isn't there, through torchvision or OpenML.

    Raises:
        TlmlError: A number is out of range.
    """

    def __init__(
        self,
        root: str | None = None,
        tasks: int = 100,
        validation: int = 20,
        target: int = 5,
        seed: int = 0,
        download: bool = False,
    ) -> None:
        super().__init__(root, tasks, validation, target, seed, download)


class _SplitImages(ClassPool):
    """Ten classes ``[1, 28, 28]`` in [0, 1], to be divided into tasks of some of them."""

    collection: Collection
    instead = ""

    def __init__(self, root: str | None = None, download: bool = False) -> None:
        self.root, self.download = root, download
        self.x = Box(0.0, 1.0, (1, SIDE, SIDE), np.float32)
        self._written = WrittenImages(self.collection, root, download, self.instead)
        self._classes: dict[Split, dict[str, Bytes]] = {}

    def classes(self, split: Split) -> Mapping[str, Tensor]:
        """Map each class to its images ``[n, 1, 28, 28]`` in a split, made when asked for.

        Raises:
            TlmlError: The data is missing or damaged, or too little for a split.
        """
        return Floats(self.samples(split))

    def samples(self, split: Split) -> dict[str, Bytes]:
        """Map each class of a split to its images, which lie in memory as bytes."""
        check_choice("split", split, SPLITS)
        if split not in self._classes:
            own = divided(len(self._written.labels("train")))[split]
            self._classes[split] = self._by_class(split, "train", slice(own.start, own.stop))
        return self._classes[split]

    def test_samples(self, split: Split) -> dict[str, Bytes]:
        """Map each class of the source to its images of the file ``t10k``."""
        return self._by_class(split, "t10k", slice(None)) if split == "source" else {}

    def fingerprint(self) -> str | None:
        """Return the state of the folder of the data."""
        return self._written.fingerprint()

    def __getstate__(self) -> dict[str, Any]:
        # The images are read again: copies for workers stay small.
        return {**self.__dict__, "_classes": {}}

    def _by_class(self, split: Split, file: File, rows: slice) -> dict[str, Bytes]:
        x, y = self._written.images(file)[rows].numpy(), self._written.labels(file)[rows].numpy()
        return {f"{split} {label}": Bytes(x[y == label]) for label in range(CLASSES)}


class SplitMnist(_SplitImages):
    """MNIST's digits as a pool of ten classes, two of which make a task of a stream.

    All splits have the ten digits, and images of their own of the file ``train``: the source the
    first four fifths, validation 15%, the target the rest; the file ``t10k`` tests the source's
    stream. So target tasks are new images of known digits, and no new classes.

    Args:
        root: The folder of the data; ``$TLML_DATA/mnist`` where None.
        download: Whether to download MNIST where it isn't there, through torchvision or OpenML.
    """

    collection = MNIST
    instead = "split_digits, which needs no files"


class SplitFashion(_SplitImages):
    """Fashion-MNIST (Xiao et al. 2017) as a pool of ten classes, two of which make a task.

    Images are divided as those of `split_mnist`.

    Args:
        root: The folder of the data; ``$TLML_DATA/fashion_mnist`` where None.
        download: Whether to download the data where it isn't there, through torchvision or OpenML.
    """

    collection = FASHION
    instead = "split_digits, which needs no files"
