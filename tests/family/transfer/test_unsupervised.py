"""What transfer without labels shares: scikit-learn's methods, and the learner `estimator`."""

from __future__ import annotations

import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box
from refusals import stops
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted
from trainers import quiet_trainer

import tlml
from tlml import Batch, EpisodeView
from tlml.registry import default_registry
from tlml.suites import load_suite, plan, read_results, run_suite, write_plan

SMALL: dict[str, dict[str, Any]] = {
    "transfer_pca": {"components": 2},
    "transfer_kmeans": {"n_clusters": 3},
    "transfer_autoencoder": {"components": 2, "hidden": [4], "iterations": 10},
}
every = pytest.mark.parametrize("name", list(SMALL))


def made(name: str, **options: Any) -> Any:
    return tlml.strategy(name, **SMALL[name] | options)


def sides(d: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(d)
    return rng.normal(size=(9, d)), rng.normal(size=(20, d))


@every
def test_it_goes_with_the_estimator_where_there_are_no_labels(name: str) -> None:
    registry = default_registry()
    assert registry.judge("digit_vectors", "estimator", name).lacks == ()
    partners = registry.partners("strategy", name)
    assert (partners["learner"], partners["domain"]) == (["estimator"], ["digit_vectors"])


@every
def test_tensors_come_back_as_tensors_and_arrays_as_arrays(name: str) -> None:
    x, source = sides()
    arrays = made(name).fit(x, source_x=source)
    tensors = made(name).fit(torch.from_numpy(x).float(), source_x=torch.from_numpy(source).float())
    for method in ("transform", "reconstruct"):
        array, tensor = (
            getattr(arrays, method)(x),
            getattr(tensors, method)(torch.from_numpy(x).float()),
        )
        assert isinstance(array, np.ndarray)
        assert array.dtype == np.float64
        assert tensor.dtype == torch.float32
        np.testing.assert_allclose(tensor.numpy(), array, atol=1e-4)
    z = arrays.transform(x)
    np.testing.assert_allclose(arrays.inverse_transform(z), arrays.reconstruct(x), atol=1e-12)
    assert torch.is_tensor(tensors.inverse_transform(tensors.transform(torch.from_numpy(x))))


@every
def test_scikit_learn_clones_it_without_what_it_learned(name: str) -> None:
    x, source = sides()
    fitted = made(name, prior=3.0, seed=5).fit(x, source_x=source)
    check_is_fitted(fitted)
    copied = clone(fitted)
    assert copied.get_params() == fitted.get_params() == copied.options
    with stops(f"{name}: nothing is learned yet; call fit(x, source_x=...)"):
        copied.transform(x)
    again = copied.fit(x, source_x=source)
    np.testing.assert_array_equal(again.reconstruct(x), fitted.reconstruct(x))
    unpickled = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(unpickled.reconstruct(x), fitted.reconstruct(x))


@every
def test_set_options_are_those_that_are_used_and_recorded(name: str) -> None:
    strategy = made(name).set_params(prior=7.0, seed=2)
    assert (strategy.prior, strategy.options["prior"], strategy.get_params()["seed"]) == (7, 7, 2)
    with stops("prior: must be at least 0, is -1"):
        strategy.set_params(prior=-1)
    assert strategy.prior == 7.0
    with pytest.raises(ValueError, match="Invalid parameter 'weight'"):
        strategy.set_params(weight=1)


def test_scikit_learn_searches_its_options() -> None:
    x, source = sides()
    search = GridSearchCV(made("transfer_pca"), {"prior": [0.1, 1e6]}, cv=3)
    search.fit(x, source_x=source + 50)
    assert search.best_params_ == {"prior": 0.1}


@every
def test_it_ends_a_pipeline_and_is_refused_within_one(name: str) -> None:
    x, source = sides()
    scale = StandardScaler().fit(x)
    last = Pipeline([("scale", StandardScaler()), (name, made(name))])
    last.fit(x, **{f"{name}__source_x": scale.transform(source)})
    alone = made(name).fit(scale.transform(x), source_x=scale.transform(source))
    np.testing.assert_array_equal(last.transform(x), alone.transform(scale.transform(x)))
    with config_context(enable_metadata_routing=True):
        asking = made(name).set_fit_request(source_x=True)
        routed = Pipeline([("scale", StandardScaler()), (name, asking)])
        routed.fit(x, source_x=scale.transform(source))
    np.testing.assert_array_equal(routed.transform(x), last.transform(x))
    for y in (None, np.zeros(9)):
        with stops(f"{name}: fit_transform takes inputs of both sides, source_x and target_x"):
            Pipeline([(name, made(name)), ("scale", StandardScaler())]).fit(x, y)


@every
def test_both_sides_are_transformed_alike(name: str) -> None:
    x, source = sides()
    both = made(name, prior=3.0).fit_transform(source, x)
    fitted = made(name, prior=3.0).fit(x, source_x=source)
    for found, side in zip(both, (source, x), strict=True):
        np.testing.assert_array_equal(found, fitted.transform(side))


def bad(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x[1, 1] = math.nan
    return x


@every
def test_inputs_that_do_not_fit_are_refused(name: str) -> None:
    x, source = sides()
    with stops(f"{name}: target inputs must be [n, d] with n of at least 1, are [0, 4]"):
        made(name).fit(x[:0], source_x=source)
    with stops(f"{name}: source inputs must be [n, d] with n of at least 1, are [20]"):
        made(name).fit(x, source_x=source[:, 0])
    with stops(f"{name}: target inputs hold NaN or infinity; leave such rows out"):
        made(name).fit(bad(x), source_x=source)
    with stops(f"{name}: source inputs have 3 dimensions, target inputs 4"):
        made(name).fit(x, source_x=source[:, :3])
    with stops(f"source_x: {name} starts from source inputs, and none were given; give them"):
        made(name).fit(x)
    fitted = made(name).fit(x, source_x=source)
    with stops(f"{name}: inputs must be [n, 4], as those that it learned, are [9, 3]"):
        fitted.transform(x[:, :3])
    with stops(f"{name}: all inputs are equal: there is no variance to explain"):
        fitted.score(x[:1])


@every
def test_targets_that_are_no_inputs_are_refused(name: str) -> None:
    x, source = (torch.from_numpy(side) for side in sides())
    strategy = made(name)
    strategy.learn(Batch(source, source), x[:0])
    with stops(f"{name}: it reconstructs inputs [4], and the targets are Box(-inf, inf, (1,)"):
        strategy.estimate(Batch(x, x), x, Box(-np.inf, np.inf, (1,)))


@every
def test_estimates_are_reconstructions_after_learning_the_support(name: str) -> None:
    x, source = sides()
    strategy, images = made(name, prior=3.0), torch.from_numpy(x).reshape(9, 2, 2)
    strategy.learn(Batch(torch.from_numpy(source).reshape(20, 2, 2), torch.zeros(20)), images)
    space = Box(-np.inf, np.inf, (2, 2))
    found = strategy.estimate(Batch(images[:6], torch.zeros(6)), images, space)
    expected = made(name, prior=3.0).fit(x[:6], source_x=source).reconstruct(x)
    np.testing.assert_array_equal(found.reshape(9, 4).numpy(), expected)
    nothing = strategy.estimate(Batch(images[:0], torch.zeros(0)), images, space)
    alone = made(name, prior=math.inf).fit(x[:1], source_x=source).reconstruct(x)
    np.testing.assert_array_equal(nothing.reshape(9, 4).numpy(), alone)
    with stops("prior: 0 leaves the source out, and there are no target inputs"):
        made(name, prior=0).estimate(Batch(images[:0], torch.zeros(0)), images, space)


def test_the_estimator_tests_it_and_prepares_the_source_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    domain = tlml.domain("digit_vectors", variants=8)
    strategy = made("transfer_pca", components=8)
    learner = tlml.learner("estimator", strategy=strategy)
    trainer = quiet_trainer(max_epochs=1, limit_val_batches=0)
    trainer.fit(learner, learner.view(domain))
    asked, prepare = [], type(strategy).prepare
    monkeypatch.setattr(
        type(strategy), "prepare", lambda self, x: asked.append(len(x)) or prepare(self, x)
    )
    assert not learner.transductive(learner.strategy)
    scores = {}
    for prior in (0, math.inf, None):
        adapt = made("transfer_pca", components=8, prior=prior)
        view = EpisodeView(domain, shots=10, queries=100, episodes=4, adapt=adapt)
        (result,) = trainer.test(learner, view, verbose=False)
        assert 0 < result["test_mse"] < 0.1
        scores[prior] = result["test_explained_variance"]
    assert asked == [17 * (4 + 3) * 10] * 2  # not where the prior is 0
    assert scores[None] > scores[0] + 0.1
    assert scores[None] > scores[math.inf]


def test_ten_digits_and_print_explain_more_than_either_alone() -> None:
    domain = tlml.domain("digit_vectors")
    source = torch.cat([task.split("train").x for task in domain.tasks("source")])
    (hand,) = domain.tasks("target")
    found = {
        prior: np.mean([
            made("transfer_pca", components=20, prior=prior)
            .fit(hand.split("train").x[start : start + 10], source_x=source)
            .score(hand.split("test").x)
            for start in range(0, 50, 10)
        ])
        for prior in (0, None, math.inf)
    }  # fmt: skip
    assert found[None] > found[0] + 0.1
    assert found[None] > found[math.inf]


def test_suites_count_no_labels_where_there_are_none(tmp_path: Path) -> None:
    (tmp_path / "suite.yaml").write_text(
        "name: small\n"
        "seeds: 1\n"
        "episodes: 2\n"
        "domains: {digit_vectors: {shots: 5, options: {variants: 8}, view: {queries: 50}}}\n"
        "fits: {print: {learner: estimator}}\n"
        "methods:\n"
        "  target: {fit: print, strategy: transfer_pca, options: {prior: 0}}\n"
        "  source: {fit: print, strategy: transfer_pca, options: {prior: inf}}\n"
        "trainer: {limit_val_batches: 0}\n"
    )
    planned = plan(load_suite(tmp_path / "suite.yaml"), default_registry())
    write_plan(planned, tmp_path / "out")
    assert run_suite(planned, tmp_path / "out", jobs=1) == []
    done = [one for (one,) in read_results(tmp_path / "out").records.values()]
    assert {one.metric for one in done} == {"explained_variance"}
    assert {one.higher_is_better for one in done} == {True}
    assert {one.cost["labels"] for one in done} == {0}
    assert not any(one.transductive for one in done)
