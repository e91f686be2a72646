"""VisDA-2017: renderings of 12 things as source, photographs as target (Peng et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tlml.errors import TlmlError
from tlml_vision.readers.image_domains import ImageDomains
from tlml_vision.readers.image_folder import of_files, subfolders
from tlml_vision.storage.decoding import scaled
from tlml_vision.storage.image_data import FoundImages

CLASSES = (
    "aeroplane", "bicycle", "bus", "car", "horse", "knife",
    "motorcycle", "person", "plant", "skateboard", "train", "truck",
)  # fmt: skip
_LIST = "image_list.txt"


class VisDA(ImageDomains):
    """152,397 renderings (train), 55,388 photographs of COCO (validation), 72,372 frames (test).

    The names of the three are those of the challenge: its own target is ``validation`` or
    ``test``. The target's images are divided by class into ``train`` and ``test``; a tenth of each
    class of the source is kept for validation where no place is named for it.

    Args:
        root: The folder of the data; ``$TLML_DATA/visda`` where None.
        source: ``train``, ``validation`` or ``test``, or two of them.
        target: Another one.
        validation: The third one, for validation.
        test: Share of each class of the target that is for testing.
        size: Side of the images in pixels; they are resized to a square.
        seed: The key of the division.

    Raises:
        TlmlError: A place is unknown or named twice, or a number is out of range.
    """

    name = "visda"
    layouts = (
        "{train,validation}/CLASS/*.png",
        "the same and test/ with a list image_list.txt in each (PATH NUMBER)",
    )
    obtain = (
        "get train.tar, validation.tar and test.tar of the classification track from "
        "https://github.com/VisionLearningGroup/taskcv-2017-public and unpack them there"
    )
    places = ("train", "validation", "test")

    def __init__(
        self,
        root: str | None = None,
        source: str | Sequence[str] = "train",
        target: str = "validation",
        validation: str | None = None,
        test: float = 0.5,
        size: int = 84,
        seed: int = 0,
    ) -> None:
        super().__init__(root, source, target, validation, test, size, seed)

    def find(self, folder: Path, place: str) -> FoundImages | None:
        """Find the images of a place by its list, or its folders.

        Raises:
            TlmlError: The list is not one of paths and classes, or a file of it is missing.
        """
        if (folder / place / _LIST).is_file():
            return of_files(_listed(folder / place / _LIST), folder, scaled(self.size))
        own = {n: path for n, path in subfolders(folder / place).items() if n in CLASSES}
        if not own and (folder / place).is_dir():
            raise TlmlError(f"visda: {folder / place} has no folders of classes and no {_LIST}")
        return self.classes_in(own, folder)


def _listed(path: Path) -> dict[str, list[Path]]:
    """Return the files of each class that has some, in the order of the classes."""
    found: dict[str, list[Path]] = {name: [] for name in CLASSES}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        file, _, label = line.strip().rpartition(" ")
        if not file or not label.isdecimal() or int(label) >= len(CLASSES):
            raise TlmlError(
                f"{path}:{number}: must be a path and the number of a class, 0 to "
                f"{len(CLASSES) - 1}, is '{line}'"
            )
        found[CLASSES[int(label)]].append(path.parent / file)
    lost = [file for own in found.values() for file in own if not file.is_file()]
    if lost:
        raise TlmlError(f"{path}: {len(lost)} of its files are missing, such as {lost[0]}")
    return {name: files for name, files in found.items() if files}
