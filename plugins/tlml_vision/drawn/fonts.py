"""The fonts that characters are printed in: matplotlib's, and those of a folder of the user."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import matplotlib
from fontTools.ttLib import TTFont, TTLibError  # type: ignore[import-untyped]

from tlml.errors import TlmlError

SUFFIXES = (".otf", ".ttf")

# LastResort draws one box for every code point, the others hold parts of mathematical symbols
# (or, cmex and cmsy, symbols under the code points of letters).
UNFIT = ("LastResort", "cmex", "cmsy", "STIXSiz", "STIXNonUni")


@dataclass(frozen=True, slots=True)
class FontFile:
    """A file that may be a font, in one of the folders that are searched."""

    path: Path
    folder: Path

    @property
    def name(self) -> str:
        """The path below the folder, without suffix."""
        return self.path.relative_to(self.folder).with_suffix("").as_posix()

    def characters(self) -> frozenset[int]:
        """Read the code points that it draws; none where it is not a font."""
        try:
            # Given a path, TTFont leaves the files open that it can't read.
            with self.path.open("rb") as file, TTFont(file, lazy=True) as font:
                drawn = font.getBestCmap().items()
                return frozenset(code for code, glyph in drawn if glyph != ".notdef")
        except (TTLibError, OSError, struct.error, AssertionError, AttributeError, KeyError):
            return frozenset()


def check_folder(folder: str | None) -> None:
    """Raise where a folder of fonts is named that isn't there."""
    if folder is not None and not Path(folder).expanduser().is_dir():
        raise TlmlError(f"fonts: there is no folder '{folder}'; leave it out for matplotlib's own")


def font_files(folder: str | None) -> list[FontFile]:
    """List matplotlib's font files that serve, then the folder's (with its subfolders).

    Raises:
        TlmlError: The folder isn't there or holds no font.
    """
    files = _files(Path(matplotlib.get_data_path(), "fonts", "ttf"))
    if folder is None:
        return files
    check_folder(folder)
    own = [file for file in _files(Path(folder).expanduser().resolve()) if file.characters()]
    if not own:
        raise TlmlError(
            f"fonts: '{folder}' holds no font that can be read ({' or '.join(SUFFIXES)})"
        )
    return files + own


def fingerprint(files: list[FontFile]) -> list[list[str | int]]:
    """Return the names and sizes in bytes, by which rendered files are told apart."""
    return [[file.name, file.path.stat().st_size] for file in files]


def _files(folder: Path) -> list[FontFile]:
    found = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    return [
        FontFile(path, folder)
        for path in sorted(found)
        if not path.name.startswith(UNFIT) and "Display" not in path.stem
    ]
