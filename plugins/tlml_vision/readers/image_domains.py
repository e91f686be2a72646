"""What families of places with the same classes share: photographs, drawings, pictures of shops."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete, Space
from torch import Tensor

from tlml import Domain, StoredExamples
from tlml.data import SPLITS, Part, Split, fingerprint_files, keyed_rng
from tlml.errors import (
    TlmlError,
    check_choice,
    check_not_negative,
    check_positive,
    check_share,
    did_you_mean,
)
from tlml_vision.readers.image_folder import of_files
from tlml_vision.readers.image_tasks import PARTS, ImageRows, ImageTask
from tlml_vision.storage.decoding import image_files, scaled
from tlml_vision.storage.image_data import FoundImages, data_folder, missing, read_once
from tlml_vision.storage.image_store import Bytes

HELD_OUT = 0.1  # share of each class of the source that validates where no place is named for it
LEAST = 2  # images of a class that is divided

Rows = tuple[str, Tensor]  # a place and which of its images


class ImageDomains(Domain[ImageTask]):
    """A family of places whose images have the same classes; a sample is ``[C, size, size]``.

    A subclass names itself, its layouts and where the data comes from, and writes `find`. The
    images are decoded once and kept in the cache, from which views read what they draw. A task is
    a place. The target's images are divided by class into ``train`` and ``test``; where no place
    is named for validation, a tenth of each class of the source is.

    Args:
        root: The folder of the data; that in ``$TLML_DATA`` where None.
        source: One or several places.
        target: Another one.
        validation: A place for validation.
        test: Share of each class of the target that is for testing.
        size: Side of the images in pixels.
        seed: The key of the division.
    """

    name: ClassVar[str]
    layouts: ClassVar[tuple[str, ...]]
    obtain: ClassVar[str]
    places: ClassVar[tuple[str, ...]] = ()  # all that there are, where that is known

    def __init__(
        self,
        root: str | None,
        source: str | Sequence[str],
        target: str,
        validation: str | None,
        test: float,
        size: int,
        seed: int,
    ) -> None:
        check_positive(size=size)
        check_share(test=test)
        check_not_negative(seed=seed)
        self.root, self.test, self.size, self.seed = root, test, size, seed
        self.homes: dict[Split, tuple[str, ...]] = {
            "source": (source,) if isinstance(source, str) else tuple(source),
            "validation": () if validation is None else (validation,),
            "target": (target,),
        }
        _check_homes(self.homes, self.places)
        self.x = Box(0.0, 1.0, (3, size, size), np.float32)
        self._forget()

    def classes_in(self, folders: Mapping[str, Path], root: Path) -> FoundImages | None:
        """Return the images of folders that are classes, by their names; None where none is."""
        files = {name: image_files(path) for name, path in folders.items()}
        return of_files(files, root, scaled(self.size)) if files else None

    @abstractmethod
    def find(self, folder: Path, place: str) -> FoundImages | None:
        """Return the images of a place with their classes in order; None where it isn't there."""

    def get(self, folder: Path, place: str) -> bool:
        """Download a place where that was asked for, and say whether it was."""
        return False

    def fingerprint(self) -> str | None:
        """Return the state of the folder of the data."""
        return fingerprint_files(data_folder(self.name, self.root, self.obtain))

    def labels(self) -> tuple[str, ...]:
        """Return the classes, in the order of their numbers.

        Raises:
            TlmlError: The data is missing, or two places have different classes.
        """
        first, *others = (place for own in self.homes.values() for place in own)
        for other in others:
            _check_same(self.name, first, self._find(first), other, self._find(other))
        return self._find(first).classes

    def spaces(self, split: Split) -> tuple[Space[Any], Space[Any]]:
        """Return the space of images, and the classes, which all places share."""
        return self.x, Discrete(len(self.labels()))

    def tasks(self, split: Split) -> Sequence[ImageTask]:
        """Return a task for each place of the split.

        Raises:
            TlmlError: The data is missing or damaged, or a class has too few images.
        """
        check_choice("split", split, SPLITS)
        if split not in self._tasks:
            held_out = split == "validation" and not self.homes[split]
            places = self.homes["source" if held_out else split]
            suffix = " held out" if held_out else ""
            self._tasks[split] = [
                self._task(place + suffix, self.rows(split, place)) for place in places
            ]
        return self._tasks[split]

    def images(self, place: str) -> Mapping[str, Bytes]:
        """Map each class of a place to its images on the disk."""
        if place not in self._images:
            shape = (3, self.size, self.size)
            options = [type(self).__qualname__, place]
            self._images[place] = read_once(self.name, options, shape, self._find(place))
        return self._images[place]

    def rows(self, split: Split, place: str) -> dict[Part, Rows]:
        """Return which images are in the parts of a place's task; other parts are empty."""
        if split == "target":
            train, test = self.divided(place, self.test, self.rng(split, place))
            return {"train": (place, train), "test": (place, test)}
        if self.homes["validation"]:
            return {"train": (place, self.whole(place))}
        train, held_out = self.divided(place, HELD_OUT, self.rng("source", place))
        return {"train": (place, train if split == "source" else held_out)}

    def whole(self, place: str) -> Tensor:
        """Return all rows of a place."""
        return torch.arange(sum(map(len, self.images(place).values())))

    def rng(self, split: Split, place: str) -> np.random.Generator:
        """Return the generator that divides a place of a split."""
        return keyed_rng(self.seed, split, self.homes[split].index(place))

    def divided(self, place: str, share: float, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Divide the rows of a place by chance, each class by itself; `share` of them come second.

        Raises:
            TlmlError: A class has a single image.
        """
        rest, taken, start = [], [], 0
        for name, images in self.images(place).items():
            count = len(images)
            if count < LEAST:
                raise TlmlError(
                    f"{self.name}: class '{name}' of {place} has {count} image, and it takes "
                    f"{LEAST} to divide a class"
                )
            order = torch.from_numpy(start + rng.permutation(count))
            cut = min(max(1, round(share * count)), count - 1)
            taken.append(order[:cut].sort().values)
            rest.append(order[cut:].sort().values)
            start += count
        return torch.cat(rest), torch.cat(taken)

    def __getstate__(self) -> dict[str, Any]:
        # The images are mapped from the disk again: copies for workers stay small.
        return {k: v for k, v in self.__dict__.items() if k not in ("_found", "_images", "_tasks")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()

    def _forget(self) -> None:
        self._found: dict[str, FoundImages] = {}
        self._images: dict[str, Mapping[str, Bytes]] = {}
        self._tasks: dict[Split, list[ImageTask]] = {}

    def _find(self, place: str) -> FoundImages:
        if place not in self._found:
            folder = data_folder(self.name, self.root, self.obtain)
            found = self.find(folder, place)
            if found is None and self.get(folder, place):
                found = self.find(folder, place)
            if found is None:
                what = f"{self.name}: no images of {place}"
                raise missing(what, folder, self.layouts, self.obtain)
            self._found[place] = found
        return self._found[place]

    def _task(self, name: str, rows: dict[Part, Rows]) -> ImageTask:
        place, _ = rows["train"]
        none = (place, torch.zeros(0, dtype=torch.int64))
        parts = {part: self._examples(*rows.get(part, none)) for part in PARTS}
        return ImageTask(name, self.labels(), parts)

    def _examples(self, place: str, rows: Tensor) -> StoredExamples:
        counts = torch.tensor([len(images) for images in self.images(place).values()])
        y = torch.repeat_interleave(torch.arange(len(counts)), counts)
        return StoredExamples(ImageRows(self, place, rows), y[rows])


def _check_homes(homes: Mapping[Split, Sequence[str]], places: Sequence[str]) -> None:
    if not homes["source"]:
        raise TlmlError("source: name one place at least")
    seen: dict[str, Split] = {}
    for split, own in homes.items():
        for place in own:
            if places and place not in places:
                near = did_you_mean(place, places)
                raise TlmlError(f"{split}: no domain is called '{place}'{near}")
            if place in seen:
                raise TlmlError(f"{split}: '{place}' is in {seen[place]} already; name another")
            seen[place] = split


def _check_same(name: str, first: str, one: FoundImages, other: str, two: FoundImages) -> None:
    only = {
        place: sorted(set(own.classes) - set(others.classes))
        for place, own, others in ((first, one, two), (other, two, one))
    }
    said = [f"{', '.join(classes)} in {place} only" for place, classes in only.items() if classes]
    if said:
        raise TlmlError(
            f"{name}: {first} and {other} must have the same classes; there is "
            f"{', and '.join(said)}"
        )
