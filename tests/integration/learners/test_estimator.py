"""The learner without a network: what it keeps, and how it predicts from it."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.svm import SVC
from tiny import Letters, Tables
from torch import Tensor
from trainers import quiet_trainer

import tlml
from tlml import Batch, EpisodeView, Strategy, TlmlError
from tlml.networks import NamedBuffers

CLASSES = Tables(classes=3, train=12, test=9)


def fitted(domain: Any = CLASSES, *, unlabelled: bool = False, **options: Any) -> Any:
    learner = tlml.learner("estimator", **options)
    view = learner.view(domain, batch_size=5, unlabelled=unlabelled, queries=2)
    quiet_trainer(max_epochs=7, num_sanity_val_steps=0).fit(learner, view)
    return learner


def measured(learner: Any, **options: Any) -> list[dict[str, Any]]:
    view = EpisodeView(CLASSES, **{"shots": 2, "queries": 2, "episodes": 2, **options})
    quiet_trainer().test(learner, view, verbose=False)
    found: list[dict[str, Any]] = learner.records
    return found


def test_one_pass_keeps_the_source_in_its_order() -> None:
    learner = fitted()
    source = tlml.PairView(CLASSES, batch_size=5).source_examples()
    assert torch.equal(learner.kept["x"], source.x)
    assert torch.equal(learner.kept["y"], source.y)
    assert "target_x" not in learner.kept


def test_target_inputs_are_kept_where_the_view_gives_them() -> None:
    view = tlml.PairView(CLASSES, unlabelled=True, queries=2)
    assert torch.equal(fitted(unlabelled=True).kept["target_x"], view.unlabelled_examples())


def test_the_model_learns_source_and_support() -> None:
    learner, (x, y) = fitted(), CLASSES.tasks("target")[0].split("train")[:4]
    asked = CLASSES.tasks("target")[0].split("test").x
    rows = torch.cat([learner.kept["x"], x]).numpy()
    model = SVC(random_state=0).fit(rows, torch.cat([learner.kept["y"], y]).numpy())
    found = learner.predict(Batch(x, y), asked)
    np.testing.assert_allclose(found, model.decision_function(asked.numpy()), rtol=1e-5)
    alone = learner.predict_now(asked)
    model.fit(learner.kept["x"].numpy(), learner.kept["y"].numpy())
    np.testing.assert_allclose(alone, model.decision_function(asked.numpy()), rtol=1e-5)


def test_values_are_predicted_one_by_one() -> None:
    learner = fitted(Tables(train=12), model="linear", model_options={"alpha": 0.5})
    kept = learner.kept
    model = Ridge(0.5).fit(kept["x"].numpy().astype(float), kept["y"].numpy().astype(float))
    x = torch.randn(4, *kept["x"].shape[1:])
    expected = np.reshape(model.predict(x.numpy()), (4, 1))
    np.testing.assert_allclose(learner.predict_now(x), expected, rtol=1e-5)


class Doubled(Strategy):
    """Weighs the first source example alone, and doubles everything."""

    def weigh_samples(self, source_x: Tensor, target_x: Tensor) -> Tensor:
        """Nothing counts but a third of the examples."""
        return (torch.arange(len(source_x)) < 12).float()

    def fit_transform(self, source_x: Tensor, target_x: Tensor) -> tuple[Tensor, Tensor]:
        """Twice."""
        self.met = len(target_x)
        return 2 * source_x, 2 * target_x

    def transform(self, target_x: Tensor) -> Tensor:
        """Twice."""
        return 2 * target_x


def test_a_strategy_maps_and_weighs() -> None:
    learner, asked = fitted(strategy=Doubled()), torch.randn(6, *CLASSES.x.shape)
    found = learner.predict_now(asked)
    kept = learner.kept
    model = SVC(random_state=0).fit(
        2 * kept["x"].numpy(), kept["y"].numpy(), np.arange(len(kept["x"])) < 12
    )
    np.testing.assert_allclose(found, model.decision_function(2 * asked.numpy()), rtol=1e-4)


def test_the_view_of_a_test_names_another_strategy() -> None:
    learner, doubled = fitted(), Doubled()
    assert len(measured(learner, adapt=doubled)) == 2
    assert measured(learner)[0]["accuracy"] >= 0


def test_without_target_inputs_of_the_view_it_uses_those_of_the_episode() -> None:
    learner, support = fitted(strategy=Doubled()), Batch(torch.randn(3, 2), torch.arange(3))
    assert learner.transductive(learner.strategy)
    learner.predict(support, torch.randn(5, 2))
    assert learner.strategy.met == 3 + 5
    given = fitted(strategy=Doubled(), unlabelled=True)
    assert not given.transductive(given.strategy)
    given.predict(support, torch.randn(5, 2))
    assert given.strategy.met == len(given.kept["target_x"])
    assert not fitted().transductive(Strategy())  # nothing looks at them


class Means(Strategy):
    """Predicts by the source's class means."""

    def __init__(self) -> None:
        super().__init__()
        self.means, self.learned = NamedBuffers(), 0

    def learn(self, source: Batch, target_x: Tensor) -> None:
        """Take the means."""
        self.learned += 1
        for kind in source.y.unique():
            self.means[f"class.{kind}"] = source.x[source.y == kind].mean(0)

    def estimate(self, support: Any, x: Tensor, space: Any) -> Tensor:
        """Score by distance."""
        means = torch.stack([self.means[f"class.{kind}"] for kind in range(int(space.n))])
        return -torch.cdist(x, means)


def test_a_strategy_learns_once_from_what_is_kept() -> None:
    learner = fitted(strategy=Means(), unlabelled=True)
    before = learner.strategy.learned
    measured(learner)
    assert learner.strategy.learned == max(before, 1)
    # Where each task brings its own inputs it learns for each.
    learner = fitted(strategy=Means())
    before = learner.strategy.learned
    measured(learner)
    assert learner.strategy.learned == before + 2


def test_a_checkpoint_predicts_the_same(tmp_path: Path) -> None:
    learner = tlml.learner("estimator", model="tree")
    trainer = quiet_trainer(max_epochs=1)
    trainer.fit(learner, learner.view(CLASSES))
    trainer.save_checkpoint(tmp_path / "one.ckpt")
    loaded = tlml.load(tmp_path / "one.ckpt")
    x = torch.randn(6, *CLASSES.x.shape)
    assert torch.equal(loaded.predict_now(x), learner.predict_now(x))


def test_without_training_it_learns_the_support_alone() -> None:
    learner = tlml.learner("estimator")
    assert len(measured(learner)) == 2
    (x, y), asked = CLASSES.tasks("target")[0].split("train")[:6], torch.randn(3, 2)
    model = SVC(random_state=0).fit(x.numpy(), y.numpy())
    scores = learner.predict(Batch(x, y), asked)
    np.testing.assert_allclose(
        scores[:, y.unique()], np.atleast_2d(model.decision_function(asked.numpy())), rtol=1e-5
    )


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


def test_other_labels_leave_the_support() -> None:
    learner = fitted(Letters())
    view = EpisodeView(Letters(), ways=3, shots=2, queries=2, episodes=2)
    quiet_trainer().test(learner, view, verbose=False)
    assert len(learner.records) == 2
    view = EpisodeView(Letters(), ways=3, shots=0, queries=2, episodes=2)
    with fails("shots: 0 labelled examples, and no source examples whose labels are the task's"):
        quiet_trainer().test(learner, view, verbose=False)


def test_errors() -> None:
    with fails("model: 'svc' is not one of linear, svm, tree"):
        tlml.learner("estimator", model="svc")
    with fails("model_options: c: no such option of SVC; there are C, break_ties"):
        tlml.learner("estimator", model_options={"c": 1.0})
    with fails("strategy Full: it has none of estimate(), fit_transform() and weigh_samples()"):
        tlml.learner("estimator", strategy=tlml.strategy("full"))
    with fails("estimator: Doubled carries over from source examples, and none were kept"):
        tlml.learner("estimator", strategy=Doubled()).predict(
            Batch(torch.randn(3, 2), torch.arange(3)), torch.randn(2, 2)
        )


# What is kept


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


def fails(message: str) -> Any:
    return pytest.raises(TlmlError, match=f"^{re.escape(message)}")
