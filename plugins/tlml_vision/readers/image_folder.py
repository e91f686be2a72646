"""The layout that every data set also comes in: train, val and test, a folder for each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tlml.data import Split
from tlml.errors import TlmlError
from tlml_vision.readers.image_pool import ON_DISK
from tlml_vision.storage.decoding import Fit, decode, image_files
from tlml_vision.storage.image_data import FoundImages
from tlml_vision.storage.image_store import Classes
from tlml_vision.storage.progress_bar import progress

LAYOUT = "train/CLASS/*.jpg, val/… and test/…"


def find_folders(folder: Path, split: Split, fit: Fit) -> FoundImages | None:
    """Find the classes of a split as folders of images (.png, .jpg, .bmp), at any depth.

    Raises:
        TlmlError: Two splits have a class of one name, or a class has no image.
    """
    if not (folder / ON_DISK[split]).is_dir():
        return None
    own = subfolders(folder / ON_DISK[split])
    for other in set(ON_DISK.values()) - {ON_DISK[split]}:
        check_apart(folder, ON_DISK[split], own, other, subfolders(folder / other))
    return of_files({name: image_files(place) for name, place in own.items()}, folder, fit)


def of_files(classes: Mapping[str, Sequence[Path]], folder: Path, fit: Fit) -> FoundImages:
    """Make a find of the image files of each class.

    Raises:
        TlmlError: A class has no image.
    """
    for name, files in classes.items():
        if not files:
            raise TlmlError(f"{folder}: class '{name}' has no image (.png, .jpg, .bmp)")

    def read() -> Classes:
        for name in progress(list(classes), f"{folder.name}: reading images"):
            yield name, decode(classes[name], fit)

    files = tuple(path for files in classes.values() for path in files)
    return FoundImages(files, read, tuple(classes))


def subfolders(folder: Path) -> dict[str, Path]:
    """Return the folders in a folder by their names, none where it isn't there."""
    if not folder.is_dir():
        return {}
    return {
        path.name: path
        for path in sorted(folder.iterdir())
        if path.is_dir() and not path.name.startswith(".")
    }


def check_apart(
    folder: Path, split: str, own: Mapping[str, object], other: str, others: Mapping[str, object]
) -> None:
    """Raise where two splits hold a class of one name."""
    both = sorted(own.keys() & others.keys())
    if both:
        raise TlmlError(
            f"{folder}: class '{both[0]}' is in {split} and in {other}; splits share no class"
        )
