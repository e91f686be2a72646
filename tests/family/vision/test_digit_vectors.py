from __future__ import annotations

import pickle

import pytest
import torch

import tlml
from tlml import Batch, EpisodeView, TlmlError
from tlml.metrics import primary


@pytest.fixture
def domain():
    return tlml.domain("digit_vectors", variants=8)


def test_they_are_the_images_of_digits_without_labels(domain):
    digits = tlml.domain("digits", size=8, variants=8)
    for split in ("source", "validation", "target"):
        for own, task in zip(domain.tasks(split), digits.tasks(split), strict=True):
            assert own.name == task.name
            for part in ("train", "val", "test"):
                x, y = own.split(part).x, own.split(part).y
                assert torch.equal(x, task.split(part).x.flatten(1))
                assert torch.equal(x, y)


def test_an_episode_draws_from_all_digits_alike(domain):
    episode = EpisodeView(domain, shots=7, queries=20).dataset("target")[0]
    assert episode.support.x.shape == episode.support.y.shape == (7, 64)
    assert episode.query.x.shape == (20, 64)
    assert tlml.domain("digit_vectors", size=14).x.shape == (196,)


def test_what_is_measured_is_the_variance_explained(domain):
    assert primary(domain.y, domain) == ("explained_variance", True)
    (hand,) = domain.tasks("target")
    x = hand.split("train").x
    rebuilt = x + 0.1 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    found = domain.measure(Batch(x, x), rebuilt)
    a, b = x.double().numpy(), rebuilt.double().numpy()
    expected = 1 - ((a - b) ** 2).sum() / ((a - a.mean(0)) ** 2).sum()
    assert float(found["explained_variance"]) == pytest.approx(expected, abs=1e-5)
    assert float(found["mse"]) == pytest.approx(((a - b) ** 2).mean(), rel=1e-5)
    means = domain.measure(Batch(x, x), x.mean(0).expand_as(x))
    assert float(means["explained_variance"]) == pytest.approx(0, abs=1e-5)
    one = domain.measure(Batch(x[:1], x[:1]), x[1:2])
    assert torch.isfinite(one["explained_variance"])


def test_copies_stay_small(domain):
    domain.tasks("source")
    assert len(pickle.dumps(domain)) < 10_000


def test_options_are_those_of_digits():
    with pytest.raises(TlmlError, match=r"^variants: must be greater than 0, is 0"):
        tlml.domain("digit_vectors", variants=0)
