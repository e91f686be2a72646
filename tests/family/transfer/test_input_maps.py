"""Maps of inputs against NumPy and SciPy in float64, and what the estimator makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray
from refusals import stops
from scipy.linalg import orth, sqrtm
from tiny import Table
from trainers import quiet_trainer

import tlml
from tlml import Domain, EpisodeView
from tlml.data import SPLITS, Split
from tlml.registry import default_registry

Values = NDArray[np.float64]
NAMES = ["coral_map", "subspace_alignment", "tca", "optimal_transport"]


def sides(n: int = 30, m: int = 20, d: int = 4) -> tuple[Values, Values]:
    rng = np.random.default_rng(n + m)
    mixed = rng.normal(size=(m, d)) @ rng.normal(size=(d, d))
    return rng.normal(size=(n, d)) * np.arange(1, d + 1), mixed + 3


def projector(columns: Values) -> Values:
    basis = orth(columns)
    return basis @ basis.T


@pytest.mark.parametrize("name", NAMES)
def test_it_goes_with_the_learner_that_needs_no_network(name: str) -> None:
    registry = default_registry()
    assert registry.partners("strategy", name)["learner"] == ["estimator"]
    assert registry.judge("digits", "estimator", name).lacks == ()


# CORAL


def test_coral_makes_covariances_equal_and_means_zero() -> None:
    source, target = sides()
    z_s, z_t = tlml.strategy("coral_map", reg=0.0).fit_transform(source, target)
    np.testing.assert_allclose(np.cov(z_s.T), np.cov(target.T), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(z_t, target - target.mean(0), rtol=1e-12)
    np.testing.assert_allclose(z_s.mean(0), 0, atol=1e-12)


def test_corals_ridge_is_in_units_of_the_mean_variance() -> None:
    source, target = sides()
    ridged = [np.cov(x.T) + 0.3 * np.mean(x.var(0, ddof=1)) * np.eye(4) for x in (source, target)]
    expected = (source - source.mean(0)) @ np.linalg.solve(sqrtm(ridged[0]), sqrtm(ridged[1]))
    found, _ = tlml.strategy("coral_map", reg=0.3).fit_transform(source, target)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_a_singular_covariance_needs_a_ridge() -> None:
    source, target = sides()
    source[:, 1] = 2.0
    with stops(
        "coral_map: the source's covariance is singular (rank 3 of 4: features are constant"
    ):
        tlml.strategy("coral_map", reg=0.0).fit_transform(source, target)
    # The target's need not be inverted.
    z_t, _ = tlml.strategy("coral_map", reg=0.0).fit_transform(target, source)
    np.testing.assert_allclose(np.cov(z_t.T), np.cov(source.T), rtol=1e-9, atol=1e-9)
    found, _ = tlml.strategy("coral_map").fit_transform(source, target)
    assert np.isfinite(found).all()


# Subspace alignment


@pytest.mark.parametrize(("n", "m", "d"), [(30, 20, 4), (9, 8, 12)])
def test_subspaces_are_those_of_the_singular_vectors(n: int, m: int, d: int) -> None:
    source, target = sides(n, m, d)
    found = tlml.strategy("subspace_alignment", components=3)
    z_s, z_t = found.fit_transform(source, target)
    centred = [x - x.mean(0) for x in (source, target)]
    p_s, p_t = (projector(np.linalg.svd(x)[2][:3].T) for x in centred)
    axes = found.kept["axes"].numpy()
    np.testing.assert_allclose(projector(axes), p_t, atol=1e-8)
    # In the target's axes the aligned source is its own projection, projected once more.
    np.testing.assert_allclose(z_s @ axes.T, centred[0] @ p_s @ p_t, atol=1e-7)
    np.testing.assert_allclose(z_t @ axes.T, centred[1] @ p_t, atol=1e-7)


# Transfer components


def components_by_the_paper(kernel: Values, n: int, mu: float, count: int) -> Values:
    """Return W by the paper's matrix, which is not symmetric."""
    total = len(kernel)
    e = np.r_[np.full(n, 1 / n), np.full(total - n, -1 / (total - n))][:, None]
    h = np.eye(total) - np.ones((total, total)) / total
    values, vectors = np.linalg.eig(
        np.linalg.inv(kernel @ e @ e.T @ kernel + mu * np.eye(total)) @ kernel @ h @ kernel
    )
    return np.real(vectors[:, np.argsort(-np.real(values))[:count]])


@pytest.mark.parametrize("kernel", ["rbf", "linear"])
@pytest.mark.parametrize("mu", [0.1, 10.0])
def test_tca_spans_the_leading_solutions(kernel: Any, mu: float) -> None:
    source, target = sides()
    tca = tlml.strategy("tca", components=2, kernel=kernel, gamma=0.05, mu=mu)
    z = np.concatenate(tca.fit_transform(source, target))
    both = np.concatenate([source, target])
    squares = np.array([[((a - b) ** 2).sum() for b in both] for a in both])
    matrix = both @ both.T if kernel == "linear" else np.exp(-0.05 * squares)
    weights = components_by_the_paper(matrix, len(source), mu, 2)
    np.testing.assert_allclose(projector(z), projector(matrix @ weights), atol=1e-6)
    np.testing.assert_allclose(
        projector(tca.kept["weights"].numpy()), projector(weights), atol=1e-6
    )


def test_tcas_components_have_the_scale_of_its_constraint() -> None:
    source, target = sides()
    tca = tlml.strategy("tca", components=3, mu=0.5)
    z_s, z_t = tca.fit_transform(source, target)
    weights = tca.kept["weights"].numpy()
    apart = (z_s.mean(0) - z_t.mean(0))[:, None]  # Wᵀ K e
    np.testing.assert_allclose(apart @ apart.T + 0.5 * weights.T @ weights, np.eye(3), atol=1e-9)
    scatter = np.cov(np.concatenate([z_s, z_t]).T)
    np.testing.assert_allclose(scatter - np.diag(scatter.diagonal()), 0, atol=1e-9)
    assert (np.diff(scatter.diagonal()) < 0).all()


def test_tcas_kernel_is_as_wide_as_the_median_distance() -> None:
    source, target = sides()
    both = np.concatenate([source, target])
    squares = [((a - b) ** 2).sum() for i, a in enumerate(both) for b in both[:i]]
    named = tlml.strategy("tca", gamma=1 / float(np.median(squares)))
    for own, other in zip(
        tlml.strategy("tca").fit_transform(source, target),
        named.fit_transform(source, target),
        strict=True,
    ):
        np.testing.assert_allclose(own, other, rtol=1e-9)


# All of them


@pytest.mark.parametrize("name", NAMES)
def test_what_comes_back_is_of_the_kind_that_was_given(name: str) -> None:
    arrays = sides()
    expected = tlml.strategy(name).fit_transform(*arrays)
    tensors = [torch.tensor(side).float() for side in arrays]
    mapped = tlml.strategy(name).fit_transform(*tensors)
    for wanted, found in zip(expected, mapped, strict=True):
        assert (type(wanted), wanted.dtype) == (np.ndarray, np.float64)
        assert found.dtype == torch.float32
        # Eigenvectors have no sign of their own, so compare what does not depend on it.
        np.testing.assert_allclose(
            (found @ found.T).numpy(), wanted @ wanted.T, rtol=1e-3, atol=1e-3
        )
    whole = tlml.strategy(name).fit_transform(*(side.round().long() for side in tensors))
    assert whole[0].dtype == torch.float32


@pytest.mark.parametrize("name", NAMES)
def test_further_inputs_are_mapped_as_the_targets_were(name: str) -> None:
    source, target = sides()
    strategy = tlml.strategy(name)
    _, z_t = strategy.fit_transform(source, target)
    np.testing.assert_allclose(strategy.transform(target[3:9]), z_t[3:9], atol=1e-9)
    assert strategy.transform(target[:0]).shape == (0, z_t.shape[1])


@pytest.mark.parametrize("name", NAMES)
def test_a_state_dict_restores_the_map(name: str, tmp_path: Path) -> None:
    source, target = sides()
    strategy, fresh = tlml.strategy(name), tlml.strategy(name)
    strategy.fit_transform(source, target)
    torch.save(strategy.state_dict(), tmp_path / "map.pt")
    fresh.load_state_dict(torch.load(tmp_path / "map.pt", weights_only=True))
    np.testing.assert_array_equal(fresh.transform(target), strategy.transform(target))


@pytest.mark.parametrize("name", ["coral_map", "subspace_alignment", "tca"])
def test_a_map_is_learned_before_it_is_used(name: str) -> None:
    source, target = sides()
    strategy = tlml.strategy(name)
    with stops(f"{name}: there is no map yet; learn it by fit_transform(source_x, target_x)"):
        strategy.transform(target)
    strategy.fit_transform(source, target)
    with stops(
        f"{name}: inputs must be [n, 4], as those that the map was learned from, are [20, 3]"
    ):
        strategy.transform(target[:, :3])


@pytest.mark.parametrize("name", ["subspace_alignment", "tca"])
def test_components_left_open_are_as_many_as_there_are(name: str) -> None:
    source, target = sides(40, 40, 50)
    assert tlml.strategy(name).fit_transform(source, target)[0].shape == (40, 30)
    narrow = [side[:, :2] for side in (source, target)]
    options = {"kernel": "linear"} if name == "tca" else {}
    assert tlml.strategy(name, **options).fit_transform(*narrow)[0].shape == (40, 2)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "subspace_alignment", {"components": 5},
            "components: 5 is more than the 3 directions in which the source varies; take",
        ),
        (
            "subspace_alignment", {"components": 3},
            "components: 3 is more than the 2 directions in which the target varies; take",
        ),
        (
            "tca", {"components": 6, "kernel": "linear"},
            "components: 6 is more than the 4 directions in which the kernel varies; take",
        ),
        (
            "tca", {"components": 60},
            "components: 60 is more than the 32 directions in which the kernel varies",
        ),
    ],
)  # fmt: skip
def test_more_components_than_directions_are_refused(name: str, options: Any, message: str) -> None:
    source, _ = sides()
    source[:, 1] = 7.0
    target = sides()[1][:3]
    with stops(message):
        tlml.strategy(name, **options).fit_transform(source, target)


@pytest.mark.parametrize("name", NAMES)
def test_inputs_that_cannot_be_mapped_are_refused(name: str) -> None:
    source, target = sides()
    broken, flat = source.copy(), np.ones((5, 4))
    broken[2, 3] = np.nan
    for given, message in [
        ((source[:1], target), "source inputs must be [n, d] with n of at least 2, are [1, 4]"),
        ((source, target[:, 0]), "target inputs must be [n, d] with n of at least 2, are [20]"),
        ((broken, target), "source inputs hold NaN or infinity; leave such rows out"),
        ((source, flat), "all target inputs are equal, so that they say nothing"),
        ((source, target[:, :3]), "source inputs have 4 dimensions, target inputs 3"),
    ]:
        with stops(f"{name}: {message}"):
            tlml.strategy(name).fit_transform(*given)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("coral_map", {"reg": -1}, "reg: must be at least 0, is -1"),
        ("subspace_alignment", {"components": 0}, "components: must be greater than 0, is 0"),
        ("tca", {"components": 0}, "components: must be greater than 0, is 0"),
        ("tca", {"kernel": "cosine"}, "kernel: 'cosine' is not one of rbf, linear"),
        ("tca", {"gamma": 0.0}, "gamma: must be greater than 0, is 0.0"),
        ("tca", {"mu": 0}, "mu: must be greater than 0, is 0"),
        ("optimal_transport", {"reg": -0.1}, "reg: must be at least 0, is -0.1"),
        ("optimal_transport", {"tolerance": 0}, "tolerance: must be greater than 0, is 0"),
        ("optimal_transport", {"max_steps": 0}, "max_steps: must be greater than 0, is 0"),
    ],
)
def test_options_out_of_range_are_refused(name: str, options: Any, message: str) -> None:
    with stops(message):
        tlml.strategy(name, **options)


# In the estimator


class Stretched(Domain[Table]):
    """Two classes, told apart by either of two inputs; the target's are shifted and stretched."""

    def __init__(self, number: int = 60) -> None:
        self.number = number
        self.x, self.y = Box(-np.inf, np.inf, (3,), np.float32), Discrete(2)

    def tasks(self, split: Split) -> Sequence[Table]:
        """Return the one task of a split."""
        rng = np.random.default_rng(SPLITS.index(split))
        labels = np.arange(self.number) % 2
        x = rng.normal(size=(self.number, 3)) * [0.3, 0.3, 0.8]
        x[:, :2] += 2 * labels[:, None] - 1
        if split == "target":
            x = x * [1.0, 1.5, 1.0] + [6.0, 0.0, 0.0]
        given = torch.from_numpy(x).float(), torch.from_numpy(labels)
        return [Table(split, *given, train=self.number // 2, test=self.number // 2)]


def fitted(name: str | None, **options: Any) -> Any:
    learner = tlml.learner(
        "estimator", strategy=name and tlml.strategy(name, **options), model="linear"
    )
    view = learner.view(Stretched(), batch_size=16, unlabelled=True)
    quiet_trainer(max_epochs=1, limit_val_batches=0).fit(learner, view)
    return learner


def accuracy(learner: Any, **options: Any) -> float:
    view = EpisodeView(Stretched(), queries=15, episodes=2, **options)
    (found,) = quiet_trainer().test(learner, view, verbose=False)
    return float(found["test_accuracy"])


@pytest.mark.parametrize("name", NAMES)
def test_a_model_of_the_source_serves_a_target_that_is_mapped(name: str) -> None:
    alone = fitted(None)
    assert accuracy(alone, shots=0) < 0.7
    # A kernel that is not linear may meet the target's mean with the classes exchanged.
    options = {"kernel": "linear", "components": 2} if name == "tca" else {}
    assert accuracy(alone, shots=0, adapt=tlml.strategy(name, **options)) > 0.9
    assert accuracy(fitted(name, **options), shots=2) > 0.9


def test_one_map_serves_all_episodes_unless_they_bring_the_inputs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    learner = fitted("coral_map")
    learned: list[int] = []
    kind, map_both = type(learner.strategy), type(learner.strategy).map_both

    def counted(self: Any, source: Values, target: Values) -> tuple[Values, Values]:
        learned.append(len(target))
        return map_both(self, source, target)

    monkeypatch.setattr(kind, "map_both", counted)
    accuracy(learner, shots=1)
    assert (learned, learner.transductive(learner.strategy)) == ([30], False)
    del learner.kept["target_x"]
    accuracy(learner, shots=1)
    assert (learned, learner.transductive(learner.strategy)) == ([30, 32, 32], True)


def test_a_checkpoint_predicts_as_before(tmp_path: Path) -> None:
    learner = fitted("subspace_alignment", components=2)
    before = accuracy(learner, shots=1, adapt=tlml.strategy("subspace_alignment", components=1))
    x = Stretched().tasks("target")[0].x
    expected = learner.predict_now(x)
    trainer = quiet_trainer()
    trainer.strategy.connect(learner)
    trainer.save_checkpoint(tmp_path / "map.ckpt")
    again = tlml.load(tmp_path / "map.ckpt")
    assert again.strategy.options == {"components": 2}
    torch.testing.assert_close(again.strategy.transform(x), learner.strategy.transform(x))
    torch.testing.assert_close(again.predict_now(x), expected)
    again_view = {"shots": 1, "adapt": tlml.strategy("subspace_alignment", components=1)}
    assert accuracy(again, **again_view) == before
