"""Image files are read as what they say they are, and no larger than memory bears."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import image_data
import pytest
from PIL import Image

from tlml import TlmlError
from tlml_vision.storage.decoding import MOST_PIXELS, decode, decoded_bytes, scaled

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"


def error_of(path: Path) -> str:
    with pytest.raises(TlmlError) as caught:
        decode([path], scaled(4))
    return str(caught.value)


@pytest.mark.parametrize("form", ["png", "jpeg", "bmp"])
def test_images_of_the_three_forms_are_read(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"a.{form}"
    image_data.write_image(path, image_data.noise(5, 6, 3))
    assert decode([path], scaled(4)).shape == (1, 3, 4, 4)
    assert decoded_bytes([path.read_bytes()], "x", scaled(4)).shape == (1, 3, 4, 4)


@pytest.mark.parametrize("form", ["gif", "tiff", "ppm", "webp"])
def test_other_forms_under_their_names_are_refused(tmp_path: Path, form: str) -> None:
    other, path = tmp_path / f"a.{form}", tmp_path / "a.png"
    Image.fromarray(image_data.noise(5, 6, 3)).save(other)
    other.rename(path)
    assert "is damaged or no image" in error_of(path)


def test_nothing_is_given_to_other_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An EPS would go to Ghostscript."""
    monkeypatch.setattr("subprocess.check_call", lambda *_, **__: pytest.fail("a program was run"))
    path = tmp_path / "a.png"
    path.write_bytes(EPS)
    assert "is damaged or no image (cannot identify image file" in error_of(path)


@pytest.mark.parametrize("side", [9_000, 12_000])
def test_a_huge_image_is_refused_before_it_is_decoded(tmp_path: Path, side: int) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(_png(side, side))
    assert side * side > MOST_PIXELS
    assert error_of(path) == (
        f"{path}: has {side} × {side} pixels, more than 64,000,000; make it smaller"
    )


def test_a_bomb_is_refused_as_it_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(_png(60_000, 60_000))
    assert "decompression bomb" in error_of(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    assert "is damaged or no image (not a regular file)" in error_of(tmp_path / "a.png")


def test_a_folder_with_the_name_of_an_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    assert "not a regular file" in error_of(tmp_path / "a.png")


def _png(width: int, height: int) -> bytes:
    """Write the head of a PNG of that size, and a bit of its content."""

    def chunk(name: bytes, data: bytes) -> bytes:
        check = zlib.crc32(name + data).to_bytes(4, "big")
        return len(data).to_bytes(4, "big") + name + data + check

    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
    content = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(100)))
    return b"\x89PNG\r\n\x1a\n" + content + chunk(b"IEND", b"")
