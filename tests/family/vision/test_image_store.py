from __future__ import annotations

import logging

import image_data
import numpy as np
import pytest
import torch

import tlml
from tlml.data import ClassTask, keyed_rng
from tlml.data.episodes import _draw_finite, contents_of, draw
from tlml_vision.readers.mini_imagenet import MiniImageNet
from tlml_vision.storage import image_store
from tlml_vision.storage.image_data import FoundImages
from tlml_vision.storage.image_store import Bytes, open_store

SHAPE = (3, 4, 5)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TLML_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def read():
    yield "a", image_data.noise(2, *SHAPE, seed=1)
    yield "b", image_data.noise(3, *SHAPE, seed=2)


def fail():
    raise AssertionError("read again")


def test_what_was_read_once_is_mapped_from_the_disk():
    first = open_store("x", {"files": 1}, SHAPE, read)
    again = open_store("x", {"files": 1}, SHAPE, fail)
    assert list(again) == ["a", "b"]
    for name, images in read():
        assert isinstance(again[name].images, np.memmap)
        assert np.array_equal(again[name].images, images)
        assert torch.equal(first[name][:], torch.from_numpy(images) / 255)
    with pytest.raises(AssertionError, match="read again"):
        open_store("x", {"files": 2}, SHAPE, fail)


@pytest.mark.parametrize("damage", ["cut", "index", "gone"])
def test_a_damaged_store_is_made_again(cache, damage):
    open_store("x", {}, SHAPE, read)
    images, index = (next(cache.glob(f"*.{suffix}")) for suffix in ("images", "json"))
    if damage == "cut":
        images.write_bytes(images.read_bytes()[:-1])
    elif damage == "index":
        index.write_text("[1]")
    else:
        images.unlink()
    assert [len(own) for own in open_store("x", {}, SHAPE, read).values()] == [2, 3]
    assert images.stat().st_size == 5 * 60


def test_a_folder_that_cannot_be_written_leaves_the_images_in_memory(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TLML_CACHE", str(tmp_path / "file"))
    with caplog.at_level(logging.WARNING):
        assert [len(own) for own in open_store("x", {}, SHAPE, read).values()] == [2, 3]
    assert "x: all images are held in memory" in caplog.text


def test_images_of_another_kind_are_refused(tmp_path):
    class Floating(MiniImageNet):
        def find(self, folder, split):
            return FoundImages((), lambda: [("a", np.zeros((2, 3, 8, 9)))])

    with pytest.raises(
        tlml.TlmlError,
        match=r"class 'a' was read as float64 \[2, 3, 8, 9\], and must be uint8 \[n, 3, 8, 8\]",
    ):
        Floating(str(tmp_path), size=8).classes("source")


def test_a_store_that_is_cleared_meanwhile_is_named(monkeypatch):
    monkeypatch.setattr(image_store, "_write", lambda path, classes: None)
    with pytest.raises(tlml.TlmlError, match=r"\.images: was written and can't be read back"):
        open_store("x", {}, SHAPE, read)


def test_what_fails_while_reading_leaves_nothing_behind(cache):
    def damaged():
        yield from read()
        raise tlml.TlmlError("c.png: is damaged")

    with pytest.raises(tlml.TlmlError, match=r"c\.png: is damaged"):
        open_store("x", {}, SHAPE, damaged)
    assert list(cache.iterdir()) == []


def test_files_that_change_are_read_again(tmp_path):
    root = tmp_path / "data"
    image_data.folders(root)
    one = tlml.domain("mini_imagenet", root=str(root), size=8).classes("source")["n00"]
    image_data.write_image(root / "train/n00/0.png", image_data.noise(20, 20, 3, seed=99))
    other = tlml.domain("mini_imagenet", root=str(root), size=8).classes("source")["n00"]
    assert not torch.equal(one[0], other[0])
    assert torch.equal(one[1:], other[1:])


def test_an_episode_reads_only_what_it_draws():
    shown = []

    class Watched(Bytes):
        def __getitem__(self, index):
            shown.append(len(self.images[index]))
            return super().__getitem__(index)

    pool = [Watched(image_data.noise(50, *SHAPE, seed=seed)) for seed in range(3)]
    task = ClassTask(("a", "b", "c"), tuple(pool))
    made = draw(task, 2, 5, keyed_rng(0, "source"), 3)
    assert shown == [2, 5] * 3
    # The same draws as from a task that is held in memory whole.
    whole = _draw_finite(task, contents_of(task), 2, 5, keyed_rng(0, "source"), 3)
    for found, expected in zip(made.episode, whole.episode, strict=True):
        assert torch.equal(found.x, expected.x)
        assert torch.equal(found.y, expected.y)
    assert torch.equal(made.query_index, whole.query_index)
