"""The learner without a network, by itself."""

from __future__ import annotations

import pickle

import torch
from estimated import CLASSES, Doubled
from refusals import stops

import tlml
from tlml import Batch
from tlml.networks import NamedBuffers


def test_a_class_without_examples_is_the_least_likely() -> None:
    learner = tlml.learner("estimator", model="tree")
    learner.meet(tlml.EpisodeView(CLASSES).spaces)
    scores = learner.predict(
        Batch(torch.randn(4, 2), torch.tensor([0, 2, 0, 2])), torch.randn(3, 2)
    )
    assert scores.shape == (3, 3)
    assert (scores[:, 1] < scores[:, [0, 2]].min(1).values).all()
    only = learner.predict(Batch(torch.randn(2, 2), torch.tensor([1, 1])), torch.randn(3, 2))
    assert only.argmax(1).tolist() == [1, 1, 1]


def test_errors() -> None:
    with stops("model: 'svc' is not one of linear, svm, tree"):
        tlml.learner("estimator", model="svc")
    with stops("model_options: c: no such option of SVC; there are C, break_ties"):
        tlml.learner("estimator", model_options={"c": 1.0})
    with stops("strategy Full: it has none of estimate(), fit_transform() and weigh_samples()"):
        tlml.learner("estimator", strategy=tlml.strategy("full"))
    with stops("estimator: Doubled carries over from source examples, and none were kept"):
        tlml.learner("estimator", strategy=Doubled()).predict(
            Batch(torch.randn(3, 2), torch.arange(3)), torch.randn(2, 2)
        )


def test_kept_tensors_are_in_the_state_and_move() -> None:
    kept, other = NamedBuffers(), NamedBuffers()
    kept["a.b"] = torch.ones(2, requires_grad=True) * 2
    assert not kept["a.b"].requires_grad
    other.load_state_dict(kept.state_dict())
    assert torch.equal(other["a.b"], kept["a.b"])
    assert kept.double()["a.b"].dtype == torch.float64
    assert torch.equal(pickle.loads(pickle.dumps(other))["a.b"], other["a.b"])
    assert (list(kept), len(kept), bool(NamedBuffers())) == (["a.b"], 1, False)
    del kept["a.b"]
    assert "a.b" not in kept
