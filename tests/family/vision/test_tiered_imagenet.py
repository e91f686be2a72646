from __future__ import annotations

import pickle
import re

import image_data
import numpy as np
import pytest
import torch

import tlml
from tlml import TlmlError
from tlml.data import SPLITS


def domain(root, **options):
    return tlml.domain("tiered_imagenet", root=str(root), **options)


@pytest.mark.parametrize("plain", [False, True], ids=["png", "npz"])
@pytest.mark.parametrize("place", ["", "tiered-imagenet"])
def test_pixels_are_those_of_their_class(tmp_path, plain, place):
    image_data.tiered_imagenet(tmp_path / place, plain)
    made = domain(tmp_path)
    for seed, split in enumerate(SPLITS):
        classes = made.classes(split)
        part = image_data.PARTS[seed]
        assert list(classes) == [f"{part}/000 crane", f"{part}/001 crane"]
        pixels = torch.from_numpy(image_data.noise(8, 84, 84, 3, seed=seed))
        if plain:  # OpenCV's order of colours
            pixels = pixels.flip(3)
        assert torch.equal(classes[f"{part}/001 crane"], pixels[1::2].permute(0, 3, 1, 2) / 255)


def test_folders_are_found(tmp_path):
    image_data.folders(tmp_path)
    assert domain(tmp_path, size=8).classes("target")["n21"].shape == (8, 3, 8, 8)


def test_labels_may_be_numbers_only(tmp_path):
    image_data.tiered_imagenet(tmp_path)
    image_data.write_pickle(tmp_path / "train_labels.pkl", {b"labels": [7, 9] * 4})
    assert list(domain(tmp_path).classes("source")) == ["train/7", "train/9"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train_labels.pkl", pickle.dumps({}), "must hold label_specific and label_specific_str"),
        (
            "train_labels.pkl",
            pickle.dumps({"label_specific": [3], "label_specific_str": ["a"]}),
            "names 1 classes, and an image is of 3",
        ),
        ("train_images_png.pkl", pickle.dumps({}), "must hold a list of encoded images"),
        ("train_images_png.pkl", pickle.dumps([]), "holds 0 images, and train_labels.pkl labels 8"),
        (
            "train_images_png.pkl",
            pickle.dumps([np.zeros((9, 1), np.uint8)] * 8),
            "is damaged or no image",
        ),
    ],
)
def test_damaged_files_are_named(tmp_path, name, content, message):
    image_data.tiered_imagenet(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TlmlError, match=f"{re.escape(str(tmp_path / name))}: {message}"):
        domain(tmp_path).classes("source")


def test_damaged_arrays_and_missing_labels_are_named(tmp_path):
    image_data.tiered_imagenet(tmp_path, plain=True)
    (tmp_path / "train_images.npz").write_bytes(b"no arrays")
    with pytest.raises(TlmlError, match=r"train_images\.npz: is damaged or holds no images"):
        domain(tmp_path).classes("source")
    (tmp_path / "val_labels.pkl").unlink()
    with pytest.raises(TlmlError, match=r"val_images\.npz: its labels are missing, .*val_labels"):
        domain(tmp_path).classes("validation")


def test_missing_data_is_told_with_its_layouts(tmp_path):
    with pytest.raises(
        TlmlError, match=r"tiered_imagenet: no source images in .*_images_png\.pkl .*few-shot-ssl"
    ):
        domain(tmp_path).classes("source")
