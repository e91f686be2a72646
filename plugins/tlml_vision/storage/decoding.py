"""From image files, encoded bytes and arrays to bytes of one size."""

from __future__ import annotations

import functools
import io
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tlml.errors import TlmlError

Fit = Callable[[Image.Image], Image.Image]
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp"})
# What a file is, its content says, not its name: others, such as EPS, would run other programs.
FORMATS = ("PNG", "JPEG", "BMP")
MOST_PIXELS = 64_000_000  # about 200 MB in memory


def image_files(folder: Path) -> list[Path]:
    """Return the image files of a folder and of its subfolders, in the order of their names."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


def decode(files: Iterable[Path], fit: Fit) -> NDArray[np.uint8]:
    """Decode files to ``[n, C, H, W]``.

    Raises:
        TlmlError: A file is not an image, is cut off, or can't be read.
    """
    return np.stack([_decode(_opener(path), str(path), fit) for path in files])


def decoded_bytes(images: Iterable[bytes], where: str, fit: Fit) -> NDArray[np.uint8]:
    """Decode the contents of image files to ``[n, C, H, W]``.

    Raises:
        TlmlError: One is damaged; `where` says of which file it is a part.
    """
    return np.stack([_decode(functools.partial(io.BytesIO, own), where, fit) for own in images])


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


def _opener(path: Path) -> Callable[[], BinaryIO]:
    """Return what opens a file; of a pipe, nothing would ever come."""

    def opened() -> BinaryIO:
        if not path.is_file():
            raise OSError("not a regular file")
        return path.open("rb")

    return opened


def _decode(opened: Callable[[], BinaryIO], where: str, fit: Fit) -> NDArray[np.uint8]:
    try:
        with opened() as file, warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", Image.DecompressionBombWarning
            )  # the limit here is less
            with Image.open(file, formats=FORMATS) as image:
                _check_size(image, where)
                return _planes(fit(image))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        if isinstance(error, TlmlError):
            raise
        raise TlmlError(f"{where}: is damaged or no image ({error}); get it again") from error


def _check_size(image: Image.Image, where: str) -> None:
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise TlmlError(
            f"{where}: has {width} × {height} pixels, more than {MOST_PIXELS:,}; make it smaller"
        )


def _planes(image: Image.Image) -> NDArray[np.uint8]:
    pixels = np.asarray(image, np.uint8)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
