from __future__ import annotations

import re

import image_data
import pytest
import torch

import tlml
from tlml import TlmlError
from tlml.data import SPLITS


def domain(root, **options):
    return tlml.domain("cub", root=str(root), **{"size": 8, **options})


def names(message: str):
    return pytest.raises(TlmlError, match=re.escape(message))


def test_species_are_divided_by_their_numbers(tmp_path):
    image_data.cub(tmp_path)
    names = {split: list(domain(tmp_path).classes(split)) for split in SPLITS}
    assert names == {
        "source": ["001.Bird_0", "003.Bird_2", "005.Bird_4", "007.Bird_6"],
        "validation": ["002.Bird_1", "006.Bird_5"],
        "target": ["004.Bird_3", "008.Bird_7"],
    }
    samples = domain(tmp_path).classes("target")["004.Bird_3"]
    assert samples.shape == (8, 3, 8, 8)
    assert 0 <= float(samples.min()) < float(samples.max()) <= 1
    inside = domain(tmp_path / "CUB_200_2011").classes("target")["004.Bird_3"]
    assert torch.equal(inside, samples)


def test_birds_are_cut_out_by_their_boxes(tmp_path):
    image_data.cub(tmp_path)
    pixels = image_data.noise(16, 20, 3, seed=301)[2:14, 4:17]  # species 3: 13 wide, 12 high
    image_data.write_image(tmp_path / "own" / "train" / "bird" / "0.png", pixels)
    expected = domain(tmp_path / "own").classes("source")["bird"][0]
    found = domain(tmp_path, crop=True).classes("target")["004.Bird_3"][1]
    assert torch.equal(found, expected)


def test_folders_of_splits_are_read(tmp_path):
    image_data.folders(tmp_path)
    assert list(domain(tmp_path).classes("target")) == ["n20", "n21"]
    with names("has folders of splits, and no bounding boxes"):
        domain(tmp_path, crop=True).classes("target")


def test_what_is_wrong_is_told(tmp_path):
    with names("cub: no source images in"):
        domain(tmp_path).classes("source")
    image_data.cub(tmp_path)
    boxes = tmp_path / "CUB_200_2011" / "bounding_boxes.txt"
    boxes.write_text("1 4.0 2.0\n")
    with names("bounding_boxes.txt: does not fit images.txt"):
        domain(tmp_path, crop=True).classes("source")
    boxes.write_text("1 4.0 2.0 8.0 8.0\n")
    with names("bounding_boxes.txt: has no box for 001.Bird_0/1.png"):
        domain(tmp_path, crop=True).classes("source")
    boxes.unlink()
    with names("crop: needs images.txt and bounding_boxes.txt; there is no"):
        domain(tmp_path, crop=True).classes("source")
    (tmp_path / "CUB_200_2011" / "images" / "birds").mkdir()
    with names("birds: must be called like 001.Black_footed_Albatross"):
        domain(tmp_path).classes("source")
