"""Small image data sets in the layouts that the real ones have on the disk."""

from __future__ import annotations

import bz2
import gzip
import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.io import savemat

from tlml_vision.storage.image_store import Bytes

PARTS = ("train", "val", "test")
# Two characters at least of each split of Vinyals et al.
CHARACTERS = {
    "images_background": ["Alphabet_of_the_Magi/character01", "Alphabet_of_the_Magi/character02",
                          "Armenian/character01", "Armenian/character02"],
    "images_evaluation": ["Angelic/character01", "Tibetan/character01", "Tibetan/character02"],
}  # fmt: skip


def noise(*shape: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def write_image(path: Path, pixels: NDArray[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def write_pickle(path: Path, value: object, protocol: int = 4) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(value, protocol))


def omniglot(root: Path, each: int = 8) -> None:
    """Characters of one bit a pixel, 105 pixels wide."""
    seed = 0
    for half, characters in CHARACTERS.items():
        for character in characters:
            for drawing in range(each):
                seed += 1
                bits = noise(105, 105, seed=seed) > 127
                write_image(root / half / character / f"{seed:04d}_{drawing + 1:02d}.png", bits)


def folders(root: Path, classes: int = 2, each: int = 8, side: int = 12) -> None:
    """Folders of classes for each part, with images of noise."""
    for p, part in enumerate(PARTS):
        for c in range(classes):
            for i in range(each):
                pixels = noise(side, side + 4, 3, seed=1000 * p + 100 * c + i)
                write_image(root / part / f"n{p}{c}" / f"{i}.png", pixels)


def cub(root: Path, species: int = 8, each: int = 8) -> None:
    """Photographs by species, and the tables of boxes."""
    place, names, boxes = root / "CUB_200_2011", [], []
    for s in range(species):
        for i in range(each):
            file = f"{s + 1:03d}.Bird_{s}/{i}.png"
            write_image(place / "images" / file, noise(16, 20, 3, seed=100 * s + i))
            names.append(f"{len(names) + 1} {file}")
            boxes.append(f"{len(boxes) + 1} 4.0 2.0 {10 + s}.0 12.0")
    (place / "images.txt").write_text("\n".join(names) + "\n")
    (place / "bounding_boxes.txt").write_text("\n".join(boxes) + "\n")


def mini_imagenet_lists(root: Path, classes: int = 2, each: int = 8) -> None:
    """All images in one folder, and a list for each part."""
    for p, part in enumerate(PARTS):
        lines = ["filename,label"]
        for c in range(classes):
            for i in range(each):
                name = f"n{p}{c}{i:08d}.jpg"
                write_image(root / "images" / name, noise(12, 16, 3, seed=1000 * p + 100 * c + i))
                lines.append(f"{name},n{p}{c}")
        (root / f"{part}.csv").write_text("\n".join(lines) + "\n")


def mini_imagenet_pickles(root: Path, side: int = 84, each: int = 4, protocol: int = 4) -> None:
    """The cache files: all images of a part and the rows of each class."""
    for p, part in enumerate(PARTS):
        data = {
            "image_data": noise(2 * each, side, side, 3, seed=p),
            "class_dict": {f"n{p}{c}": list(range(c, 2 * each, 2)) for c in range(2)},
        }
        write_pickle(root / f"mini-imagenet-cache-{part}.pkl", data, protocol)


# Two classes of each split of CIFAR-FS and of FC100, by superclass.
CIFAR = {
    "aquatic_mammals": ["whale", "beaver"],
    "flowers": ["orchid", "rose"],
    "insects": ["bee", "beetle"],
    "large_carnivores": ["bear", "leopard"],
    "small_mammals": ["mouse", "shrew"],
}


def cifar100(root: Path, each: int = 4) -> None:
    """The files of CIFAR-100: rows of three planes, in two parts, and the names."""
    fine = [name for names in CIFAR.values() for name in names]
    folder = root / "cifar-100-python"
    for seed, part in enumerate(("train", "test")):
        labels = [label for _ in range(each) for label in range(len(fine))]
        data = {
            "data": noise(len(labels), 3072, seed=seed),
            "fine_labels": labels,
            "coarse_labels": [label // 2 for label in labels],
        }
        write_pickle(folder / part, data, protocol=2)
    names = {"fine_label_names": fine, "coarse_label_names": list(CIFAR)}
    write_pickle(folder / "meta", names, protocol=2)


def labelled_pickles(root: Path, name: str, each: int = 4) -> None:
    """A pickle of images and labels for each part."""
    for p, part in enumerate(PARTS):
        data = {"data": noise(2 * each, 32, 32, 3, seed=p), "labels": [2 * p, 2 * p + 1] * each}
        write_pickle(root / f"{name}_{part}.pickle", data)


def encoded(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A png as OpenCV encodes it: a column of bytes."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return np.frombuffer(buffer.getvalue(), np.uint8)[:, None]


def tiered_imagenet(root: Path, plain: bool = False, each: int = 4) -> None:
    """Encoded or plain images of each part, and their labels with two levels of names."""
    for p, part in enumerate(PARTS):
        images = noise(2 * each, 84, 84, 3, seed=p)
        labels = {
            "label_specific": np.array([0, 1] * each),
            "label_general": np.zeros(2 * each, np.int64),
            "label_specific_str": ["crane", "crane"],
            "label_general_str": ["thing"],
        }
        write_pickle(root / f"{part}_labels.pkl", labels, protocol=2)
        if plain:
            np.savez(root / f"{part}_images.npz", images=images)
        else:
            write_pickle(root / f"{part}_images_png.pkl", [encoded(i) for i in images], 2)


def family(root: Path, places: dict[str, dict[str, int]]) -> None:
    """A folder for each place, with a folder for each class and so many images of noise in it."""
    seed = 0
    for place, classes in places.items():
        for name, number in classes.items():
            for i in range(number):
                seed += 1
                write_image(root / place / name / f"frame_{i:04d}.png", noise(9, 12, 3, seed=seed))


def office31(root: Path, each: int = 20) -> None:
    """Three classes of the three places, in folders called images."""
    for p, place in enumerate(("amazon", "dslr", "webcam")):
        for c, name in enumerate(("back_pack", "bike", "ring_binder")):
            for i in range(each):
                path = root / place / "images" / name / f"frame_{i + 1:04d}.jpg"
                write_image(path, noise(12, 10, 3, seed=10_000 + 1000 * p + 100 * c + i))


def visda(root: Path, each: int = 20) -> None:
    """Three of the twelve classes, with lists; the test's images are in trunks."""
    names = {0: "aeroplane", 2: "bus", 11: "truck"}
    for p, place in enumerate(("train", "validation", "test")):
        lines = []
        for label, name in names.items():
            for i in range(each):
                folder = f"trunk{i % 2:02d}" if place == "test" else name
                file = f"{folder}/{name[0]}{label:02d}_{i}.{'jpg' if p else 'png'}"
                pixels = noise(10, 14, 3, seed=20_000 + 1000 * p + 50 * label + i)
                write_image(root / place / file, pixels)
                lines.append(f"{file} {label}")
        (root / place / "image_list.txt").write_text("\n".join(lines) + "\n")


def idx(array: NDArray[np.uint8]) -> bytes:
    """Bytes in IDX, as the files of MNIST hold them."""
    head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return head + array.tobytes()


def labels_of_digits(number: int) -> NDArray[np.uint8]:
    return (np.arange(number) * 7 % 10).astype(np.uint8)  # all ten, and not in their order


def mnist(root: Path, train: int = 200, test: int = 30) -> None:
    root.mkdir(parents=True, exist_ok=True)
    for seed, (part, number) in enumerate((("train", train), ("t10k", test))):
        for kind, array in (
            ("images-idx3", noise(number, 28, 28, seed=30_000 + seed)),
            ("labels-idx1", labels_of_digits(number)),
        ):
            with gzip.open(root / f"{part}-{kind}-ubyte.gz", "wb") as file:
                file.write(idx(array))


def svhn(root: Path, train: int = 200, test: int = 30) -> None:
    for seed, (part, number) in enumerate((("train", train), ("test", test))):
        labels = labels_of_digits(number)
        data = {
            "X": noise(32, 32, 3, number, seed=31_000 + seed),
            "y": np.where(labels == 0, 10, labels)[:, None],
        }
        savemat(root / f"{part}_32x32.mat", data)


def usps(root: Path, train: int = 200, test: int = 30) -> None:
    for seed, (name, number) in enumerate((("usps.bz2", train), ("usps.t.bz2", test))):
        values = noise(number, 256, seed=32_000 + seed) / 127.5 - 1
        lines = [
            " ".join([f"{label + 1}", *(f"{i}:{value:.6f}" for i, value in enumerate(row, 1))])
            for label, row in zip(labels_of_digits(number), values, strict=True)
        ]
        with bz2.open(root / name, "wt") as file:
            file.write("\n".join(lines) + "\n")


def digits_three(root: Path) -> None:
    """The files of the three, each in the folder that torchvision downloads it to."""
    mnist(root / "MNIST" / "raw")
    svhn(root)
    usps(root)


def write_all(root: Path) -> None:
    """A little of each data set, in the folder that its domain looks in by itself."""
    omniglot(root / "omniglot")
    mini_imagenet_lists(root / "mini_imagenet")
    cifar100(root / "cifar_fs")
    cifar100(root / "fc100")
    cub(root / "cub")
    tiered_imagenet(root / "tiered_imagenet")
    family(root / "image_folder", {place: {"cat": 20, "dog": 21} for place in ("art", "photo")})
    office31(root / "office31")
    visda(root / "visda")
    digits_three(root / "digits_three")
    mnist(root / "mnist", train=1600)
    mnist(root / "fashion_mnist", train=1600)


def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return how many images each reading from the disk takes from here on."""
    shown: list[int] = []
    read = Bytes.__getitem__

    def watched(self, index):
        x = read(self, index)
        shown.append(len(x))
        return x

    monkeypatch.setattr(Bytes, "__getitem__", watched)
    return shown
