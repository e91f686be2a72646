"""Tasks of images that lie on the disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from tlml import StoredExamples
from tlml.data import JoinedExamples, Part
from tlml.errors import check_choice
from tlml_vision.storage.image_store import Bytes

PARTS: tuple[Part, ...] = ("train", "val", "test")


class Places(Protocol):
    """What has the images of places, such as `ImageDomains`."""

    def images(self, place: str) -> Mapping[str, Bytes]:
        """Map each class to its images at a place."""
        ...


@dataclass(frozen=True, slots=True)
class ImageRows:
    """Some images of a place, read from the disk when they are asked for.

    Args:
        domain: Reads them; a loader process opens the file by itself.
        place: Where the images are from.
        rows: Which of them ``[n]``, counted through all classes.
    """

    domain: Places
    place: str
    rows: Tensor

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any, /) -> Tensor:
        """Read the images of an index tensor, a mask or a slice, ``[n, C, size, size]``."""
        images = JoinedExamples(tuple(self.domain.images(self.place).values()), self.place)
        return images[self.rows[index]]


@dataclass(frozen=True, slots=True)
class ImageTask:
    """The images of one place, in parts that share none."""

    name: str
    classes: tuple[str, ...]
    parts: dict[Part, StoredExamples]

    def split(self, part: Part) -> StoredExamples:
        """Return the images ``[n, C, size, size]`` and classes ``[n]`` of one part."""
        check_choice("part", part, PARTS)
        return self.parts[part]
