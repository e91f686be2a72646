"""From image files, encoded bytes and arrays to bytes of one size."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tlml.errors import TlmlError

Fit = Callable[[Image.Image], Image.Image]
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp"})


def image_files(folder: Path) -> list[Path]:
    """Return the image files of a folder and of its subfolders, in the order of their names."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


def decode(files: Iterable[Path], fit: Fit) -> NDArray[np.uint8]:
    """Decode files to ``[n, C, H, W]``.

    Raises:
        TlmlError: A file is not an image, is cut off, or can't be read.
    """
    return np.stack([_decode(path.open, str(path), fit) for path in files])


def decoded_bytes(images: Iterable[bytes], where: str, fit: Fit) -> NDArray[np.uint8]:
    """Decode the contents of image files to ``[n, C, H, W]``.

    Raises:
        TlmlError: One is damaged; `where` says of which file it is a part.
    """
    return np.stack([_decode(lambda _, own=own: io.BytesIO(own), where, fit) for own in images])  # type: ignore[misc]


def fit_images(images: NDArray[np.uint8], fit: Fit) -> NDArray[np.uint8]:
    """Bring pixels ``[n, H, W, C]`` to the size that `fit` makes, ``[n, C, H, W]``."""
    return np.stack([_planes(fit(Image.fromarray(image))) for image in images])


def scaled(size: int) -> Fit:
    """Make colour images of `size` × `size` pixels, whatever their shape was."""

    def fit(image: Image.Image) -> Image.Image:
        colour = image.convert("RGB")
        return colour if colour.size == (size, size) else colour.resize((size, size), _SMOOTH)

    return fit


_SMOOTH = Image.Resampling.LANCZOS


def _decode(opened: Callable[[str], object], where: str, fit: Fit) -> NDArray[np.uint8]:
    try:
        with opened("rb") as file, Image.open(file) as image:  # type: ignore[attr-defined]
            return _planes(fit(image))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise TlmlError(f"{where}: is damaged or no image ({error}); get it again") from error


def _planes(image: Image.Image) -> NDArray[np.uint8]:
    pixels = np.asarray(image, np.uint8)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
