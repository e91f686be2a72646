"""What all families of places share, on folders of images."""

from __future__ import annotations

import pickle

import image_data
import numpy as np
import pytest
import torch
from PIL import Image
from refusals import stops

import tlml
from tlml import EpisodeView, PairView, StoredExamples, TlmlError
from tlml.data import SPLITS, examples

PARTS = ("train", "val", "test")
SIZES = {"cat": 20, "dog": 11}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TLML_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path):
    places = {"art": SIZES, "photo": SIZES, "real world": SIZES, "sketch": SIZES}
    image_data.family(tmp_path / "data", places)
    return tmp_path / "data"


def domain(root, **options):
    return tlml.domain("image_folder", root=str(root), **{
        "source": "photo", "target": "art", "size": 8, **options})  # fmt: skip


def parts(task):
    return {part: examples(task.split(part)) for part in PARTS}


def sizes(domain):
    return {
        split: {
            task.name: [len(task.split(part)) for part in PARTS] for task in domain.tasks(split)
        }
        for split in SPLITS
    }


def keys(data):
    return [x.numpy().tobytes() for x in data.x]


def test_a_task_is_a_place(root):
    assert sizes(domain(root)) == {
        "source": {"photo": [28, 0, 0]},
        "validation": {"photo held out": [3, 0, 0]},
        "target": {"art": [15, 0, 16]},
    }
    assert sizes(domain(root, source=["photo", "real world"], validation="sketch", test=0.2)) == {
        "source": {"photo": [31, 0, 0], "real world": [31, 0, 0]},
        "validation": {"sketch": [31, 0, 0]},
        "target": {"art": [25, 0, 6]},
    }
    held_out = sizes(domain(root, source=["photo", "real world"]))["validation"]
    assert held_out == {"photo held out": [3, 0, 0], "real world held out": [3, 0, 0]}


def test_images_are_those_of_the_files_with_the_classes_of_their_folders(root):
    task = domain(root, source="photo", validation="sketch").tasks("source")[0]
    found = examples(task.split("train"))
    files = [
        *sorted((root / "photo" / "cat").iterdir()),
        *sorted((root / "photo" / "dog").iterdir()),
    ]
    expected = np.stack([np.asarray(Image.open(file).resize((8, 8), Image.Resampling.LANCZOS))
                         for file in files])  # fmt: skip
    expected = torch.from_numpy(expected).permute(0, 3, 1, 2).float() / 255
    torch.testing.assert_close(found.x, expected, rtol=0, atol=1e-6)
    assert found.y.tolist() == [0] * 20 + [1] * 11
    assert task.classes == ("cat", "dog")
    x, y = domain(root).spaces("target")
    assert x.contains(found.x[0].numpy())
    assert int(y.n) == 2


def test_the_target_is_divided_by_class_and_for_good(root):
    task = domain(root).tasks("target")[0]
    own = parts(task)
    assert [torch.bincount(own[part].y).tolist() for part in ("train", "test")] == [
        [10, 5],
        [10, 6],
    ]
    everything = keys(own["train"]) + keys(own["test"])
    assert len(set(everything)) == 31
    again = parts(domain(root, size=8).tasks("target")[0])
    assert keys(again["test"]) == keys(own["test"])
    # Neither another source nor another size divides the target anew; another seed does.
    other = domain(root, source=["sketch", "photo"]).tasks("target")[0]
    assert keys(examples(other.split("test"))) == keys(own["test"])
    rows = [domain(root, size=size).tasks("target")[0].split("test").x.rows for size in (8, 12)]
    assert torch.equal(*rows)
    reseeded = domain(root, seed=1).tasks("target")[0]
    assert set(keys(examples(reseeded.split("test")))) != set(keys(own["test"]))


def test_what_validates_is_held_out_of_the_source_by_class(root):
    both = domain(root)
    source, held = (parts(both.tasks(split)[0])["train"] for split in ("source", "validation"))
    assert torch.bincount(held.y).tolist() == [2, 1]
    assert len(set(keys(source) + keys(held))) == 31


def test_small_classes_are_in_both_parts(tmp_path):
    image_data.family(tmp_path, {"a": {"x": 2, "y": 9}, "b": {"x": 2, "y": 9}})
    for test in (0.01, 0.99):
        own = parts(domain(tmp_path, source="a", target="b", test=test).tasks("target")[0])
        assert (
            torch.unique(own["train"].y).tolist() == torch.unique(own["test"].y).tolist() == [0, 1]
        )


def test_views_read_what_they_draw(root, monkeypatch):
    shown = image_data.reads(monkeypatch)
    view = PairView(domain(root), batch_size=5)
    view.setup("fit")
    loader = view.train_dataloader()
    assert sum(shown) == 0
    pair = next(iter(loader))
    assert sum(shown) == 5 == len(pair.source.x)
    shown.clear()
    EpisodeView(domain(root), shots=1, queries=2).dataset("target")[0]
    assert sum(shown) == 2 * (1 + 2)


def test_labelled_and_unlabelled_target_stand_beside_the_source(root):
    view = PairView(domain(root), batch_size=8, shots=2, unlabelled=True, queries=3)
    view.setup("fit")
    pair = next(iter(view.train_dataloader()))
    assert [len(part) for part in (pair.source.x, pair.target.x, pair.unlabelled)] == [8, 4, 8]
    own = parts(domain(root).tasks("target")[0])
    assert set(keys(tlml.Examples(pair.unlabelled, pair.unlabelled))) <= set(keys(own["train"]))
    assert len(view.unlabelled_examples()) == 15


def test_copies_for_workers_hold_no_image(root):
    whole = domain(root)
    task = whole.tasks("target")[0]
    data = task.split("train")
    assert isinstance(data, StoredExamples)
    for thing in (whole, task):
        assert len(pickle.dumps(thing)) < 8000 < data.x[:].nbytes
    copied = pickle.loads(pickle.dumps(task))
    assert torch.equal(copied.split("train").x[:], data.x[:])


def test_nothing_is_read_before_it_is_asked_for(tmp_path):
    made = domain(tmp_path / "not there yet")
    with stops(f"image_folder: no images of photo in {tmp_path}/not there yet: there is no such"):
        made.tasks("source")
    image_data.family(tmp_path / "not there yet", {"photo": SIZES, "art": SIZES})
    assert len(made.tasks("source")) == 1


def test_the_folder_may_come_from_the_environment(root, monkeypatch):
    made = tlml.domain("image_folder", source="photo", target="art", size=8)
    with stops("image_folder: where is the data? set root to its folder, or the environment"):
        made.spaces("source")
    (root.parent / "image_folder").symlink_to(root)
    monkeypatch.setenv("TLML_DATA", str(root.parent))
    assert sizes(made) == sizes(domain(root))


@pytest.mark.parametrize(
    ("places", "message"),
    [
        (
            {"photo": {"cat": 2, "dog": 2}, "art": {"cat": 2, "cow": 2, "bee": 2}},
            "image_folder: photo and art must have the same classes; there is dog in photo only, "
            "and bee, cow in art only",
        ),
        (
            {"photo": {"cat": 2, "dog": 2}, "art": {"cat": 2}},
            "image_folder: photo and art must have the same classes; there is dog in photo only",
        ),
    ],
)
def test_classes_that_differ_are_named(tmp_path, places, message):
    image_data.family(tmp_path, places)
    for ask in (lambda made: made.tasks("source"), PairView):
        with pytest.raises(TlmlError) as caught:
            ask(domain(tmp_path))
        assert str(caught.value) == message


@pytest.mark.parametrize("split", ["source", "target"])
def test_a_class_of_one_image_is_refused(tmp_path, split):
    counts = {"photo": {"cat": 3, "dog": 3}, "art": {"cat": 3, "dog": 3}}
    place = {"source": "photo", "target": "art"}[split]
    counts[place]["dog"] = 1
    image_data.family(tmp_path, counts)
    message = f"image_folder: class 'dog' of {place} has 1 image, and it takes 2 to divide a class"
    with stops(message):
        domain(tmp_path).tasks(split)


def test_an_empty_class_is_refused(root):
    (root / "art" / "cow").mkdir()
    with stops(f"{root}: class 'cow' has no image (.png, .jpg, .bmp)"):
        domain(root).tasks("target")


def test_a_place_that_is_not_there_has_near_names(root):
    with stops(f"image_folder: no domain in {root} is called 'fotos'; did you mean photo?"):
        domain(root, source="fotos").tasks("source")
    with stops(
        f"image_folder: no domain in {root} is called 'x'; choose from art, photo, real world"
    ):
        domain(root, target="x").tasks("target")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "size: must be greater than 0, is 0"),
        ({"test": 1.0}, "test: must be above 0 and below 1, is 1.0"),
        ({"seed": -1}, "seed: must be at least 0, is -1"),
        ({"source": []}, "source: name one place at least"),
        ({"target": "photo"}, "target: 'photo' is in source already; name another"),
        ({"source": ["photo", "photo"]}, "source: 'photo' is in source already; name another"),
        ({"validation": "art"}, "target: 'art' is in validation already; name another"),
    ],
)
def test_bad_options_are_refused(root, options, message):
    with pytest.raises(TlmlError) as caught:
        domain(root, **options)
    assert str(caught.value) == message


def test_unknown_splits_and_parts_are_refused(root):
    with stops("split: 'test' is not one of source, validation, target"):
        domain(root).tasks("test")
    with stops("part: 'source' is not one of train, val, test"):
        domain(root).tasks("target")[0].split("source")


def test_the_state_of_its_images_is_told(root):
    before = domain(root).fingerprint()
    assert before == domain(root).fingerprint()
    next(root.glob("art/cat/*")).unlink()
    assert before != domain(root).fingerprint()
