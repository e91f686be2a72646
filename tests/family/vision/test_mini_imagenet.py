from __future__ import annotations

import pickle
import re

import image_data
import numpy as np
import pytest
import torch
from PIL import Image

import tlml
from tlml import TlmlError
from tlml.data import SPLITS

ONE_IMAGE = np.zeros((1, 4, 4, 3), np.uint8)
LAYOUTS = {
    "lists": image_data.mini_imagenet_lists,
    "folders": image_data.folders,
    "pickles": image_data.mini_imagenet_pickles,
}


def domain(root, **options):
    return tlml.domain("mini_imagenet", root=str(root), **options)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_layout_gives_all_splits(tmp_path, layout):
    LAYOUTS[layout](tmp_path)
    made = domain(tmp_path)
    for p, split in enumerate(SPLITS):
        classes = made.classes(split)
        assert list(classes) == [f"n{p}0", f"n{p}1"]
        for images in classes.values():
            assert images.shape[1:] == (3, 84, 84)
            assert images.dtype == torch.float32
            assert 0.0 <= images.min() < 0.2 < 0.8 < images.max() <= 1.0


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_pixels_of_the_pickles_are_those_of_their_class(tmp_path, protocol):
    image_data.mini_imagenet_pickles(tmp_path, protocol=protocol)
    pixels = image_data.noise(8, 84, 84, 3, seed=2)  # the third part
    expected = torch.from_numpy(pixels[1::2]).permute(0, 3, 1, 2) / 255
    assert torch.equal(domain(tmp_path).classes("target")["n21"], expected)


def test_files_are_scaled_whole(tmp_path):
    image_data.folders(tmp_path)
    found = domain(tmp_path, size=6).classes("source")["n00"][0]
    with Image.open(tmp_path / "train/n00/0.png") as image:
        expected = np.asarray(image.resize((6, 6), Image.Resampling.LANCZOS))
    assert torch.equal(found, torch.from_numpy(expected.copy()).permute(2, 0, 1) / 255)


def test_a_pickle_that_runs_code_is_refused_and_does_not_run(tmp_path):
    class Malicious:
        def __reduce__(self):
            return (open, (str(tmp_path / "written"), "w"))

    data = {"image_data": Malicious(), "class_dict": {}}
    image_data.write_pickle(tmp_path / "mini-imagenet-cache-train.pkl", data)
    with pytest.raises(TlmlError, match=r"asks for _?io\.open, and only numpy arrays and plain"):
        domain(tmp_path).classes("source")
    assert not (tmp_path / "written").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is damaged or no pickle"),
        (b"not a pickle", "is damaged or no pickle"),
        (pickle.dumps(np.arange(9))[:40], "is damaged or no pickle"),
        (pickle.dumps([1]), "must hold image_data, bytes"),
        (pickle.dumps({"image_data": np.zeros(3), "class_dict": {}}), "must hold image_data"),
        (
            pickle.dumps({"image_data": ONE_IMAGE, "class_dict": {"a": [1]}}),
            "class_dict names image 1, and there are 1",
        ),
        (
            pickle.dumps({"image_data": ONE_IMAGE, "class_dict": {"a": [0], "b": []}}),
            "class_dict names no image of class 'b'",
        ),
        *(
            (
                pickle.dumps({"image_data": ONE_IMAGE, "class_dict": {"a": rows}}),
                "the images of class 'a' must be whole numbers from 0 on, one for each image",
            )
            for rows in (["x"], [0.5], None, [None], [-1], "text", [[0]])
        ),
    ],
    ids=[
        "empty",
        "text",
        "cut",
        "list",
        "shape",
        "rows",
        "class",
        "words",
        "halves",
        "none",
        "nones",
        "negative",
        "a word",
        "nested",
    ],
)
def test_damaged_pickles_are_named(tmp_path, content, message):
    path = tmp_path / "mini-imagenet-cache-train.pkl"
    path.write_bytes(content)
    with pytest.raises(TlmlError, match=f"{re.escape(str(path))}: .*{message}"):
        domain(tmp_path).classes("source")


def test_a_pickle_without_classes_is_named(tmp_path):
    data = {"image_data": ONE_IMAGE, "class_dict": {}}
    image_data.write_pickle(tmp_path / "mini-imagenet-cache-train.pkl", data)
    with pytest.raises(TlmlError, match=f"{re.escape(str(tmp_path))} holds no source class"):
        domain(tmp_path).classes("source")


def test_a_missing_split_is_named_with_the_layouts(tmp_path):
    image_data.folders(tmp_path)
    (tmp_path / "val").rename(tmp_path / "valid")
    with pytest.raises(
        TlmlError, match=r"no validation images in .* layouts images/\*.jpg .*, or train/CLASS/"
    ):
        domain(tmp_path).classes("validation")


def test_lists_and_images_must_fit(tmp_path):
    image_data.mini_imagenet_lists(tmp_path)
    (tmp_path / "images/n0000000001.jpg").unlink()
    with pytest.raises(TlmlError, match=r"train.csv lists .*n0000000001.jpg, which is not there"):
        domain(tmp_path).classes("source")
    (tmp_path / "val.csv").write_text("image;class\n")
    with pytest.raises(TlmlError, match="first line must name the columns filename and label"):
        domain(tmp_path).classes("validation")


@pytest.mark.parametrize("layout", ["lists", "folders"])
def test_a_class_of_two_splits_is_refused(tmp_path, layout):
    LAYOUTS[layout](tmp_path)
    if layout == "lists":
        (tmp_path / "test.csv").write_bytes((tmp_path / "train.csv").read_bytes())
    else:
        (tmp_path / "train/n00").rename(tmp_path / "test/n01")
    with pytest.raises(TlmlError, match=r"class 'n0[01]' is in train and in test; splits share no"):
        domain(tmp_path).classes("source")


def test_more_ways_than_classes_are_refused(tmp_path):
    image_data.mini_imagenet_pickles(tmp_path)
    with pytest.raises(TlmlError, match="ways: 3 does not fit the source classes of MiniImageNet"):
        domain(tmp_path).draw("source", np.random.default_rng(0), ways=3)


def test_no_split_of_that_name(tmp_path):
    with pytest.raises(TlmlError, match="split: 'train' is not one of source, validation, target"):
        domain(tmp_path).classes("train")
