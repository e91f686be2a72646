"""Decoded images on the disk, of which only what is looked at is in memory."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tlml.errors import TlmlError
from tlml.files import make_folder, replacing, write_atomic
from tlml_vision.storage.cache import cache_folder

Images = NDArray[np.uint8]
Classes = Iterable[tuple[str, Images]]

_log = logging.getLogger(__name__)


class Bytes:
    """The images of one class as bytes ``[n, C, H, W]``; an index reads floats in [0, 1]."""

    def __init__(self, images: Images) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: Any, /) -> Tensor:
        """Read the images of an index tensor or a slice."""
        at = index.numpy() if isinstance(index, Tensor) else index
        # A copy in any case: neither the file nor the other images hang on what is drawn.
        return torch.from_numpy(self.images[at].astype(np.float32)).div_(255)


class Floats(Mapping[str, Tensor]):
    """Classes whose images ``[n, C, H, W]`` become floats in [0, 1] when a class is asked for."""

    def __init__(self, bytes_of: Mapping[str, Bytes]) -> None:
        self._bytes_of = bytes_of

    def __getitem__(self, name: str) -> Tensor:
        return self._bytes_of[name][:]

    def __iter__(self) -> Iterator[str]:
        return iter(self._bytes_of)

    def __len__(self) -> int:
        return len(self._bytes_of)


def open_store(
    name: str,
    recipe: Mapping[str, object],
    shape: tuple[int, int, int],
    read: Callable[[], Classes],
) -> dict[str, Bytes]:
    """Return the images of each class, mapped from a file that is made where it is missing.

    Where the cache can't be written to, they are held in memory, which costs a line in the log.

    Args:
        name: The beginning of the file's name.
        recipe: All that the images depend on, as plain data.
        shape: Channels, height and width of an image.
        read: Yields each class with its images; one class at a time is in memory.

    Raises:
        TlmlError: From `read`, or the disk is full.
    """
    digest = hashlib.sha256(json.dumps([recipe, shape], sort_keys=True).encode()).hexdigest()
    path = cache_folder() / f"{name}-{digest[:16]}.images"
    found = _map(path, shape)
    if found is not None:
        return found
    try:
        make_folder(path.parent)
    except TlmlError as error:
        _log.warning("%s: all images are held in memory: %s", name, error)
        return {own: Bytes(images) for own, images in read()}
    _write(path, read())
    written = _map(path, shape)
    if written is None:
        raise TlmlError(f"{path}: was written and can't be read back; is something clearing it?")
    return written


def _map(path: Path, shape: tuple[int, int, int]) -> dict[str, Bytes] | None:
    """Return the classes of a file that is whole, with the list of them beside it."""
    try:
        counts = json.loads(_index(path).read_text(encoding="utf-8"))
        total = sum(counts.values())
        if path.stat().st_size != total * int(np.prod(shape)):
            return None
        if not total:  # no file of length 0 can be mapped
            return {}
    except (OSError, ValueError, AttributeError, TypeError):
        return None
    images = np.memmap(path, np.uint8, "r", shape=(total, *shape))
    ends = np.cumsum([0, *counts.values()])
    return {
        own: Bytes(images[start:end])
        for own, start, end in zip(counts, ends[:-1], ends[1:], strict=True)
    }


def _write(path: Path, classes: Classes) -> None:
    counts: dict[str, int] = {}
    with replacing(path) as temporary, temporary.open("xb") as file:
        for name, images in classes:
            counts[name] = len(images)
            file.write(np.ascontiguousarray(images).data)
    write_atomic(_index(path), json.dumps(counts))


def _index(path: Path) -> Path:
    return path.with_suffix(".json")
