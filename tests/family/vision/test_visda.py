from __future__ import annotations

import image_data
import numpy as np
import pytest
import torch
from PIL import Image
from refusals import stops

import tlml
from tlml.data import SPLITS, examples


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("TLML_CACHE", str(tmp_path / "cache"))
    image_data.visda(tmp_path / "visda", each=4)
    return tmp_path / "visda"


def domain(root, **options):
    return tlml.domain("visda", root=str(root), **{"size": 8, **options})


def test_renderings_are_the_source_and_photographs_the_target(root):
    made = domain(root)
    names = [made.tasks(split)[0].name for split in SPLITS]
    assert names == ["train", "train held out", "validation"]
    assert made.labels() == ("aeroplane", "bus", "truck")
    assert int(made.spaces("target")[1].n) == 3


def test_the_tests_trunks_are_read_by_the_list(root):
    made = domain(root, target="test", validation="validation")
    task = made.tasks("target")[0]
    assert task.name == "test"
    file = Image.open(root / "test" / "trunk01" / "b02_3.jpg")
    pixels = np.array(file.resize((8, 8), Image.Resampling.LANCZOS))
    expected = torch.from_numpy(pixels).permute(2, 0, 1) / 255
    held = [examples(task.split(part)) for part in ("train", "test")]
    x, y = torch.cat([part.x for part in held]), torch.cat([part.y for part in held])
    same = [int(label) for image, label in zip(x, y, strict=True) if torch.equal(image, expected)]
    assert same == [1]  # bus, whose number in the list is 2


def test_folders_of_classes_need_no_list(root):
    listed = examples(domain(root).tasks("target")[0].split("test"))
    for place in ("train", "validation"):
        (root / place / "image_list.txt").unlink()
    found = examples(domain(root).tasks("target")[0].split("test"))
    assert torch.equal(found.x, listed.x)
    assert torch.equal(found.y, listed.y)


@pytest.mark.parametrize(
    ("line", "said"),
    [("bus/b02_0.jpg", "bus/b02_0.jpg"), ("bus/b02_0.jpg 12", "bus/b02_0.jpg 12"),
     ("bus/b02_0.jpg bus", "bus/b02_0.jpg bus"), ("", "")],
)  # fmt: skip
def test_lines_that_are_no_path_and_class_are_refused(root, line, said):
    path = root / "validation" / "image_list.txt"
    path.write_text(f"bus/b02_1.jpg 2\n{line}\n")
    message = f"{path}:2: must be a path and the number of a class, 0 to 11, is '{said}'"
    with stops(message):
        domain(root).spaces("target")


def test_files_of_the_list_that_are_missing_are_told(root):
    lost = root / "train" / "bus" / "b02_1.png"
    lost.unlink()
    path = root / "train" / "image_list.txt"
    with stops(f"{path}: 1 of its files are missing, such as {lost}"):
        domain(root).spaces("source")


def test_a_test_without_its_list_is_refused(root):
    (root / "test" / "image_list.txt").unlink()
    with stops(f"visda: {root / 'test'} has no folders of classes and no image_list.txt"):
        domain(root, target="test").tasks("target")


def test_what_is_missing_is_told(root):
    with stops(
        "visda: no images of train in /no/such: there is no such folder; it may hold {train"
    ):
        domain("/no/such").tasks("source")
    with stops("target: no domain is called 'tests'; did you mean test?"):
        domain(root, target="tests")
