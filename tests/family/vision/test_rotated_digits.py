from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates
from sklearn.svm import SVC

import tlml
from tlml import TlmlError
from tlml.data import SPLITS, draw_episode, keyed_rng
from tlml_vision.drawn.digits import Digits
from tlml_vision.drawn.rotated_digits import RotatedDigits, turn_images

PARTS = ("train", "val", "test")


@pytest.fixture
def domain():
    return tlml.domain("rotated_digits", size=8)


def pooled(tasks, part="train"):
    parts = [task.split(part) for task in tasks]
    return torch.cat([part.x for part in parts]), torch.cat([part.y for part in parts])


def rows(domain, split):
    return {tuple(row) for task in domain.tasks(split) for part in PARTS
            for row in task.split(part).x.flatten(1).tolist()}  # fmt: skip


def test_a_task_is_an_angle(domain):
    assert {split: [task.name for task in domain.tasks(split)] for split in SPLITS} == {
        "source": ["0 degrees", "15 degrees", "30 degrees"],
        "validation": ["45 degrees"],
        "target": ["60 degrees"],
    }
    sizes = {split: [len(domain.tasks(split)[0].split(part)) for part in PARTS] for split in SPLITS}
    assert sizes == {
        "source": [450, 50, 200], "validation": [100, 0, 200], "target": [300, 0, 497],
    }  # fmt: skip
    for split in SPLITS:
        for task in domain.tasks(split):
            assert torch.bincount(task.split("test").y).min() >= 15
            assert torch.unique(task.split("train").y).tolist() == list(range(10))


def test_no_handwriting_is_in_two_splits_or_parts():
    upright = {split: RotatedDigits(**{"source": [1], "validation": [2], "target": [3], split: [0]},
                                    size=8) for split in SPLITS}  # fmt: skip
    seen = [rows(domain, split) for split, domain in upright.items()]
    assert [len(own) for own in seen] == [700, 300, 797]
    assert len(set.union(*seen)) == 1797


@pytest.mark.parametrize("size", [8, 28])
def test_upright_digits_are_those_of_digits(size):
    (upright,) = RotatedDigits(source=[1], target=[0], size=size).tasks("target")
    (handwriting,) = Digits(size=size).tasks("target")
    x = handwriting.split("test").x[300 - 797 :]
    torch.testing.assert_close(upright.split("test").x, x, rtol=0, atol=1e-5)
    assert torch.equal(upright.split("test").y, handwriting.split("test").y[-497:])


def test_quarter_turns_move_pixels(domain):
    x, _ = pooled(domain.tasks("source")[:1])
    for quarters in (1, 2, 3, -1):
        expected = torch.rot90(x, quarters, (2, 3))  # from rows to columns: counter-clockwise
        torch.testing.assert_close(turn_images(x, 90 * quarters), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("angle", [17.0, -60.0, 200.0])
def test_turning_is_that_of_scipy(angle):
    image = np.random.default_rng(0).random((12, 12))
    around = np.arange(12) - 5.5
    down, right = np.meshgrid(around, around, indexing="ij")
    # A point of the result, its y axis upwards, is turned back by the angle.
    point = (right - 1j * down) * np.exp(-1j * math.radians(angle))
    places = [5.5 - point.imag, 5.5 + point.real]
    expected = map_coordinates(image, places, order=1, mode="grid-constant")
    found = turn_images(torch.from_numpy(image)[None, None].float(), angle)[0, 0]
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_little_ink_is_lost_beyond_the_corners(domain):
    x, _ = pooled(domain.tasks("source")[:1])
    for angle in (15, 30, 45, 60):
        assert 0.97 < turn_images(x, angle).sum() / x.sum() <= 1


def test_the_further_an_angle_the_less_the_source_says_about_it(domain):
    x, y = pooled(domain.tasks("source"))
    model = SVC(C=10).fit(x.flatten(1), y)
    near, between, far = (
        model.score(x.flatten(1), y)
        for x, y in (pooled(domain.tasks(split), "test") for split in SPLITS)
    )
    assert near > 0.9
    assert near > between + 0.05 > far + 0.1


def test_spaces_hold_what_is_drawn(domain):
    rng = keyed_rng(0, "target", 0)
    support, query = draw_episode(domain.draw("target", rng), 5, 15, rng)
    assert (len(support.x), len(query.x)) == (50, 150)
    assert all(domain.x.contains(image.numpy()) for image in query.x)
    assert query.y.dtype == torch.int64


def test_domains_pickle_without_their_images(domain):
    x, _ = pooled(domain.tasks("source"))
    pickled = pickle.dumps(domain)
    assert len(pickled) < 5000
    assert torch.equal(pooled(pickle.loads(pickled).tasks("source"))[0], x)
    task = domain.tasks("target")[0]
    assert len(pickle.dumps(task)) < 797 * (64 * 4 + 8) + 5000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 4}, "size: must be from 8 to 56 pixels, is 4"),
        ({"source": []}, "source: must be a list of angles in degrees, is []"),
        ({"target": 60}, "target: must be a list of angles in degrees, is 60"),
        ({"target": ["far"]}, "target: must be a list of angles in degrees, is ['far']"),
        ({"target": [math.nan]}, "target: must be a list of angles in degrees, is [nan]"),
        ({"target": [30]}, "target: 30 degrees are in source already; give each angle once"),
        (
            {"validation": [-315], "target": [45]},
            "target: 45 degrees are in validation already; give each angle once",
        ),
        ({"source": [5, 5]}, "source: 5 degrees are in source already; give each angle once"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(TlmlError) as caught:
        RotatedDigits(**options)
    assert str(caught.value) == message


def test_unknown_splits_are_refused(domain):
    with pytest.raises(TlmlError, match=r"^split: 'test' is not one of source, validation, target"):
        domain.tasks("test")
