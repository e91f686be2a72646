from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

import tlml
import tlml_vision.drawn.digits
from tlml import TlmlError
from tlml.data import SPLITS, Finite, draw_episode, keyed_rng
from tlml_vision.drawn.digits import Digits

PARTS = ("train", "val", "test")
SHIPPED = Path(matplotlib.get_data_path(), "fonts", "ttf")


@pytest.fixture
def domain():
    return tlml.domain("digits", size=8)


def images(*parts):
    return [x.numpy().tobytes() for part in parts for x in part.x]


def pooled(tasks, part="train"):
    parts = [task.split(part) for task in tasks]
    return torch.cat([part.x for part in parts]), torch.cat([part.y for part in parts])


def test_a_task_is_a_font_or_the_handwriting(domain):
    names = {split: [task.name for task in domain.tasks(split)] for split in SPLITS}
    assert (len(names["source"]), len(names["validation"])) == (17, 4)
    assert names["target"] == ["handwriting"]
    assert {"DejaVuSans", "STIXGeneral", "cmr10"} <= set(names["source"])
    assert "cmmi10" not in names["source"] + names["validation"]
    assert not set(names["source"]) & set(names["validation"])


def test_parts_of_a_font_are_balanced(domain):
    for task in [*domain.tasks("source"), *domain.tasks("validation")]:
        assert isinstance(task, Finite)
        for part, number in (("train", 20), ("val", 5), ("test", 15)):
            x, y = task.split(part).x, task.split(part).y
            assert x.shape == (10 * number, 1, 8, 8)
            assert (x.dtype, y.dtype) == (torch.float32, torch.int64)
            assert torch.bincount(y).tolist() == [number] * 10


def test_no_image_is_in_two_parts_or_tasks(domain):
    tasks = [task for split in SPLITS for task in domain.tasks(split)]
    everywhere = [set(images(task.split(part))) for task in tasks for part in PARTS]
    assert sum(map(len, everywhere)) == len(set().union(*everywhere))


def test_the_handwriting_is_scikit_learns(domain):
    (task,) = domain.tasks("target")
    data = load_digits()
    x, y = torch.from_numpy(data.images).float().unsqueeze(1) / 16, torch.from_numpy(data.target)
    pool, test = task.split("train"), task.split("test")
    assert torch.equal(pool.x, x[:1000])
    assert torch.equal(test.x, x[1000:])
    assert torch.equal(torch.cat([pool.y, test.y]), y)
    assert (len(pool), len(test), len(task.split("val"))) == (1000, 797, 0)


def test_print_and_handwriting_have_the_same_grid(domain):
    x, _ = pooled(domain.tasks("source"))
    hand, _ = pooled(domain.tasks("target"))
    for values in (x, hand):
        assert torch.equal(values * 16, (values * 16).round())
        assert (values.amin(), values.amax()) == (0, 1)
        assert ((values > 0).any(3).sum(2) == 8).float().mean() > 0.99
    # White on black, about as much of it, in about the same place.
    assert x.mean().item() == pytest.approx(hand.mean().item(), abs=0.06)
    columns = torch.stack([values.mean((0, 1, 2)) for values in (x, hand)])
    assert torch.corrcoef(columns)[0, 1] > 0.9


@pytest.mark.parametrize("size", [14, 28])
def test_print_and_handwriting_are_resized_alike(size):
    large = Digits(size=size)
    for split in ("source", "target"):
        small, _ = pooled(Digits(size=8).tasks(split))
        resized, _ = pooled(large.tasks(split))
        expected = torch.nn.functional.interpolate(small, (size, size), mode="bilinear")
        torch.testing.assert_close(resized, expected)
        assert large.x.contains(resized[0].numpy())


def test_print_says_something_about_handwriting_but_not_all(domain):
    x, y = pooled(domain.tasks("source"))
    hand, digits = pooled(domain.tasks("target"), "test")
    means = torch.stack([x[y == digit].mean(0).flatten() for digit in range(10)])
    nearest = torch.cdist(hand.flatten(1), means).argmin(1)
    accuracy = (nearest == digits).float().mean()
    assert 0.4 < accuracy < 0.8


def test_all_parts_have_the_ten_digits(domain):
    assert domain.spaces("source")[1].n == domain.spaces("target")[1].n == 10
    for split in SPLITS:
        for task in domain.tasks(split):
            assert torch.unique(task.split("train").y).tolist() == list(range(10))


def test_target_queries_come_from_the_test_rows(domain):
    rng = keyed_rng(0, "target", 0)
    support, query = draw_episode(domain.draw("target", rng), 5, 15, rng)
    (task,) = domain.tasks("target")
    assert set(images(support)) <= set(images(task.split("train")))
    assert set(images(query)) <= set(images(task.split("test")))
    assert (len(support.x), len(query.x)) == (50, 150)


def test_variants_are_shared_out_to_the_parts():
    for variants, sizes in ((1, (1, 0, 0)), (3, (2, 0, 1)), (16, (8, 2, 6))):
        task = Digits(size=8, variants=variants).tasks("source")[0]
        assert tuple(len(task.split(part)) for part in PARTS) == tuple(10 * n for n in sizes)


def test_without_jitter_there_is_one_image_of_each():
    task = Digits(size=8, jitter=False).tasks("source")[0]
    assert [len(task.split(part)) for part in PARTS] == [10, 0, 0]


def test_the_second_time_comes_from_the_disk(tmp_path, monkeypatch):
    monkeypatch.setenv("TLML_CACHE", str(tmp_path))
    fresh = pooled(Digits(size=8, variants=2).tasks("source"))

    def fail(*_):
        raise AssertionError("rendered again")

    monkeypatch.setattr(tlml_vision.drawn.digits, "_fonts", fail)
    again = pooled(Digits(size=8, variants=2).tasks("source"))
    assert all(map(torch.equal, fresh, again))
    assert len(list(tmp_path.iterdir())) == 1
    # Only the levels are kept, which every size shares.
    Digits(size=28, variants=2).tasks("source")


def test_a_truncated_cache_is_rendered_again(tmp_path, monkeypatch):
    monkeypatch.setenv("TLML_CACHE", str(tmp_path))
    fresh = pooled(Digits(size=8, variants=2).tasks("source"))
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[:1000])
    assert all(map(torch.equal, fresh, pooled(Digits(size=8, variants=2).tasks("source"))))
    assert path.read_bytes() == whole


def test_the_handwriting_needs_no_rendering(tmp_path, monkeypatch):
    monkeypatch.setenv("TLML_CACHE", str(tmp_path / "cache"))
    Digits(size=8).tasks("target")
    assert not (tmp_path / "cache").exists()


def test_domains_pickle_without_their_images(domain):
    before = pooled(domain.tasks("source"))
    pickled = pickle.dumps(domain)
    assert len(pickled) < 10_000
    assert all(map(torch.equal, before, pooled(pickle.loads(pickled).tasks("source"))))


def test_tasks_pickle_no_more_than_themselves(domain):
    task = domain.tasks("source")[0]
    assert len(pickle.dumps(task)) < 4 * 400 * 64 + 8 * 400 + 10_000


def test_a_copy_of_a_font_is_no_task_of_its_own(tmp_path):
    shutil.copy(SHIPPED / "DejaVuSans.ttf", tmp_path / "copy.ttf")
    before, after = (Digits(size=8, variants=2, fonts=folder) for folder in (None, str(tmp_path)))
    names = [[task.name for task in domain.tasks("source")] for domain in (before, after)]
    assert names[0] == names[1]


def test_draws_are_reproducible(domain):
    drawn = [domain.draw("source", np.random.default_rng(3)).name for _ in range(2)]
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 4}, "size: must be from 8 to 56 pixels, is 4"),
        ({"variants": 0}, "variants: must be greater than 0, is 0"),
        (
            {"fonts": "/no/such"},
            "fonts: there is no folder '/no/such'; leave it out for matplotlib's own",
        ),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(TlmlError) as caught:
        Digits(**options)
    assert str(caught.value) == message


def test_a_folder_without_fonts_is_refused(tmp_path):
    with pytest.raises(TlmlError) as caught:
        Digits(fonts=str(tmp_path)).tasks("source")
    assert str(caught.value) == f"fonts: '{tmp_path}' holds no font that can be read (.otf or .ttf)"


def test_unknown_splits_and_parts_are_refused(domain):
    with pytest.raises(
        TlmlError, match=r"^split: 'test' is not one of source, validation, target$"
    ):
        domain.tasks("test")
    with pytest.raises(TlmlError, match=r"^part: 'source' is not one of train, val, test$"):
        domain.tasks("target")[0].split("source")
