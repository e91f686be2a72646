from __future__ import annotations

import pickle
import re
import sys
import types

import image_data
import numpy as np
import pytest
import torch
from PIL import Image

import tlml
from tlml import TlmlError
from tlml_vision.readers import omniglot
from tlml_vision.readers.omniglot import _vinyals


@pytest.fixture
def root(tmp_path):
    image_data.omniglot(tmp_path / "omniglot")
    return tmp_path / "omniglot"


def domain(root, **options):
    return tlml.domain("omniglot", root=str(root), **{"partial": True, **options})


def test_the_split_is_that_of_vinyals(root):
    made = domain(root, rotations=False)
    assert list(made.classes("source")) == [
        "Alphabet_of_the_Magi/character01", "Alphabet_of_the_Magi/character02",
        "Angelic/character01",
    ]  # fmt: skip
    assert list(made.classes("validation")) == ["Armenian/character01", "Armenian/character02"]
    assert list(made.classes("target")) == ["Tibetan/character01", "Tibetan/character02"]


def test_the_list_has_the_published_numbers_of_characters():
    table = list(_vinyals().values())
    assert [table.count(split) for split in ("source", "validation", "target")] == [1028, 172, 423]


def test_ink_is_one_and_every_quarter_turn_a_class(root):
    classes = domain(root).classes("validation")
    assert len(classes) == 8
    upright, turned = (classes[f"Armenian/character01/rot{angle}"] for angle in ("000", "090"))
    assert upright.shape == (8, 1, 28, 28)
    assert upright.dtype == torch.float32
    assert torch.equal(torch.rot90(upright, 1, (2, 3)), turned)
    (path, *_) = sorted((root / "images_background/Armenian/character01").iterdir())
    with Image.open(path) as image:
        ink = 1.0 - np.asarray(image.resize((28, 28)), np.float32)
        left = 1.0 - np.asarray(image.rotate(90).resize((28, 28)), np.float32)
    assert np.array_equal(upright[0, 0].numpy(), ink)
    # Turning before shrinking, as others do, takes other pixels at the most half a pixel away.
    assert turned[0, 0].shape == left.shape


@pytest.mark.parametrize("place", ["omniglot-py", "python"])
def test_torchvisions_and_the_repositorys_folders_are_found(tmp_path, place):
    image_data.omniglot(tmp_path / place, each=1)
    assert len(domain(tmp_path, rotations=False).classes("target")) == 2


def test_a_random_division_is_a_function_of_its_seed(root):
    def names(seed):
        made = domain(root, division="random", seed=seed, rotations=False)
        return [tuple(made.classes(split)) for split in ("source", "target")]

    assert names(1) == names(1)
    assert names(1) != names(2)
    assert not set(names(1)[0]) & set(names(1)[1])


def test_the_folder_may_come_from_the_environment(root, monkeypatch):
    monkeypatch.setenv("TLML_DATA", str(root.parent))
    assert len(tlml.domain("omniglot", partial=True).classes("target")) == 8


def test_without_a_folder_it_says_where_to_put_and_get_the_data():
    with pytest.raises(
        TlmlError,
        match=r"omniglot: where is the data\? set root .* TLML_DATA .* holds omniglot/; get "
        r"images_background.zip .*brendenlake.*download=True",
    ):
        tlml.domain("omniglot").classes("source")


def test_an_empty_folder_gets_the_layouts_that_are_looked_for(tmp_path):
    with pytest.raises(
        TlmlError,
        match=r"no source images in .*: it has none of the layouts images_back",
    ):
        domain(tmp_path).classes("source")
    with pytest.raises(TlmlError, match="there is no such folder"):
        domain(tmp_path / "not").classes("source")


def test_one_half_is_not_enough(root):
    (root / "images_evaluation").rename(root / "elsewhere")
    with pytest.raises(TlmlError, match="has images_background, and images_evaluation is missing"):
        domain(root).classes("source")


def test_a_character_of_no_split_is_named(root):
    image_data.write_image(root / "images_background/Mine/character01/1.png", np.ones((9, 9), bool))
    with pytest.raises(TlmlError, match="holds 'Mine/character01', which is not in the division"):
        domain(root).classes("source")


def test_missing_characters_are_named(root):
    with pytest.raises(
        TlmlError,
        match=r"lacks 1616 of 1623 characters: Alphabet_of_the_Magi/character03, "
        r".*, …; unpack both archives anew, or set partial=True to do without",
    ):
        domain(root, partial=False).classes("source")


def test_missing_alphabets_and_drawings_are_named(root, monkeypatch):
    own = [
        "Alphabet_of_the_Magi/character01", "Alphabet_of_the_Magi/character02",
        "Angelic/character01", "Armenian/character01", "Armenian/character02",
        "Tibetan/character01", "Tibetan/character02",
    ]  # fmt: skip
    table = {name: split for name, split in _vinyals().items() if name in own}
    monkeypatch.setattr(omniglot, "_vinyals", lambda: table)
    with pytest.raises(TlmlError, match=r"character 'Alphabet.*01' has 8 of 20 drawings in .*"):
        domain(root, partial=False).classes("source")
    (root / "images_evaluation/Tibetan").rename(root / "Tibetan")
    with pytest.raises(TlmlError, match=r"lacks 2 of 7 characters: Tibetan; unpack both"):
        domain(root, partial=False).classes("source")


def test_a_complete_folder_is_taken(tmp_path, monkeypatch):
    image_data.omniglot(tmp_path, each=20)
    names = [name for half in image_data.CHARACTERS.values() for name in half]
    table = {name: split for name, split in _vinyals().items() if name in names}
    monkeypatch.setattr(omniglot, "_vinyals", lambda: table)
    classes = domain(tmp_path, partial=False, rotations=False).classes("validation")
    assert [len(images) for images in classes.values()] == [20, 20]


def test_a_damaged_image_is_named(root):
    path = next((root / "images_background/Armenian/character02").iterdir())
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(TlmlError, match=f"{re.escape(str(path))}: is damaged or no image"):
        domain(root).classes("validation")


def test_wrong_options_are_refused():
    for options, message in (
        ({"division": "lake"}, "division: 'lake' is not one of vinyals, random"),
        ({"size": 0}, "size: must be greater than 0, is 0"),
        ({"seed": -1}, "seed: must be at least 0, is -1"),
    ):
        with pytest.raises(TlmlError, match=message):
            tlml.domain("omniglot", **options)


def test_torchvision_downloads_where_it_is_asked_to(tmp_path, monkeypatch):
    asked = []

    def download(root, background, download):
        asked.append((background, download))
        image_data.omniglot(tmp_path / "omniglot-py", each=1)

    stand_in = types.ModuleType("torchvision.datasets")
    stand_in.Omniglot = download
    monkeypatch.setitem(sys.modules, "torchvision", types.ModuleType("torchvision"))
    monkeypatch.setitem(sys.modules, "torchvision.datasets", stand_in)
    assert len(domain(tmp_path, download=True, rotations=False).classes("target")) == 2
    assert asked == [(True, True), (False, True)]
    domain(tmp_path, download=True).classes("source")
    assert len(asked) == 2  # it is there now


def test_a_download_without_torchvision_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(TlmlError, match=r"needs torchvision, which is not there .*tlml\[vision\]"):
        domain(tmp_path, download=True).classes("source")


def test_a_failed_download_is_one_line(tmp_path, monkeypatch):
    def fail(**_):
        raise OSError("no route to host")

    stand_in = types.ModuleType("torchvision.datasets")
    stand_in.Omniglot = fail
    monkeypatch.setitem(sys.modules, "torchvision", types.ModuleType("torchvision"))
    monkeypatch.setitem(sys.modules, "torchvision.datasets", stand_in)
    with pytest.raises(TlmlError, match=r"the download into .* failed: no route to host"):
        domain(tmp_path, download=True).classes("source")


def test_copies_for_workers_hold_no_image(root):
    made = domain(root)
    fresh = made.classes("target")
    pickled = pickle.dumps(made)
    assert len(pickled) < 10_000
    again = pickle.loads(pickled).classes("target")
    assert all(torch.equal(fresh[name], again[name]) for name in fresh)
