"""The learner without a network: what it keeps, and how it predicts from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from estimated import CLASSES, Doubled
from refusals import stops
from sklearn.linear_model import Ridge
from sklearn.svm import SVC
from tiny import Letters, Tables
from torch import Tensor
from trainers import quiet_trainer

import tlml
from tlml import Batch, EpisodeView, Strategy
from tlml.networks import NamedBuffers


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


def test_other_labels_leave_the_support() -> None:
    learner = fitted(Letters())
    view = EpisodeView(Letters(), ways=3, shots=2, queries=2, episodes=2)
    quiet_trainer().test(learner, view, verbose=False)
    assert len(learner.records) == 2
    view = EpisodeView(Letters(), ways=3, shots=0, queries=2, episodes=2)
    with stops("shots: 0 labelled examples, and no source examples whose labels are the task's"):
        quiet_trainer().test(learner, view, verbose=False)
