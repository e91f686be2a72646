"""Omniglot: handwritten characters of 50 alphabets, and their rotations, as classes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from tlml.data import Split
from tlml.errors import TlmlError, check_choice, check_not_negative
from tlml_vision.readers.image_folder import subfolders
from tlml_vision.readers.image_pool import ImagePool
from tlml_vision.readers.torchvision_data import download as torchvision_download
from tlml_vision.storage.decoding import Fit, decode, image_files
from tlml_vision.storage.image_data import FoundImages
from tlml_vision.storage.image_store import Classes, Images
from tlml_vision.storage.progress_bar import progress

HALVES = ("images_background", "images_evaluation")
_PLACES = ("", "omniglot-py", "python")
_CODES: dict[str, Split] = {"s": "source", "v": "validation", "t": "target"}
_DRAWINGS = 20  # of each character
_SOURCE, _VALIDATION = 1100, 100  # characters of the random split; the others are target


class Omniglot(ImagePool):
    """Handwritten characters (Lake et al. 2015), 20 drawings each; ink is 1, paper 0.

    A class is a character turned by 0, 90, 180 or 270 degrees (Santoro et al. 2016).

    Args:
        root: The folder of the data; ``$TLML_DATA/omniglot`` where None.
        size: Side of the images in pixels.
        rotations: Whether each turn of a character is a class, or only the upright one is.
        division: "vinyals" is the usual list of 1028, 172 and 423 characters (Vinyals et al.
            2016); "random" draws 1100 and 100, and leaves the others as target, as in MAML's code.
        seed: Of the random division.
        partial: Whether characters or drawings may be missing; results compare with no others.
        download: Whether to download the data through torchvision where it is missing.

    Raises:
        TlmlError: An option is out of range.
    """

    name = "omniglot"
    channels = 1
    layouts = (
        "images_background/ALPHABET/characterNN/*.png and images_evaluation/…",
        "the same in omniglot-py/ (torchvision) or python/",
    )
    obtain = (
        "get images_background.zip and images_evaluation.zip from "
        "https://github.com/brendenlake/omniglot/tree/master/python, or set download=True"
    )

    def __init__(
        self,
        root: str | None = None,
        size: int = 28,
        rotations: bool = True,
        division: str = "vinyals",
        seed: int = 0,
        partial: bool = False,
        download: bool = False,
    ) -> None:
        super().__init__(root, size)
        check_choice("division", division, ("vinyals", "random"))
        check_not_negative(seed=seed)
        self.rotations, self.division, self.seed = rotations, division, seed
        self.partial, self.download = partial, download

    def get(self, folder: Path) -> bool:
        """Download both halves where that was asked for."""
        if self.download:
            for background in (True, False):
                torchvision_download("Omniglot", folder, background=background)
        return self.download

    def find(self, folder: Path, split: Split) -> FoundImages | None:
        """Find the characters of a split.

        Raises:
            TlmlError: One half, a character or a drawing is missing, or a character is not in the
                division.
        """
        characters = _characters(folder)
        if characters is None:
            return None
        table = _vinyals() if self.division == "vinyals" else _draw(characters, self.seed)
        _check_known(characters, table, folder)
        if not self.partial:
            _check_complete(characters, folder)
        own = {n: image_files(p) for n, p in characters.items() if table[n] == split}
        for name, files in own.items():
            if len(files) < (1 if self.partial else _DRAWINGS):
                raise TlmlError(
                    f"omniglot: character '{name}' has {len(files)} of {_DRAWINGS} drawings in "
                    f"{folder}; {_COMPLETE}"
                )

        def read() -> Classes:
            for name in progress(list(own), "omniglot: reading images"):
                yield from self._turn(name, decode(own[name], _ink(self.size)))

        return FoundImages(tuple(path for files in own.values() for path in files), read)

    def _turn(self, name: str, images: Images) -> Classes:
        for quarter in range(4 if self.rotations else 1):
            suffix = f"/rot{90 * quarter:03d}" if self.rotations else ""
            yield name + suffix, np.rot90(images, quarter, axes=(2, 3))


def _characters(folder: Path) -> dict[str, Path] | None:
    """Return the folder of each character by ``alphabet/character``."""
    for base in (folder / place for place in _PLACES):
        there = [(base / half).is_dir() for half in HALVES]
        if all(there):
            return {
                f"{alphabet}/{character}": place
                for half in HALVES
                for alphabet, letters in sorted(subfolders(base / half).items())
                for character, place in subfolders(letters).items()
            }
        if any(there):
            raise TlmlError(
                f"omniglot: {base} has {HALVES[not there[0]]}, and {HALVES[there[0]]} is missing; "
                "the divisions need both"
            )
    return None


def _vinyals() -> dict[str, Split]:
    """Read the split of each character: s, v or t for character01, character02, ….

    The list is that of github.com/jakesnell/prototypical-networks, data/omniglot/splits/vinyals.
    """
    table: dict[str, Split] = {}
    for line in (
        Path(__file__).with_name("omniglot_vinyals.txt").read_text(encoding="utf-8").splitlines()
    ):
        alphabet, codes = line.split()
        for number, code in enumerate(codes, 1):
            table[f"{alphabet}/character{number:02d}"] = _CODES[code]
    return table


def _draw(characters: Mapping[str, Path], seed: int) -> dict[str, Split]:
    names = sorted(characters)
    order = np.random.default_rng(seed).permutation(len(names))
    # A part of the data is divided in the same shares.
    ends = np.array([_SOURCE, _SOURCE + _VALIDATION]) * len(names) // len(_vinyals())
    parts: list[Split] = ["source", "validation", "target"]
    places = np.searchsorted(ends, np.arange(len(names)), side="right")
    return {names[i]: parts[place] for i, place in zip(order, places, strict=True)}


def _check_known(characters: Mapping[str, Path], table: Mapping[str, Split], folder: Path) -> None:
    strange = sorted(characters.keys() - table.keys())
    if strange:
        raise TlmlError(
            f"omniglot: {folder} holds '{strange[0]}', which is not in the division of Vinyals et "
            "al.; remove it, or set division=random"
        )


def _check_complete(characters: Mapping[str, Path], folder: Path) -> None:
    """Raise where characters are missing, and name alphabets that are missing whole as such."""
    known = _vinyals()
    missing = [name for name in known if name not in characters]
    if missing:
        alphabets = {name.split("/")[0] for name in characters}
        whole = (name if (own := name.split("/")[0]) in alphabets else own for name in missing)
        named = list(dict.fromkeys(whole))
        more = ", …" if len(named) > _NAMED else ""
        raise TlmlError(
            f"omniglot: {folder} lacks {len(missing)} of {len(known)} characters: "
            f"{', '.join(named[:_NAMED])}{more}; {_COMPLETE}"
        )


_NAMED = 5
_COMPLETE = "unpack both archives anew, or set partial=True to do without"


def _ink(size: int) -> Fit:
    """Shrink by the nearest pixel, as the papers' code did (Pillow does so with black and white).

    The files hold one bit a pixel, and ink is 0 in them.
    """

    def fit(image: Image.Image) -> Image.Image:
        small = image.convert("1").resize((size, size), Image.Resampling.NEAREST)
        return small.convert("L").point(lambda value: 255 - value)

    return fit
