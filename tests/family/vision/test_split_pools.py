"""Pools of classes that streams divide: photographs and letters, and what they are judged by."""

from __future__ import annotations

import pickle
import shutil
import sys
import types
from pathlib import Path

import image_data
import numpy as np
import pytest
import torch
from refusals import fails, stops
from torch import Tensor

import tlml
from tlml import StreamView
from tlml.data import SPLITS, examples

SHARES = {"source": slice(0, 16), "validation": slice(16, 19), "target": slice(19, 20)}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLML_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def cifar(tmp_path: Path) -> Path:
    image_data.cifar100(tmp_path / "cifar", each=20)
    return tmp_path / "cifar"


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    image_data.tinyimagenet(tmp_path / "tiny", classes=4, each=20, tests=3)
    return tmp_path / "tiny"


def floats(rows: np.ndarray) -> Tensor:
    return torch.from_numpy(rows).reshape(-1, 3, 32, 32) / 255


def keys(x: Tensor) -> set[bytes]:
    return {row.numpy().tobytes() for row in x}


def test_cifar_is_divided_by_class_and_tested_on_its_own_test_file(cifar: Path) -> None:
    domain = tlml.domain("split_cifar100", root=str(cifar))
    train, test = (image_data.noise(200, 3072, seed=seed) for seed in (0, 1))
    for split in SPLITS:
        own = domain.classes(split)
        assert list(own)[:3] == [f"{split} {name}" for name in ("whale", "beaver", "orchid")]
        assert torch.equal(own[f"{split} orchid"], floats(train[2::10][SHARES[split]]))
    assert torch.equal(domain.test_samples("source")["source orchid"][:], floats(test[2::10]))
    assert domain.test_samples("validation") == domain.test_samples("target") == {}
    view = StreamView(domain, ways=5)
    learned, judged = view.stream()[1]
    assert (view.number_of_tasks, len(learned), len(judged)) == (2, 5 * 16, 5 * 20)
    assert keys(examples(judged).x) == keys(floats(test)) - keys(
        floats(test.reshape(20, 10, -1)[:, :5])
    )
    assert learned.y.unique().tolist() == judged.y.unique().tolist() == [5, 6, 7, 8, 9]


def test_cifar_may_lie_in_folders(tmp_path: Path) -> None:
    image_data.family(tmp_path, {"train": {"cat": 20, "dog": 20}, "test": {"cat": 2, "dog": 3}})
    domain = tlml.domain("split_cifar100", root=str(tmp_path), size=8)
    assert {n: len(x) for n, x in domain.classes("source").items()} == {
        "source cat": 16, "source dog": 16
    }  # fmt: skip
    assert [len(x) for x in domain.test_samples("source").values()] == [2, 3]
    shutil.rmtree(tmp_path / "test" / "dog")
    with fails("cifar100: class 'dog' is in the train images only"):
        StreamView(tlml.domain("split_cifar100", root=str(tmp_path), size=8), ways=2).setup("fit")


def test_cifar_is_downloaded_where_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in = types.SimpleNamespace(
        CIFAR100=lambda root, download: image_data.cifar100(Path(root), each=20)
    )
    monkeypatch.setitem(sys.modules, "torchvision", types.ModuleType("torchvision"))
    monkeypatch.setitem(sys.modules, "torchvision.datasets", stand_in)
    with stops(f"cifar100: no train images in {tmp_path}/new: there is no such folder") as caught:
        tlml.domain("split_cifar100", root=str(tmp_path / "new")).classes("source")
    assert str(caught.value).endswith("; without it take split_glyphs, which needs no files")
    made = tlml.domain("split_cifar100", root=str(tmp_path / "new"), download=True)
    assert len(made.classes("source")) == 10


@pytest.mark.parametrize("layout", ["table", "folders", "inner"])
def test_tiny_imagenet_is_tested_on_what_its_table_or_folders_name(tiny: Path, layout: str) -> None:
    val = tiny / "tiny-imagenet-200" / "val"
    if layout == "folders":
        for line in (val / "val_annotations.txt").read_text().splitlines():
            name, label = line.split("\t")[:2]
            (val / label).mkdir(exist_ok=True)
            shutil.move(val / "images" / name, val / label / name)
        (val / "images").rmdir()
        (val / "val_annotations.txt").unlink()
    root = tiny / "tiny-imagenet-200" if layout == "inner" else tiny
    domain = tlml.domain("split_tinyimagenet", root=str(root), size=12)
    names = [f"n{c:08d}" for c in range(4)]
    for split in SPLITS:
        own = domain.classes(split)
        assert list(own) == [f"{split} {name}" for name in names]
        assert len(own[f"{split} n00000001"]) == len(range(20)[SHARES[split]])
    tests = domain.test_samples("source")
    assert [len(x) for x in tests.values()] == [3] * 4
    assert len(keys(torch.cat([x[:] for x in tests.values()]))) == 12


def test_the_table_gives_each_image_its_class(tiny: Path) -> None:
    val = tiny / "tiny-imagenet-200" / "val"
    for number in range(12):
        grey = np.full((12, 12, 3), 20 * number, np.uint8)
        image_data.write_image(val / "images" / f"val_{number}.JPEG", grey)
    tests = tlml.domain("split_tinyimagenet", root=str(tiny), size=12).test_samples("source")
    shown = [(x[:].mean((1, 2, 3)) * 255 / 20).round().tolist() for x in tests.values()]
    assert shown == [[3, 7, 11], [2, 6, 10], [1, 5, 9], [0, 4, 8]]


@pytest.mark.parametrize("line", ["val_0.JPEG", "../val_0.JPEG\tn00000000", "no.JPEG\tn00000000"])
def test_tables_that_name_nothing_are_refused(tiny: Path, line: str) -> None:
    path = tiny / "tiny-imagenet-200" / "val" / "val_annotations.txt"
    shutil.copy(path.parent / "images" / "val_0.JPEG", path.parent)
    path.write_text(path.read_text() + line)
    with fails(f"{path}:13: must be a file in images/, a tab and a class, is '{line}'"):
        tlml.domain("split_tinyimagenet", root=str(tiny), size=12).test_samples("source")


def test_too_few_images_are_refused(tmp_path: Path) -> None:
    image_data.cifar100(tmp_path, each=4)
    with fails(
        "cifar100: class 'whale' has 4 images to learn from, too few for source, validation, target"
    ):
        tlml.domain("split_cifar100", root=str(tmp_path)).classes("source")


@pytest.mark.parametrize("name", ["split_cifar100", "split_tinyimagenet"])
def test_bad_sizes_are_refused(name: str) -> None:
    with fails("size: must be greater than 0, is 0"):
        tlml.domain(name, size=0)


def test_copies_hold_no_photographs_and_batches_read_what_they_show(
    cifar: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    domain = tlml.domain("split_cifar100", root=str(cifar))
    before = len(pickle.dumps(domain))
    view = StreamView(domain, ways=5, batch_size=4)
    loader = view.train_dataloader()
    shown = image_data.reads(monkeypatch)
    assert next(iter(loader)).batch.x.shape == (4, 3, 32, 32)
    assert sum(shown) == 4
    assert len(pickle.dumps(domain)) == before
    state = domain.fingerprint()
    (cifar / "cifar-100-python" / "train").write_bytes(b"")
    assert domain.fingerprint() != state


def test_prints_of_letters_are_learned_or_tested() -> None:
    options = {
        "size": 8, "variants": 2,
        "source": ["Armenian"], "validation": ["Georgian"], "target": ["Greek"],
    }  # fmt: skip
    whole, divided = (tlml.domain(name, **options) for name in ("glyphs", "split_glyphs"))
    for split in ("source", "validation"):
        learned, tested = divided.classes(split), divided.test_samples(split)
        assert list(learned) == list(tested) == list(whole.classes(split))
        for name, x in whole.classes(split).items():
            prints = x.view(-1, 2, *x.shape[1:])  # a print, and its variants
            last = torch.arange(len(prints)) % 5 == 4
            assert torch.equal(learned[name], prints[~last].flatten(0, 1))
            assert torch.equal(tested[name], prints[last].flatten(0, 1))
    assert divided.test_samples("target") == {}
    assert torch.equal(divided.classes("target")["λ"], whole.classes("target")["λ"])
    view = StreamView(divided, ways=5, tasks=2)
    assert [len(part) for part in view.stream()[1]] == [
        sum(map(len, list(own.values())[5:10]))
        for own in (divided.classes("source"), divided.test_samples("source"))
    ]
