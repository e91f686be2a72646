"""Any family of folders of images: one for each place, and in it one for each class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tlml.errors import TlmlError, did_you_mean
from tlml_vision.readers.image_domains import ImageDomains
from tlml_vision.readers.image_folder import subfolders
from tlml_vision.storage.image_data import FoundImages


class ImageFolder(ImageDomains):
    """Folders ``PLACE/CLASS/*.jpg`` with the same classes; colour images in [0, 1].

    The target's images are divided by class into ``train`` and ``test``. Where no place is named
    for validation, a tenth of each class of the source is kept for it.

    Args:
        source: The folder to learn from, or several.
        target: The folder to carry it to.
        root: The folder that holds them; ``$TLML_DATA/image_folder`` where None.
        validation: A folder for validation.
        test: Share of each class of the target that is for testing.
        size: Side of the images in pixels; they are resized to a square.
        seed: The key of the division.

    Raises:
        TlmlError: A folder is named twice, or a number is out of range.
    """

    name = "image_folder"
    layouts = ("PLACE/CLASS/*.jpg (.png, .bmp), at any depth below CLASS",)
    obtain = "put a folder for each place there, with a folder for each class"

    def __init__(
        self,
        source: str | Sequence[str],
        target: str,
        root: str | None = None,
        validation: str | None = None,
        test: float = 0.5,
        size: int = 84,
        seed: int = 0,
    ) -> None:
        super().__init__(root, source, target, validation, test, size, seed)

    def find(self, folder: Path, place: str) -> FoundImages | None:
        """Find the classes of a place.

        Raises:
            TlmlError: There are other places but not this one, or a class has no image.
        """
        there = subfolders(folder)
        if there and place not in there:
            near = did_you_mean(place, there)
            raise TlmlError(f"{self.name}: no domain in {folder} is called '{place}'{near}")
        own = subfolders(folder / place)
        return self.classes_in(own, folder)
