"""Office-31: 31 things of an office, from a shop and two cameras (Saenko et al. 2010)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tlml_vision.readers.image_domains import ImageDomains
from tlml_vision.readers.image_folder import subfolders
from tlml_vision.storage.image_data import FoundImages


class Office31(ImageDomains):
    """2,817 pictures of a shop (amazon), 498 of a good camera (dslr) and 795 of a webcam.

    The target's images are divided by class into ``train`` and ``test``. Where no place is named
    for validation, a tenth of each class of the source is kept for it.

    Args:
        root: The folder of the data; ``$TLML_DATA/office31`` where None.
        source: ``amazon``, ``dslr`` or ``webcam``, or two of them.
        target: Another one.
        validation: The third one, for validation.
        test: Share of each class of the target that is for testing.
        size: Side of the images in pixels; they are resized to a square.
        seed: The key of the division.

    Raises:
        TlmlError: A place is unknown or named twice, or a number is out of range.
    """

    name = "office31"
    layouts = ("{amazon,dslr,webcam}/images/CLASS/*.jpg, also without images/",)
    obtain = "unpack the archive of https://faculty.cc.gatech.edu/~judy/domainadapt there"
    places = ("amazon", "dslr", "webcam")

    def __init__(
        self,
        root: str | None = None,
        source: str | Sequence[str] = "amazon",
        target: str = "webcam",
        validation: str | None = None,
        test: float = 0.5,
        size: int = 84,
        seed: int = 0,
    ) -> None:
        super().__init__(root, source, target, validation, test, size, seed)

    def find(self, folder: Path, place: str) -> FoundImages | None:
        """Find the classes of a place."""
        own = subfolders(folder / place / "images") or subfolders(folder / place)
        return self.classes_in(own, folder)
