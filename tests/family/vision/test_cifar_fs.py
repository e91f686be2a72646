from __future__ import annotations

import pickle
import re
import sys
import types

import image_data
import numpy as np
import pytest
import torch

import tlml
from tlml import TlmlError
from tlml.data import SPLITS
from tlml_vision.readers.cifar_fs import TARGET, VALIDATION


def domain(root, **options):
    return tlml.domain("cifar_fs", root=str(root), **options)


def test_cifar100_is_divided_by_class(tmp_path):
    image_data.cifar100(tmp_path)
    made = domain(tmp_path)
    names = {split: sorted(made.classes(split)) for split in SPLITS}
    assert names == {
        "source": ["bear", "bee", "mouse", "orchid", "shrew"],
        "validation": ["beaver", "beetle"],
        "target": ["leopard", "rose", "whale"],
    }
    assert (len(VALIDATION), len(TARGET), len(VALIDATION & TARGET)) == (16, 20, 0)


def test_training_and_test_images_are_put_together(tmp_path):
    image_data.cifar100(tmp_path, each=2)
    rows = np.concatenate([image_data.noise(20, 3072, seed=s)[[0, 10]] for s in (0, 1)])
    expected = torch.from_numpy(rows).view(4, 3, 32, 32) / 255  # whale is class 0
    assert torch.equal(domain(tmp_path).classes("target")["whale"], expected)


def test_pickles_and_folders_are_found(tmp_path):
    image_data.labelled_pickles(tmp_path / "p", "CIFAR_FS")
    classes = domain(tmp_path / "p").classes("target")
    assert list(classes) == ["CIFAR_FS_test/4", "CIFAR_FS_test/5"]
    expected = torch.from_numpy(image_data.noise(8, 32, 32, 3, seed=2)[1::2]).permute(0, 3, 1, 2)
    assert torch.equal(classes["CIFAR_FS_test/5"], expected / 255)
    image_data.folders(tmp_path / "f")
    assert list(domain(tmp_path / "f").classes("validation")) == ["n10", "n11"]


def test_lists_name_the_classes_of_a_split(tmp_path):
    image_data.folders(tmp_path)
    (tmp_path / "train").rename(tmp_path / "data")
    lists = tmp_path / "splits/bertinetto"
    lists.mkdir(parents=True)
    for part, name in zip(image_data.PARTS, ("n00", "n01", "n02"), strict=True):
        (lists / f"{part}.txt").write_text(f"{name}\n")
    made = domain(tmp_path)
    assert [list(made.classes(split)) for split in SPLITS[:2]] == [["n00"], ["n01"]]
    with pytest.raises(TlmlError, match="names class 'n02', and there is no data/n02"):
        made.classes("target")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train", {"data": 1}, "must hold data, fine_labels, coarse_labels"),
        ("meta", [], "must hold fine_label_names, coarse_label_names"),
        (
            "test",
            {"data": np.zeros((2, 9), np.uint8), "fine_labels": [0, 1], "coarse_labels": [0, 0]},
            r"data must be bytes \[n, 3072\], one row a label",
        ),
        (
            "test",
            {"data": np.zeros((1, 3072), np.uint8), "fine_labels": [99], "coarse_labels": [0]},
            "its labels do not fit",
        ),
        (
            "test",
            {"data": np.zeros((0, 3072), np.uint8), "fine_labels": [], "coarse_labels": []},
            r"data must be bytes \[n, 3072\], one row a label",
        ),
    ],
)
def test_files_that_are_not_cifar100_are_named(tmp_path, name, content, message):
    image_data.cifar100(tmp_path, each=1)
    path = tmp_path / "cifar-100-python" / name
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(TlmlError, match=f"{re.escape(str(path))}: {message}"):
        domain(tmp_path).classes("source")


def test_a_pickle_without_labels_is_named(tmp_path):
    path = tmp_path / "CIFAR_FS_train.pickle"
    image_data.write_pickle(path, {"data": image_data.noise(2, 4, 4, 3), "labels": [1]})
    with pytest.raises(
        TlmlError, match=r"must hold data, bytes \[n, H, W, 3\], and as many labels"
    ):
        domain(tmp_path).classes("source")


def test_torchvision_downloads_where_it_is_asked_to(tmp_path, monkeypatch):
    stand_in = types.ModuleType("torchvision.datasets")
    stand_in.CIFAR100 = lambda root, download: image_data.cifar100(tmp_path, each=1)
    monkeypatch.setitem(sys.modules, "torchvision", types.ModuleType("torchvision"))
    monkeypatch.setitem(sys.modules, "torchvision.datasets", stand_in)
    with pytest.raises(TlmlError, match=r"no source images in .*cifar-100-python\.tar\.gz .*down"):
        domain(tmp_path).classes("source")
    assert len(domain(tmp_path, download=True).classes("source")) == 5
