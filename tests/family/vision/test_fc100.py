from __future__ import annotations

import image_data
import pytest

import tlml
from tlml import TlmlError
from tlml.data import SPLITS


def domain(root, **options):
    return tlml.domain("fc100", root=str(root), **options)


def test_cifar100_is_divided_by_superclass(tmp_path):
    image_data.cifar100(tmp_path)
    made = domain(tmp_path)
    assert {split: sorted(made.classes(split)) for split in SPLITS} == {
        "source": ["orchid", "rose"],
        "validation": ["bear", "leopard", "mouse", "shrew"],
        "target": ["beaver", "bee", "beetle", "whale"],
    }
    assert made.classes("source")["rose"].shape == (8, 3, 32, 32)


def test_pickles_and_folders_are_found(tmp_path):
    image_data.labelled_pickles(tmp_path / "p", "FC100")
    image_data.folders(tmp_path / "f")
    assert list(domain(tmp_path / "p").classes("target")) == ["FC100_test/4", "FC100_test/5"]
    assert list(domain(tmp_path / "f", size=8).classes("target")) == ["n20", "n21"]


def test_missing_data_is_told_with_its_layouts(tmp_path):
    with pytest.raises(
        TlmlError,
        match=r"fc100: no target images in .*FC100_\{train,val,test\}\.pickle, or cifar-100",
    ):
        domain(tmp_path).classes("target")
