from __future__ import annotations

import gzip
import shutil
import sys
import types

import image_data
import numpy as np
import pytest
import torch
from PIL import Image
from refusals import stops

import tlml
from tlml import TlmlError
from tlml.data import SPLITS, examples
from tlml_vision.readers.digits_three import DigitsThree

TRAIN, TEST = 200, 30  # images of each file


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("TLML_CACHE", str(tmp_path / "cache"))
    image_data.digits_three(tmp_path / "three")
    return tmp_path / "three"


def domain(root, **options):
    return tlml.domain("digits_three", root=str(root), **{"size": 16, **options})


def by_class(images, labels, size=16):
    """Sort images by digit, and bring them to colour and to a size as Pillow does."""
    order = np.argsort(labels, kind="stable")
    made = [Image.fromarray(image).convert("RGB") for image in images[order]]
    if images.shape[1] != size:
        made = [image.resize((size, size), Image.Resampling.LANCZOS) for image in made]
    x = np.stack([np.asarray(image) for image in made]).transpose(0, 3, 1, 2)
    return torch.from_numpy(x).float() / 255, torch.from_numpy(labels[order]).long()


ORIGINAL = {
    "mnist": lambda n, seed: image_data.noise(n, 28, 28, seed=30_000 + seed),
    "svhn": lambda n, seed: image_data.noise(32, 32, 3, n, seed=31_000 + seed).transpose(
        3, 0, 1, 2
    ),
    "usps": lambda n, seed: image_data.noise(n, 256, seed=32_000 + seed).reshape(n, 16, 16),
}


@pytest.mark.parametrize("target", ["svhn", "mnist", "usps"])
def test_images_are_those_of_the_files(root, target):
    source = "mnist" if target == "svhn" else "svhn"
    (task,) = domain(root, source=source, target=target).tasks("target")
    for seed, (part, number) in enumerate((("train", TRAIN), ("test", TEST))):
        x, y = by_class(ORIGINAL[target](number, seed), image_data.labels_of_digits(number))
        found = examples(task.split(part))
        torch.testing.assert_close(found.x, x, rtol=0, atol=1e-6)
        assert torch.equal(found.y, y)
    assert len(task.split("val")) == 0


def test_the_source_keeps_a_tenth_for_validation(root):
    made = domain(root)
    sizes = {split: [(task.name, *(len(task.split(part)) for part in ("train", "val", "test")))
                     for task in made.tasks(split)] for split in SPLITS}  # fmt: skip
    assert sizes == {
        "source": [("svhn", 180, 0, 30)],
        "validation": [("svhn held out", 20, 0, 0)],
        "target": [("mnist", 200, 0, 30)],
    }
    held = made.tasks("validation")[0].split("train")
    assert torch.bincount(held.y).tolist() == [2] * 10
    rows = [made.tasks(split)[0].split("train").x.rows for split in ("source", "validation")]
    assert sorted(torch.cat(rows).tolist()) == list(range(200))


def test_the_third_may_validate(root):
    made = domain(root, source="usps", validation="svhn", target="mnist")
    assert [len(made.tasks(split)[0].split("train")) for split in SPLITS] == [200, 200, 200]
    assert made.spaces("target")[1].n == 10


def test_files_may_lie_in_folders_and_without_gz(root):
    expected = examples(domain(root).tasks("target")[0].split("test"))
    (root / "mnist").mkdir()
    for path in (root / "MNIST" / "raw").iterdir():
        (root / "mnist" / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
    shutil.rmtree(root / "MNIST")
    (root / "svhn").mkdir()
    for path in root.glob("*.mat"):
        shutil.move(path, root / "svhn" / path.name)
    made = domain(root)
    assert torch.equal(examples(made.tasks("target")[0].split("test")).x, expected.x)
    assert len(made.tasks("source")[0].split("test")) == 30


def test_what_is_missing_is_told(root):
    (root / "usps.t.bz2").unlink()
    message = f"digits_three: no images of usps test in {root}: it has none of the layouts "
    with stops(message) as caught:
        domain(root, target="usps").tasks("target")
    assert str(caught.value).endswith("or set download=True")
    assert len(domain(root, target="mnist").tasks("target")) == 1


@pytest.mark.parametrize(
    ("target", "file", "format"),
    [
        ("mnist", "MNIST/raw/train-images-idx3-ubyte.gz", "IDX"),
        ("svhn", "train_32x32.mat", "MATLAB with X and y"),
        ("usps", "usps.bz2", "libsvm"),
    ],
)
@pytest.mark.parametrize("damage", ["truncated", "other"])
def test_damaged_files_are_told(root, target, file, format, damage):
    path = root / file
    whole = path.read_bytes()
    path.write_bytes(
        whole[: len(whole) // 2] if damage == "truncated" else b"<html>not found</html>"
    )
    source = "mnist" if target == "svhn" else "svhn"
    with stops(f"{path}: is damaged or not in the format {format} ("):
        domain(root, source=source, target=target).tasks("target")


def test_labels_where_images_should_be_are_refused(root):
    raw = root / "MNIST" / "raw"
    shutil.copy(raw / "train-labels-idx1-ubyte.gz", raw / "train-images-idx3-ubyte.gz")
    with stops(f"{raw}/train-images-idx3-ubyte.gz: is damaged or not in the format IDX"):
        domain(root).tasks("target")


def test_files_that_do_not_belong_together_are_refused(root):
    raw = root / "MNIST" / "raw"
    shutil.copy(raw / "t10k-labels-idx1-ubyte.gz", raw / "train-labels-idx1-ubyte.gz")
    with stops(f"{raw}/train-images-idx3-ubyte.gz: has 200 images and 30 labels"):
        domain(root).tasks("target")


def test_a_digit_without_image_is_refused(root):
    with gzip.open(root / "MNIST" / "raw" / "t10k-labels-idx1-ubyte.gz", "wb") as file:
        file.write(image_data.idx(np.ones(30, np.uint8)))
    with stops(f"{root}/MNIST/raw/t10k-images-idx3-ubyte.gz: has no image of the digit 0"):
        domain(root).tasks("target")


def test_downloads_are_torchvisions(root, tmp_path, monkeypatch):
    calls = []

    def data_set(name):
        def get(root, download, **option):
            calls.append((name, option))
            shutil.copytree(tmp_path / "three", root, dirs_exist_ok=True)

        return get

    module = types.SimpleNamespace(**{name: data_set(name) for name in ("MNIST", "SVHN", "USPS")})
    monkeypatch.setitem(sys.modules, "torchvision", types.ModuleType("torchvision"))
    monkeypatch.setitem(sys.modules, "torchvision.datasets", module)
    for source, target, call in (
        ("svhn", "mnist", ("SVHN", {"split": "train"})),
        ("mnist", "svhn", ("MNIST", {"train": True})),
        ("usps", "svhn", ("USPS", {"train": True})),
    ):
        calls.clear()
        folder = tmp_path / f"new {source}"
        made = domain(folder, source=source, target=target, download=True)
        assert len(made.tasks("source")[0].split("train")) == 180
        assert calls == [call]


def test_without_torchvision_a_download_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with stops("SVHN: download=True needs torchvision, which is not there"):
        domain(tmp_path / "empty", download=True).tasks("source")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": "mnst"}, "source: no domain is called 'mnst'; did you mean mnist?"),
        ({"target": "svhn"}, "target: 'svhn' is in source already; name another"),
        ({"size": -1}, "size: must be greater than 0, is -1"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(TlmlError) as caught:
        DigitsThree(**options)
    assert str(caught.value) == message
