"""MNIST from OpenML where torchvision is missing, by a scikit-learn that is none."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.datasets
import torch
from refusals import fails, stops

import tlml
from tlml_vision.readers.openml import OpenMl
from tlml_vision.storage.idx import read_idx, write_idx
from tlml_vision.streams import written
from tlml_vision.streams.written import MNIST, Collection, WrittenImages

LABELS = np.array([*[5, 0, 4, 1, 9] * 12, *[7, 2, 1, 0, 4] * 4])
PIXELS = np.random.default_rng(0).integers(0, 256, (80, 784))


class Fetching:
    """Counts downloads, each of the table that OpenML is said to have."""

    def __init__(self, labels: Any = LABELS) -> None:
        self.asked: list[int] = []
        self.labels = labels

    def __call__(self, *, data_id: int, **options: Any) -> tuple[Any, Any]:
        assert options == {"as_frame": False, "return_X_y": True, "cache": False}
        self.asked.append(data_id)
        return PIXELS[: len(self.labels)].astype(float), self.labels.astype(str).astype(object)


@pytest.fixture
def fetching(monkeypatch: pytest.MonkeyPatch) -> Fetching:
    """Nothing but OpenML is there, with few images of each file."""
    made = Fetching()
    monkeypatch.setitem(sys.modules, "torchvision", None)
    monkeypatch.setitem(sys.modules, "torchvision.datasets", None)
    monkeypatch.setattr(sklearn.datasets, "fetch_openml", made)
    _, number, files = MNIST.openml
    few = {file: (size, files[file][1]) for file, size in (("train", 60), ("t10k", 20))}
    table = OpenMl("mnist", number, few)
    monkeypatch.setattr(written, "MNIST", Collection("mnist", "MNIST", table, MNIST.obtain))
    return made


def images(root: Path, download: bool = True) -> WrittenImages:
    return WrittenImages(written.MNIST, str(root), download, "rotated_digits")


def test_both_files_are_written_once_and_read_again(fetching: Fetching, tmp_path: Path) -> None:
    made = images(tmp_path / "new")
    assert made.labels("train").tolist() == LABELS[:60].tolist()
    assert made.labels("t10k").tolist() == LABELS[60:].tolist()
    rows = torch.from_numpy(PIXELS.reshape(-1, 1, 28, 28))
    assert torch.equal(made.images("t10k"), rows[60:].to(torch.uint8))
    assert fetching.asked == [554]
    again = images(tmp_path / "new", download=False)
    assert torch.equal(again.images("train"), made.images("train"))


def test_files_that_are_there_stay(fetching: Fetching, tmp_path: Path) -> None:
    write_idx(tmp_path / "train-images-idx3-ubyte", np.zeros((7, 28, 28), np.uint8))
    write_idx(tmp_path / "train-labels-idx1-ubyte", np.ones(7, np.uint8))
    made = images(tmp_path)
    assert len(made.labels("t10k")) == 20
    assert made.labels("train").tolist() == [1] * 7


def test_rows_in_another_order_are_refused(fetching: Fetching, tmp_path: Path) -> None:
    fetching.labels = np.roll(LABELS, 1)
    with stops("mnist: rows from 0 on of OpenML's table 554 are not those of the file train"):
        images(tmp_path).labels("train")
    fetching.labels = np.concatenate([LABELS[:60], LABELS[60:79]])
    with fails("mnist: OpenML's table 554 has 79 rows in place of 80; get the files elsewhere"):
        images(tmp_path).labels("train")
    assert list(tmp_path.iterdir()) == []


def test_a_download_that_fails_says_so(
    fetching: Fetching, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(**_: Any) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", away)
    with fails(f"mnist: the download into {tmp_path} failed: no route to host"):
        images(tmp_path).labels("train")


def test_nothing_is_downloaded_unless_asked_for(fetching: Fetching, tmp_path: Path) -> None:
    with stops("mnist: no train images"):
        tlml.domain("rotated_mnist", root=str(tmp_path)).tasks("source")[0].split("train")
    assert fetching.asked == []


def test_bytes_are_read_as_they_were_written(tmp_path: Path) -> None:
    values = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    write_idx(tmp_path / "some", values)
    assert np.array_equal(read_idx(tmp_path / "some", 3), values)
