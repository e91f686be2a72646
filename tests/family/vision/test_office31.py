from __future__ import annotations

import re
import shutil

import image_data
import pytest
import torch

import tlml
from tlml import TlmlError
from tlml.data import SPLITS, examples


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("TLML_CACHE", str(tmp_path / "cache"))
    image_data.office31(tmp_path / "office")
    return tmp_path / "office"


def domain(root, **options):
    return tlml.domain("office31", root=str(root), **{"size": 8, **options})


def test_the_three_places_are_read(root):
    made = domain(root, source="dslr", validation="amazon", target="webcam")
    names = {split: [task.name for task in made.tasks(split)] for split in SPLITS}
    assert names == {"source": ["dslr"], "validation": ["amazon"], "target": ["webcam"]}
    assert made.labels() == ("back_pack", "bike", "ring_binder")
    train = made.tasks("source")[0].split("train")
    assert train.x[:].shape == (60, 3, 8, 8)
    assert torch.bincount(train.y).tolist() == [20, 20, 20]


def test_folders_may_lie_without_images_between(root):
    with_images = examples(domain(root).tasks("target")[0].split("test"))
    for place in ("amazon", "dslr", "webcam"):
        for folder in (root / place / "images").iterdir():
            shutil.move(folder, root / place / folder.name)
        (root / place / "images").rmdir()
    without = examples(domain(root).tasks("target")[0].split("test"))
    assert torch.equal(without.x, with_images.x)
    assert torch.equal(without.y, with_images.y)


def test_the_defaults_are_amazon_and_webcam(root):
    assert [domain(root).tasks(split)[0].name for split in SPLITS] == [
        "amazon", "amazon held out", "webcam"]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": "amazn"}, "source: no domain is called 'amazn'; did you mean amazon?"),
        ({"target": "caltech"}, "target: no domain is called 'caltech'; choose from amazon, dslr,"),
        ({"source": ["amazon", "webcam"]}, "target: 'webcam' is in source already; name another"),
    ],
)
def test_unknown_places_are_refused(root, options, message):
    with pytest.raises(TlmlError, match=f"^{re.escape(message)}"):
        domain(root, **options)


def test_what_is_missing_is_told(root):
    shutil.rmtree(root / "webcam")
    message = (
        f"office31: no images of webcam in {root}: it has none of the layouts "
        "{amazon,dslr,webcam}/images/CLASS/*.jpg"
    )
    with pytest.raises(TlmlError, match=f"^{re.escape(message)}"):
        domain(root).spaces("source")


def test_a_damaged_file_is_named(root):
    path = root / "amazon" / "images" / "bike" / "frame_0001.jpg"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(TlmlError, match=f"^{re.escape(str(path))}: is damaged or no image"):
        domain(root).tasks("source")
