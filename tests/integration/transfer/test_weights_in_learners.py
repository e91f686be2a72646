"""Weights of source examples where they are used: in the estimator, a network and a suite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from refusals import stops
from tiny import Tables
from torch import Tensor, nn
from trainers import fitting_trainer, quiet_trainer
from weighing import RIGHT, effective_size

import tlml
from tlml import EpisodeView, Network
from tlml.registry import default_registry
from tlml.suites import load_suite, plan, read_results, run_suite
from tlml_synthetic.covariate_shift import CovariateShift, CovariateShiftRegression


def shifted(classes: bool) -> Any:
    return CovariateShift(size=400) if classes else CovariateShiftRegression(size=400)


def estimated(strategy: Any, classes: bool) -> tuple[float, Any]:
    """Return the loss of a linear model on the target, and the learner."""
    learner = tlml.learner("estimator", strategy=strategy, model="linear")
    domain = shifted(classes)
    view = learner.view(domain, unlabelled=True)
    fitting_trainer(max_epochs=1).fit(learner, view)
    tests = EpisodeView(domain, shots=0, queries=150, episodes=1)
    (logged,) = quiet_trainer().test(learner, tests, verbose=False)
    return (1 - logged["test_accuracy"]) if classes else logged["test_mse"], learner


@pytest.mark.parametrize("classes", [True, False])
def test_weighting_helps_a_linear_model_under_covariate_shift(classes: bool) -> None:
    plain, _ = estimated(None, classes)
    for name, options in RIGHT.items():
        error, learner = estimated(tlml.strategy(name, **options), classes)
        assert error < 0.6 * plain, name
        (record,) = learner.records
        assert 2 < record["effective_sample_size"] < 400
    assert not learner.transductive(learner.strategy)


def test_the_estimator_weighs_its_source_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from tlml_transfer.weigh.kmm import Kmm

    calls, once = [], Kmm.ratios
    monkeypatch.setattr(Kmm, "ratios", lambda *given: calls.append(1) or once(*given))
    learner = tlml.learner("estimator", strategy="kmm", model="linear")
    domain = Tables(classes=3, train=12, test=9)
    fitting_trainer(max_epochs=1).fit(learner, learner.view(domain, unlabelled=True, queries=2))
    tests = EpisodeView(domain, shots=0, queries=2, episodes=3)
    quiet_trainer().test(learner, tests, verbose=False)
    assert len(calls) == 1
    del learner.kept["target_x"]
    quiet_trainer().test(learner, tests, verbose=False)
    assert len(calls) == 4
    assert learner.transductive(learner.strategy)


def test_the_estimator_hands_labels_to_what_weighs_by_them() -> None:
    learner = tlml.learner("estimator", strategy="balanced", model="linear")
    domain = Tables(classes=3, train=13, test=9)
    fitting_trainer(max_epochs=1).fit(learner, learner.view(domain, queries=2))
    quiet_trainer().test(
        learner, EpisodeView(domain, shots=0, queries=2, episodes=1), verbose=False
    )
    sizes = torch.bincount(learner.kept["y"]).double()
    (record,) = learner.records
    assert record["effective_sample_size"] == pytest.approx(float(9 / (1 / sizes).sum()))
    assert not learner.transductive(learner.strategy)


class Logged(pl.Callback):
    """Notes what is logged, and the weights, in each epoch."""

    def __init__(self) -> None:
        self.sizes: list[float] = []
        self.weights: list[Tensor] = []

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *_: Any) -> None:
        self.sizes.append(float(trainer.callback_metrics["train_effective_sample_size"]))
        self.weights.append(pl_module._weights.clone())


def linear_network(inputs: int, outputs: int) -> Network:
    torch.manual_seed(0)
    body = nn.Sequential(nn.Linear(inputs, 3), nn.BatchNorm1d(3), nn.Dropout(0.5))
    return Network({"body": body}, nn.Linear(3, outputs))


def trained(strategy: Any, classes: bool) -> tuple[float, Logged]:
    domain, logged = shifted(classes), Logged()
    learner = tlml.learner(
        "supervised", network="mlp", network_options={"hidden": []}, strategy=strategy, lr=0.1
    )
    callbacks = [] if strategy == "full" else [logged]
    made = learner.view(domain, unlabelled=True, batch_size=100)
    fitting_trainer(max_epochs=8, callbacks=callbacks, log_every_n_steps=1).fit(learner, made)
    test = domain.tasks("target")[0].split("test")
    found = learner.predict_now(test.x).detach()
    error = (found.argmax(1) != test.y).float() if classes else (found - test.y).square()
    return float(error.mean()), logged


@pytest.mark.parametrize("classes", [True, False])
def test_weighting_helps_a_network_without_layers_likewise(classes: bool) -> None:
    plain, _ = trained("full", classes)
    for name, options in RIGHT.items():
        error, logged = trained(tlml.strategy(name, **options), classes)
        assert error < 0.6 * plain, name
        assert logged.sizes[-1] == pytest.approx(
            effective_size(logged.weights[-1].double().numpy()), rel=1e-5
        )


def fit_on_features(folder: Path, callbacks: Any = (), **options: Any) -> Any:
    learner = tlml.learner(
        "supervised", network=linear_network(2, 2), lr=0.01,
        strategy=tlml.strategy("domain_classifier", every="epoch"),
    )  # fmt: skip
    view = learner.view(CovariateShift(size=60), unlabelled=True, batch_size=30)
    resume = options.pop("ckpt_path", None)
    trainer = fitting_trainer(callbacks=list(callbacks), log_every_n_steps=1, **options)
    trainer.fit(learner, view, ckpt_path=resume, weights_only=True if resume else None)
    return learner, view, trainer


class OnFeatures(pl.Callback):
    """Weighs by the network's features itself, before each epoch, and compares."""

    def __init__(self) -> None:
        self.pairs: list[tuple[Tensor, Tensor]] = []
        self.modes: list[bool] = []

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        view, network = trainer.datamodule, pl_module.network  # type: ignore[attr-defined]
        network.eval()
        with torch.no_grad():
            both = [network.features(x) for x in self.inputs(view)]
        network.train()
        self.expected = tlml.strategy("domain_classifier").weigh_samples(*both)

    def inputs(self, view: Any) -> list[Tensor]:
        return [view.source_examples().x, view.unlabelled_examples()]

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: Any, *_: Any) -> None:
        self.pairs.append((pl_module._weights.clone(), self.expected))
        self.modes += [module.training for module in pl_module.network.modules()]


def test_weights_by_features_are_found_anew_before_each_epoch(tmp_path: Path) -> None:
    seen = OnFeatures()
    fit_on_features(tmp_path, [seen], max_epochs=3)
    assert len(seen.pairs) == 3 * 4
    for found, expected in seen.pairs:
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
    first, last = seen.pairs[0][0], seen.pairs[-1][0]
    assert not torch.allclose(first, last, rtol=0.05)
    assert all(seen.modes)


class Killed(Exception):
    pass


class Killing(pl.Callback):
    """Saves a checkpoint in the middle of an epoch, and ends the run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.global_step == 3:
            trainer.save_checkpoint(self.path)
            raise Killed


def test_a_fit_resumed_within_an_epoch_goes_on_with_its_weights(tmp_path: Path) -> None:
    path = tmp_path / "part.ckpt"
    whole, *_ = fit_on_features(tmp_path, max_epochs=3)
    with pytest.raises(Killed):
        fit_on_features(tmp_path, [Killing(path)], max_epochs=3)
    resumed, *_ = fit_on_features(tmp_path, max_epochs=3, ckpt_path=path)
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name
    assert torch.equal(resumed._weights, whole._weights)
    assert resumed.strategy.effective_sample_size == whole.strategy.effective_sample_size


def test_a_network_is_weighed_by_the_target_that_its_view_gives() -> None:
    domain = CovariateShift(size=60)
    learner = tlml.learner("supervised", network=linear_network(2, 2), strategy="kmm")
    with stops(
        "kmm: needs at least 2 target inputs, there are 0; views give those of the target with "
        "unlabelled=True"
    ):
        fitting_trainer(max_epochs=1).fit(learner, learner.view(domain))
    learner = tlml.learner("supervised", network=linear_network(2, 2), strategy="kmm")
    view = learner.view(domain, shots=5)
    fitting_trainer(max_epochs=1).fit(learner, view)
    expected = tlml.strategy("kmm").weigh_samples(
        view.source_examples().x, view.drawn().episode.support.x
    )
    torch.testing.assert_close(learner._weights, expected)


def test_a_network_can_be_trained_on_balanced_classes() -> None:
    domain = Tables(classes=3, train=13)
    learner = tlml.learner("supervised", network="mlp", strategy="balanced")
    view = learner.view(domain)
    fitting_trainer(max_epochs=1).fit(learner, view)
    y = view.source_examples().y
    sums = torch.zeros(3).index_add(0, y, learner._weights)
    torch.testing.assert_close(sums, torch.full((3,), len(y) / 3))


SUITE = """
name: tiny
seeds: 1
episodes: 1
domains:
  covariate_shift:
    shots: 0
    options: {size: 40}
    view: {queries: 5, unlabelled: true}
    learner: {network: mlp}
fits:
  net: {learner: supervised, strategy: kmm}
  linear: {learner: estimator, strategy: balanced, options: {model: linear}}
  plain: {learner: supervised}
methods: {net: {fit: net}, linear: {fit: linear}, plain: {fit: plain}}
trainer: {max_epochs: 1}
"""


def test_results_of_suites_say_what_the_weights_leave(tmp_path: Path) -> None:
    path = tmp_path / "tiny.yaml"
    path.write_text(SUITE)
    cells = plan(load_suite(path), default_registry())
    assert run_suite(cells, tmp_path / "out", jobs=1) == []
    done = read_results(tmp_path / "out").records
    found = {cell.method: done[cell.id][0].effective_sample_size for cell in cells.adapts}
    view = tlml.PairView(CovariateShift(size=40), unlabelled=True, queries=5)
    kmm = tlml.strategy("kmm")
    kmm.weigh_samples(view.source_examples().x, view.unlabelled_examples())
    sizes = torch.bincount(view.source_examples().y).double()
    assert found["plain"] is None
    assert found["net"] == pytest.approx(kmm.effective_sample_size)
    assert found["linear"] == pytest.approx(float(4 / (1 / sizes).sum()))
