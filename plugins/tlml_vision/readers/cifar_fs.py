"""CIFAR-FS: the classes of CIFAR-100 divided at random, for few-shot learning."""

from __future__ import annotations

from pathlib import Path

from tlml.data import Split
from tlml.errors import TlmlError
from tlml_vision.readers import cifar100, image_folder
from tlml_vision.readers.cifar100 import CifarPool, find_cifar100
from tlml_vision.readers.image_folder import find_folders, of_files
from tlml_vision.readers.image_pool import ON_DISK
from tlml_vision.readers.labelled_pickle import find_labelled
from tlml_vision.storage.decoding import image_files, scaled
from tlml_vision.storage.image_data import FoundImages

# Bertinetto, Henriques, Torr & Vedaldi 2019 (arXiv 1805.08136); all others are to learn from.
VALIDATION = frozenset(
    """beaver beetle butterfly camel cattle crab crocodile flatfish lamp maple_tree motorcycle otter
    sea shark television tractor""".split()
)
TARGET = frozenset(
    """baby bed bicycle chimpanzee fox leopard man pickup_truck plain poppy rocket rose snail
    sweet_pepper table telephone wardrobe whale woman worm""".split()
)


class CifarFs(CifarPool):
    """64, 16 and 20 classes of 600 colour images each (Bertinetto et al. 2019).

    Args:
        root: The folder of the data; ``$TLML_DATA/cifar_fs`` where None.
        size: Side of the images in pixels.
        download: Whether to download CIFAR-100 through torchvision where nothing is there.

    Raises:
        TlmlError: An option is out of range.
    """

    name = "cifar_fs"
    layouts = (
        "data/CLASS/*.png with splits/bertinetto/train.txt, val.txt and test.txt",
        image_folder.LAYOUT,
        "CIFAR_FS_{train,val,test}.pickle",
        cifar100.LAYOUT,
    )
    obtain = cifar100.OBTAIN

    def find(self, folder: Path, split: Split) -> FoundImages | None:
        """Find the lists, the folders or the pickles of a split.

        Raises:
            TlmlError: A list names a class without images, or splits share a class.
        """
        return (
            self._find_lists(folder, ON_DISK[split])
            or find_folders(folder, split, scaled(self.size))
            or find_labelled(folder / f"CIFAR_FS_{ON_DISK[split]}.pickle", self.size)
            or find_cifar100(folder, self.size, lambda name, _: split_of(name) == split)
        )

    def _find_lists(self, folder: Path, part: str) -> FoundImages | None:
        path = folder / "splits" / "bertinetto" / f"{part}.txt"
        if not path.is_file():
            return None
        names = path.read_text(encoding="utf-8").split()
        for name in names:
            if not (folder / "data" / name).is_dir():
                raise TlmlError(f"{path}: names class '{name}', and there is no data/{name}")
        files = {name: image_files(folder / "data" / name) for name in names}
        return of_files(files, folder, scaled(self.size))


def split_of(name: str) -> Split:
    """Return the split of a class of CIFAR-100."""
    if name in TARGET:
        return "target"
    return "validation" if name in VALIDATION else "source"
