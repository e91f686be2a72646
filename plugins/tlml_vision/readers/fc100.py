"""FC100: the classes of CIFAR-100 divided by superclass, so that splits are far from each other."""

from __future__ import annotations

from pathlib import Path

from tlml.data import Split
from tlml_vision.readers import cifar100, image_folder
from tlml_vision.readers.cifar100 import CifarPool, find_cifar100
from tlml_vision.readers.image_folder import find_folders
from tlml_vision.readers.image_pool import ON_DISK
from tlml_vision.readers.labelled_pickle import find_labelled
from tlml_vision.storage.decoding import scaled
from tlml_vision.storage.image_data import FoundImages

# Superclasses of Oreshkin, Rodríguez & Lacoste 2018 (arXiv 1805.10123); all others are to learn
# from.
VALIDATION = frozenset(
    """large_carnivores large_omnivores_and_herbivores non-insect_invertebrates
    small_mammals""".split()
)
TARGET = frozenset("aquatic_mammals insects medium_mammals people".split())


class FC100(CifarPool):
    """60, 20 and 20 classes of 600 colour images each (Oreshkin et al. 2018).

    Args:
        root: The folder of the data; ``$TLML_DATA/fc100`` where None.
        size: Side of the images in pixels.
        download: Whether to download CIFAR-100 through torchvision where nothing is there.

    Raises:
        TlmlError: An option is out of range.
    """

    name = "fc100"
    layouts = (image_folder.LAYOUT, "FC100_{train,val,test}.pickle", cifar100.LAYOUT)
    obtain = cifar100.OBTAIN

    def find(self, folder: Path, split: Split) -> FoundImages | None:
        """Find the folders or the pickles of a split.

        Raises:
            TlmlError: Splits share a class.
        """
        return (
            find_folders(folder, split, scaled(self.size))
            or find_labelled(folder / f"FC100_{ON_DISK[split]}.pickle", self.size)
            or find_cifar100(folder, self.size, lambda _, above: split_of(above) == split)
        )


def split_of(superclass: str) -> Split:
    """Return the split of a superclass of CIFAR-100."""
    if superclass in TARGET:
        return "target"
    return "validation" if superclass in VALIDATION else "source"
