"""Streams of images: the same ones turned or reordered, and ten classes divided into tasks."""

from __future__ import annotations

import gzip
import pickle
from pathlib import Path

import image_data
import numpy as np
import pytest
import torch
from refusals import fails, stops
from torch import Tensor

import tlml
from tlml import Examples, StreamView
from tlml.data import SPLITS
from tlml_vision.drawn.digits import handwriting
from tlml_vision.drawn.rotated_digits import turn_images
from tlml_vision.streams.changed import turn

CHANGED = ("rotated_mnist", "permuted_mnist", "many_permutations")


@pytest.fixture
def root(tmp_path: Path) -> str:
    image_data.mnist(tmp_path, train=200, test=30)
    return str(tmp_path)


def raw(root: str, file: str) -> tuple[Tensor, Tensor]:
    images, labels = (
        gzip.decompress((Path(root) / f"{file}-{kind}-ubyte.gz").read_bytes())
        for kind in ("images-idx3", "labels-idx1")
    )
    pixels = np.frombuffer(images[16:], np.uint8).reshape(-1, 1, 28, 28).astype(np.float32) / 255
    return torch.from_numpy(pixels), torch.tensor([*labels[8:]])


def test_a_turned_task_shows_the_images_of_the_files(root: str) -> None:
    domain = tlml.domain("rotated_mnist", root=root, tasks=3, seed=4)
    x, y = raw(root, "train")
    test_x, test_y = raw(root, "t10k")
    for number, task in enumerate(domain.tasks("source")):
        _, change = turn(4, "source", number, 3)
        assert 60 * number <= change.angle < 60 * number + 60
        train, test = task.split("train"), task.split("test")
        assert (len(train), len(task.split("val")), len(test)) == (175, 0, 30)
        torch.testing.assert_close(train.x[:], turn_images(x[:175], change.angle))
        assert torch.equal(train.y, y[:175])
        rows = torch.tensor([7, 3])
        assert torch.equal(test.x[rows], turn_images(test_x[rows], change.angle))
        assert torch.equal(test.y, test_y)


def test_a_reordered_task_shows_each_pixel_once_and_the_same_in_all_images(root: str) -> None:
    first, second = tlml.domain("permuted_mnist", root=root, tasks=2).tasks("source")
    x, _ = raw(root, "train")
    shown, other = first.split("train").x[:], second.split("train").x[:]
    assert not torch.equal(shown, other)
    assert torch.equal(shown.flatten(1).sort().values, x[:175].flatten(1).sort().values)
    again = tlml.domain("permuted_mnist", root=root, tasks=2).tasks("source")[0]
    assert torch.equal(again.split("train").x[:], shown)
    places = shown[0].flatten().argsort(stable=True), x[0].flatten().argsort(stable=True)
    value = torch.unique(x[0], return_counts=True)
    single = int(value[0][value[1] == 1][0].mul(255).round())  # a grey that image 0 has once
    at = int((shown[0].flatten() * 255).round().eq(single).nonzero())
    was = int((x[0].flatten() * 255).round().eq(single).nonzero())
    assert len(places[0]) == 784
    torch.testing.assert_close(shown.flatten(1)[:, at], x[:175].flatten(1)[:, was])


@pytest.mark.parametrize("name", CHANGED)
def test_what_tests_is_never_learned(name: str, root: str) -> None:
    """Validation learns from the source's images, in another change; nothing else is shared."""
    domain = tlml.domain(name, root=root)
    rows = {split: domain.rows(split) for split in SPLITS}
    assert rows["validation"]["train"] == rows["source"]["train"] == ("train", range(175))
    own = [(split, part) for split in SPLITS for part in ("train", "test")]
    own.remove(("validation", "train"))
    seen = [
        (file, row) for split, part in own for file, held in [rows[split][part]] for row in held
    ]
    assert len(seen) == len(set(seen)) == 230
    assert [len(domain.tasks(split)) for split in SPLITS] == [
        100 if name == "many_permutations" else 20, 20, 5
    ]  # fmt: skip


@pytest.mark.parametrize("name", [*CHANGED, "permuted_digits", "split_mnist", "split_digits"])
def test_copies_for_workers_are_small(name: str, root: str) -> None:
    options = {} if name.endswith("digits") else {"root": root}
    domain = tlml.domain(name, **options)
    before = len(pickle.dumps(domain))
    view = StreamView(domain, tasks=2, ways=2, samples=8, batch_size=4)
    first = next(iter(view.train_dataloader()))
    assert len(pickle.dumps(domain)) < before + 2000
    copied = StreamView(
        pickle.loads(pickle.dumps(domain)), tasks=2, ways=2, samples=8, batch_size=4
    )
    assert torch.equal(next(iter(copied.train_dataloader())).batch.x, first.batch.x)


def test_no_task_lies_in_memory(root: str) -> None:
    """Inputs are read batch by batch, whatever number of tasks there is."""
    (task, *_) = tlml.domain("many_permutations", root=root).tasks("source")
    assert not isinstance(task.split("train"), Examples)
    assert not isinstance(task.split("train").x, Tensor)


@pytest.mark.parametrize(("name", "size"), [("split_mnist", 20), ("split_fashion", 20)])
def test_ten_classes_are_divided_into_five_tasks(name: str, size: int, root: str) -> None:
    domain = tlml.domain(name, root=root)
    x, y = raw(root, "train")
    own = domain.classes("source")
    assert [len(images) for images in own.values()] == torch.bincount(y[:160]).tolist()
    assert torch.equal(own["source 3"], x[:160][y[:160] == 3])
    view = StreamView(domain, ways=2)
    assert (view.number_of_tasks, view.spaces.y.n) == (5, 10)
    test_x, test_y = raw(root, "t10k")
    learned, judged = view.stream()[1]
    assert len(learned) == int(((y[:160] == 2) | (y[:160] == 3)).sum())
    assert torch.equal(judged.x[:], torch.cat([test_x[test_y == 2], test_x[test_y == 3]]))
    assert domain.test_samples("target") == {}
    total = sum(len(images) for split in SPLITS for images in domain.classes(split).values())
    assert total == 200


def test_digits_without_files_are_those_of_rotated_digits() -> None:
    rotated = tlml.domain("rotated_digits", source=[0], size=8).tasks("source")[0]
    task = tlml.domain("permuted_digits", tasks=1).tasks("source")[0]
    for part in ("train", "val", "test"):
        assert torch.equal(task.split(part).y, rotated.split(part).y)
        shown, upright = task.split(part).x[:], rotated.split(part).x
        assert torch.equal(shown.flatten(1).sort().values, upright.flatten(1).sort().values)
    pool = tlml.domain("split_digits").classes("target")
    assert sum(len(images) for images in pool.values()) == 797
    x, y = handwriting(8)
    assert torch.equal(pool["target 4"], x[1000:][y[1000:] == 4])


@pytest.mark.parametrize(
    ("name", "instead"),
    [("rotated_mnist", "rotated_digits"), ("permuted_mnist", "permuted_digits"),
     ("split_fashion", "split_digits")],
)  # fmt: skip
def test_without_files_what_needs_none_is_named(name: str, instead: str, tmp_path: Path) -> None:
    domain = tlml.domain(name, root=str(tmp_path))
    folder = "fashion_mnist" if "fashion" in name else "mnist"
    with stops(f"{folder}: no train images in {tmp_path}: it has none of the layouts"):
        domain.tasks("source")[0].split("train") if "split" not in name else domain.classes(
            "source"
        )
    with pytest.raises(tlml.TlmlError, match=f"without them take {instead}, which needs no files$"):
        StreamView(domain, ways=2).setup("fit")


@pytest.mark.parametrize("head", [b"\0\0\x08\x03", b"\0\0\x08\x01"], ids=["cut", "another"])
def test_damaged_files_are_named(head: bytes, root: str) -> None:
    path = Path(root) / "train-images-idx3-ubyte.gz"
    whole = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(head + whole[4:1000]))
    with stops(f"{path}: is damaged or not in the format IDX ("):
        tlml.domain("rotated_mnist", root=root).tasks("source")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda whole: whole[:-1], "it holds 156,799 of 156,800 values"),
        (lambda whole: whole + b"\0", "it holds more than 156,800 values"),
        (lambda whole: whole[:4] + b"\xff" * 12, "it tells of more than 1,073,741,824 values"),
        (lambda whole: whole[:9], "its head is another one"),
        (lambda whole: b"", "its head is another one"),
    ],
    ids=["cut", "longer", "huge", "head", "empty"],
)
@pytest.mark.parametrize("packed", [True, False])
def test_sizes_are_those_that_the_head_tells(change, why: str, packed: bool, root: str) -> None:
    path = Path(root) / "train-images-idx3-ubyte.gz"
    whole = change(gzip.decompress(path.read_bytes()))
    if packed:
        path.write_bytes(gzip.compress(whole))
    else:
        path.unlink()
        path = path.with_suffix("")
        path.write_bytes(whole)
    with fails(f"{path}: is damaged or not in the format IDX ({why}); get it again"):
        tlml.domain("rotated_mnist", root=root).tasks("source")


def test_files_that_do_not_fit_each_other_are_named(root: str) -> None:
    path = Path(root) / "train-labels-idx1-ubyte.gz"
    path.write_bytes(gzip.compress(image_data.idx(image_data.labels_of_digits(199))))
    images = Path(root) / "train-images-idx3-ubyte.gz"
    with fails(
        f"{images}: has images of the shape [200, 28, 28] and 199 labels; 28 x 28 pixels and one "
        "label each are wanted"
    ):
        tlml.domain("rotated_mnist", root=root).tasks("source")
    path.write_bytes(gzip.compress(image_data.idx(np.full(200, 10, np.uint8))))
    with fails(f"{path}: has no labels, or others than 0 to 9"):
        tlml.domain("split_mnist", root=root).classes("source")
