"""Digits of three places: house numbers (SVHN), forms (MNIST) and envelopes (USPS)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tlml.data import Part, Split
from tlml.errors import TlmlError
from tlml_vision.readers.image_domains import HELD_OUT, ImageDomains, Rows
from tlml_vision.readers.torchvision_data import download as torchvision_download
from tlml_vision.storage.decoding import fit_images, scaled
from tlml_vision.storage.idx import damage_error, read_idx
from tlml_vision.storage.image_data import FoundImages
from tlml_vision.storage.image_store import Classes

Data = tuple[NDArray[np.uint8], NDArray[np.int64]]

_DIGITS = tuple("0123456789")
_FILES = {
    "mnist train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "mnist test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
    "svhn train": ("train_32x32.mat",),
    "svhn test": ("test_32x32.mat",),
    "usps train": ("usps.bz2",),
    "usps test": ("usps.t.bz2",),
}
_FOLDERS = ("", "MNIST/raw", "mnist", "svhn", "usps")


class DigitsThree(ImageDomains):
    """SVHN, MNIST and USPS in colour, [0, 1]; grey images have three equal channels.

    The parts ``train`` and ``test`` are those of the files. Where no place is named for validation,
    a tenth of each digit of the source's ``train`` is kept for it.

    Args:
        root: The folder of the data; ``$TLML_DATA/digits_three`` where None.
        source: ``svhn``, ``mnist`` or ``usps``, or two of them.
        target: Another one.
        validation: The third one, for validation.
        size: Side of the images in pixels.
        seed: The key of the validation.
        download: Whether to download what is missing through torchvision.

    Raises:
        TlmlError: A place is unknown or named twice, or a number is out of range.
    """

    name = "digits_three"
    layouts = (
        "{train,t10k}-{images-idx3,labels-idx1}-ubyte, also .gz and in MNIST/raw/ or mnist/",
        "{train,test}_32x32.mat, also in svhn/",
        "usps.bz2 and usps.t.bz2, also in usps/",
    )
    obtain = (
        "get what is needed from https://ossci-datasets.s3.amazonaws.com/mnist, "
        "http://ufldl.stanford.edu/housenumbers and "
        "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets, or set download=True"
    )
    places = ("svhn", "mnist", "usps")

    def __init__(
        self,
        root: str | None = None,
        source: str | Sequence[str] = "svhn",
        target: str = "mnist",
        validation: str | None = None,
        size: int = 32,
        seed: int = 0,
        download: bool = False,
    ) -> None:
        super().__init__(root, source, target, validation, 0.5, size, seed)
        self.download = download

    def labels(self) -> tuple[str, ...]:
        """Return the ten digits."""
        return _DIGITS

    def rows(self, split: Split, place: str) -> dict[Part, Rows]:
        """Return the images of a place's files; the source's are divided for validation."""
        name = f"{place} train"
        if split == "target" or self.homes["validation"]:
            train = self.whole(name)
        else:
            train, held_out = self.divided(name, HELD_OUT, self.rng("source", place))
            if split == "validation":
                return {"train": (name, held_out)}
        return {"train": (name, train), "test": (f"{place} test", self.whole(f"{place} test"))}

    def find(self, folder: Path, place: str) -> FoundImages | None:
        """Find the files of a place's part, such as ``mnist train``."""
        files = [_locate(folder, name) for name in _FILES[place]]
        paths = tuple(path for path in files if path is not None)
        if len(paths) < len(files):
            return None
        read = _READERS[place.split()[0]]
        return FoundImages(paths, lambda: _group(read(*paths), paths[0], self.size), _DIGITS)

    def get(self, folder: Path, place: str) -> bool:
        """Download the files of a place's part where that was asked for."""
        if self.download:
            name, part = place.split()
            option = {"split": part} if name == "svhn" else {"train": part == "train"}
            torchvision_download(name.upper(), folder, **option)
        return self.download


def _locate(folder: Path, name: str) -> Path | None:
    places = (folder / inner / (name + end) for inner in _FOLDERS for end in ("", ".gz"))
    return next((path for path in places if path.is_file()), None)


def _group(data: Data, path: Path, size: int) -> Classes:
    images, labels = data
    if len(images) != len(labels):
        raise TlmlError(f"{path}: has {len(images)} images and {len(labels)} labels")
    for digit, name in enumerate(_DIGITS):
        own = images[labels == digit]
        if not len(own):
            raise TlmlError(f"{path}: has no image of the digit {name}")
        yield name, fit_images(own, scaled(size))


def _mnist(images: Path, labels: Path) -> Data:
    return read_idx(images, 3), read_idx(labels, 1).astype(np.int64)


def _svhn(path: Path) -> Data:
    from scipy.io import loadmat

    try:
        held = loadmat(path, variable_names=("X", "y"))
        images, labels = held["X"].transpose(3, 0, 1, 2), held["y"].ravel().astype(np.int64)
    except Exception as error:  # a damaged file raises what its bytes happen to lead to
        raise damage_error(path, "MATLAB with X and y", error) from error
    return np.ascontiguousarray(images), labels % 10  # 0 is called 10 there


def _usps(path: Path) -> Data:
    from sklearn.datasets import load_svmlight_file

    try:
        values, labels = load_svmlight_file(str(path), n_features=256)
    except (OSError, EOFError, ValueError) as error:
        raise damage_error(path, "libsvm", error) from error
    grey = np.rint((values.toarray() + 1) / 2 * 255).clip(0, 255).astype(np.uint8)
    return grey.reshape(-1, 16, 16), labels.astype(np.int64) - 1  # digits count from 1 there


_READERS: dict[str, Callable[..., Data]] = {"mnist": _mnist, "svhn": _svhn, "usps": _usps}
