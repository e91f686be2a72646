"""What learners predict for the batches of any loader."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tiny import MLP, Letters, Lines

import tlml
from tlml import Batch, Episode, Examples, TlmlError
from tlml.data import Pair, Step

X = torch.linspace(-1, 1, 6)[:, None]
BATCH = Batch(X, 2 * X)


def learner(name: str) -> Any:
    made = tlml.learner(name, **MLP)
    made.view(Lines())
    return made


@pytest.mark.parametrize(
    "batch",
    [X, (X,), [X, X], BATCH, Examples(*BATCH)[:], Step(BATCH, torch.zeros(6)),
     Pair(BATCH, BATCH, X, torch.arange(6))],
    ids=("tensor", "alone", "with targets", "batch", "examples", "step", "pair"),
)  # fmt: skip
def test_inputs_are_predicted_as_they_are(batch: Any) -> None:
    made = learner("supervised")
    assert torch.equal(made.predict_step(batch, 0), made.network(X))


@pytest.mark.parametrize("name", ["supervised", "maml"])
def test_tasks_are_adapted_to(name: str) -> None:
    made = learner(name)
    one = Episode(Batch(X[:3], 2 * X[:3]), Batch(X[3:], 2 * X[3:]))
    both = Episode(*(Batch(*(torch.stack([v, v]) for v in part)) for part in one))
    with torch.inference_mode():
        found = made.predict_step(both, 0)
    assert [prediction.shape for prediction in found] == [(3, 1), (3, 1)]
    assert torch.equal(found[0], made.predict(one.support, one.query.x).detach())


def test_learners_of_episodes_predict_as_they_were_trained() -> None:
    made = learner("maml")
    with torch.inference_mode():
        found = made.predict_step(X, 0)
    assert torch.equal(found, made.network(X))


def test_what_is_no_batch_is_named() -> None:
    with pytest.raises(TlmlError, match=r"^predict: a batch is a dict; give loaders of inputs"):
        learner("supervised").predict_step({"x": X}, 0)
    proto = tlml.learner("protonet", **MLP)
    proto.view(Letters())
    with pytest.raises(TlmlError, match=r"^support without a class: it has no example"):
        proto.predict_step(torch.zeros(3, 2), 0)
