"""Images that lie in IDX files, as MNIST's and Fashion-MNIST's do, read once."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from tlml.data import fingerprint_files
from tlml.errors import TlmlError
from tlml_vision.readers.openml import OpenMl
from tlml_vision.readers.openml import download as openml_download
from tlml_vision.readers.torchvision_data import NoTorchvisionError
from tlml_vision.readers.torchvision_data import download as torchvision_download
from tlml_vision.storage.idx import find_idx, read_idx
from tlml_vision.storage.image_data import data_folder, missing

File = Literal["train", "t10k"]
SIDE, CLASSES = 28, 10
LAYOUT = "{train,t10k}-{images-idx3,labels-idx1}-ubyte, also .gz and in MNIST/raw/ or mnist/"


@dataclass(frozen=True, slots=True)
class Collection:
    """Whose images they are.

    Args:
        name: The folder in ``$TLML_DATA``.
        torchvision: The class that downloads them.
        openml: The table that has them where torchvision is missing.
        obtain: Where they are to be had.
    """

    name: str
    torchvision: str
    openml: OpenMl
    obtain: str


MNIST = Collection(
    "mnist",
    "MNIST",
    OpenMl("mnist", 554, {"train": (60_000, (5, 0, 4, 1, 9)), "t10k": (10_000, (7, 2, 1, 0, 4))}),
    "get the four files from https://ossci-datasets.s3.amazonaws.com/mnist",
)
FASHION = Collection(
    "fashion_mnist",
    "FashionMNIST",
    OpenMl(
        "fashion_mnist",
        40996,
        {"train": (60_000, (9, 0, 0, 3, 0)), "t10k": (10_000, (9, 2, 1, 1, 6))},
    ),
    "get the four files from https://github.com/zalandoresearch/fashion-mnist",
)


@dataclass(slots=True)
class WrittenImages:
    """The images and classes of both files, in memory as bytes; it pickles without them.

    Args:
        collection: Whose they are.
        root: Their folder; that of the collection in ``$TLML_DATA`` where None.
        download: Whether to download what is missing, through torchvision or else OpenML.
        instead: What needs no files, for the error where there are none.
    """

    collection: Collection
    root: str | None
    download: bool
    instead: str
    _read: dict[File, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def images(self, file: File) -> Tensor:
        """Return the images of a file as bytes ``[n, 1, 28, 28]``."""
        return self._of(file)[0]

    def labels(self, file: File) -> Tensor:
        """Return the classes of a file ``[n]``."""
        return self._of(file)[1]

    def fingerprint(self) -> str | None:
        """Return the state of the folder."""
        return fingerprint_files(self._folder())

    def __getstate__(self) -> dict[str, Any]:
        kept = ("collection", "root", "download", "instead")
        return {**{name: getattr(self, name) for name in kept}, "_read": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)

    def _of(self, file: File) -> tuple[Tensor, Tensor]:
        if file not in self._read:
            images, labels = self._files(file)
            x, y = read_idx(images, 3), read_idx(labels, 1)
            if len(x) != len(y) or x.shape[1:] != (SIDE, SIDE):
                raise TlmlError(
                    f"{images}: has images of the shape {list(x.shape)} and {len(y)} labels; "
                    f"{SIDE} x {SIDE} pixels and one label each are wanted"
                )
            if not len(y) or y.max() >= CLASSES:
                raise TlmlError(f"{labels}: has no labels, or others than 0 to {CLASSES - 1}")
            self._read[file] = (
                torch.from_numpy(x.copy())[:, None],
                torch.from_numpy(y.astype(np.int64)),
            )
        return self._read[file]

    def _files(self, file: File) -> tuple[Path, Path]:
        folder = self._folder()
        found = self._located(folder, file)
        if found is None and self.download:
            self._download(folder, file)
            found = self._located(folder, file)
        if found is None:
            raise missing(
                f"{self.collection.name}: no {file} images", folder, [LAYOUT], self._how()
            )
        return found

    def _download(self, folder: Path, file: File) -> None:
        try:
            torchvision_download(self.collection.torchvision, folder, train=file == "train")
        except NoTorchvisionError:
            table = self.collection.openml
            missing = [one for one in table.files if not self._located(folder, one)]
            openml_download(table, folder, missing)

    def _located(self, folder: Path, file: str) -> tuple[Path, Path] | None:
        images = find_idx(folder, f"{file}-images-idx3-ubyte")
        labels = find_idx(folder, f"{file}-labels-idx1-ubyte")
        return (images, labels) if images and labels else None

    def _folder(self) -> Path:
        return data_folder(self.collection.name, self.root, self._how())

    def _how(self) -> str:
        other = f"; without them take {self.instead}" if self.instead else ""
        return f"{self.collection.obtain}, or set download=True{other}"
