from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete, MultiBinary
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from tiny import Tables
from torch.func import grad, vmap

import tlml
from tlml.errors import TlmlError
from tlml.metrics import (
    LOSSES,
    backward_transfer,
    backward_transfer_and_interference,
    bootstrap_interval,
    criterion,
    forgetting,
    forward_transfer,
    interquartile_mean,
    learning_accuracy,
    loss_for,
    measured,
    paired_difference,
    primary,
    retained_accuracy,
    task_metrics,
)

CLASSES, VALUES = Discrete(3), Box(-1.0, 1.0, (2,))


R = np.array([[0.9, 0.3, 0.2], [0.7, 0.8, 0.4], [0.6, 0.5, 1.0]])


def message(call, *arguments, **options) -> str:
    with pytest.raises(TlmlError) as caught:
        call(*arguments, **options)
    return str(caught.value)


def test_the_loss_follows_the_targets():
    scores = torch.tensor([[2.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    y = torch.tensor([0, 2])
    by_hand = -sum(
        math.log(math.exp(row[label]) / sum(math.exp(v) for v in row))
        for row, label in zip(scores.tolist(), y.tolist(), strict=True)
    )
    for integers in (y, y.int(), y.to(torch.uint8)):
        assert criterion(scores, integers).item() == pytest.approx(by_hand / 2)
    values = torch.tensor([[1.0, 0.0, 1.0], [0.0, 3.0, 0.0]])
    assert criterion(scores, values).item() == pytest.approx((1 + 4) / 6)
    assert criterion(scores, values.double()).dtype == torch.float32


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mse", (0.25 + 9) / 2),
        ("l1", (0.5 + 3) / 2),
        ("huber", (0.125 + 2.5) / 2),
        ("smooth_l1", (0.125 + 2.5) / 2),
        ("bce", (math.log1p(math.exp(0.5)) - 0.5 * 1 + math.log1p(math.exp(3)) - 3 * 0) / 2),
    ],
)
def test_named_losses_are_means_of_the_textbook_ones(name, expected):
    scores = torch.tensor([0.5, 3.0])
    y = torch.tensor([1.0, 0.0]) if name == "bce" else torch.zeros(2)
    assert criterion(scores, y, name).item() == pytest.approx(expected)


def test_cross_entropy_takes_probabilities():
    scores, y = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.5, 0.5]])
    expected = -0.5 * torch.log_softmax(scores, -1).sum()
    assert criterion(scores, y, "cross_entropy").item() == pytest.approx(expected.item())


def test_losses_of_spaces_pickle_and_follow_the_name():
    loss = pickle.loads(pickle.dumps(loss_for(VALUES, "l1")))
    assert loss(torch.zeros(2, 2), torch.full((2, 2), -3.0)).item() == 3.0
    scores, y = torch.zeros(2, 3), torch.tensor([0, 1])
    assert loss_for(CLASSES)(scores, y).item() == pytest.approx(math.log(3))
    assert loss_for(CLASSES, "cross_entropy")(scores, y).item() == pytest.approx(math.log(3))


@pytest.mark.parametrize("y", [torch.tensor([[0, 1], [2, 1]]), torch.rand(2, 2, 3)])
def test_losses_run_under_vmap_of_grad(y):
    scores = torch.rand(2, 2, 3)
    stacked = vmap(grad(criterion))(scores, y)
    assert torch.allclose(stacked[1], grad(criterion)(scores[1], y[1]))


@pytest.mark.parametrize(
    ("scores", "y", "name", "expected"),
    [
        ((4,), (4, 1), None, "loss mse: needs equal shapes, scores are [4] and targets [4, 1]"),
        ((4, 1), (4,), "l1", "loss l1: needs equal shapes, scores are [4, 1] and targets [4]"),
        (
            (4, 3),
            (4,),
            "cross_entropy",
            "loss cross_entropy: needs equal shapes, scores are [4, 3] and targets [4]",
        ),
    ],
)
def test_values_of_other_shapes_are_never_broadcast(scores, y, name, expected):
    assert message(criterion, torch.zeros(scores), torch.zeros(y), name) == expected


@pytest.mark.parametrize(("scores", "y"), [((4, 3), (4, 1)), ((4,), (4,)), ((4, 3), (3,))])
def test_classes_of_other_shapes_are_refused(scores, y):
    expected = (
        "needs scores [n, classes] and classes [n], "
        f"scores are {list(scores)} and targets {list(y)}"
    )
    arguments = torch.zeros(scores), torch.zeros(y, dtype=torch.int64)
    assert message(criterion, *arguments) == f"loss cross_entropy: {expected}"
    assert message(task_metrics, CLASSES, *arguments) == f"accuracy: {expected}"


def test_losses_that_do_not_fit_are_refused_before_training():
    expected = "no loss is called 'msee'; did you mean mse?"
    assert message(loss_for, VALUES, "msee") == expected
    assert message(criterion, torch.zeros(1), torch.zeros(1), "msee") == expected
    assert message(loss_for, CLASSES, "mse") == (
        "loss mse: compares values, the targets are Discrete(3); use cross_entropy"
    )
    expected = "targets must be Discrete (classes) or a Box (values), the space is MultiBinary(2)"
    assert message(loss_for, MultiBinary(2)) == expected
    assert message(primary, MultiBinary(2)) == expected


def test_every_loss_exists_in_torch():
    assert all(hasattr(torch.nn.functional, function) for function in LOSSES.values())


def test_the_primary_metric_follows_the_space():
    assert primary(CLASSES) == ("accuracy", True)
    assert primary(VALUES) == ("mse", False)


class Ranked(Tables):
    """Tables whose classes are ranked: the place of the right one counts, the first best."""

    metric = tlml.Metric("rank", higher_is_better=False)

    def measure(self, batch, scores):
        above = (scores > scores.gather(1, batch.y[:, None])).sum(1)
        return {"first": (above == 0).float().mean(), "rank": above.float().mean()}


def test_a_domain_may_be_measured_by_a_metric_of_its_own():
    domain = Ranked(classes=3)
    assert primary(CLASSES, domain) == ("rank", False)
    assert primary(CLASSES, Tables(classes=3)) == ("accuracy", True)
    batch = tlml.Batch(torch.zeros(2, 2), torch.tensor([0, 1]))
    scores = torch.tensor([[3.0, 2.0, 1.0], [3.0, 1.0, 2.0]])
    found = measured(domain, CLASSES, batch, scores)
    assert list(found) == ["rank", "first"]  # the primary one comes first
    assert [value.item() for value in found.values()] == [1.0, 0.5]
    for other in (None, Tables(classes=3)):
        assert measured(other, CLASSES, batch, scores).keys() == {"accuracy"}


def test_a_metric_without_its_measure_is_an_error():
    domain, batch = Tables(classes=3), tlml.Batch(torch.zeros(1, 2), torch.zeros(1).long())
    domain.metric = tlml.Metric("rank", higher_is_better=False)
    assert message(measured, domain, CLASSES, batch, torch.zeros(1, 3)) == (
        "Tables has a metric and no measure(): write it"
    )
    domain.measure = lambda batch, scores: {}
    assert message(measured, domain, CLASSES, batch, torch.zeros(1, 3)) == (
        "Tables: measure() gives nothing, and not 'rank', which its metric says"
    )


def test_task_metrics_equal_their_definitions():
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(50, 3, generator=generator)
    y = torch.randint(3, (50,), generator=generator)
    hits = sum(int(row.argmax()) == int(label) for row, label in zip(scores, y, strict=True))
    metrics = task_metrics(CLASSES, scores, y.int())
    assert {name: value.item() for name, value in metrics.items()} == {
        "accuracy": pytest.approx(hits / 50)
    }
    values = torch.randn(50, 3, dtype=torch.float64, generator=generator)
    metrics = task_metrics(Box(-1.0, 1.0, (3,)), scores.double(), values)
    assert list(metrics) == ["mse"]
    assert metrics["mse"].shape == ()
    expected = np.mean((scores.double().numpy() - values.numpy()) ** 2)
    assert metrics["mse"].item() == pytest.approx(expected)
    assert message(task_metrics, VALUES, torch.zeros(4), torch.zeros(4, 1)) == (
        "mse: needs equal shapes, scores are [4] and targets [4, 1]"
    )


def test_metrics_of_a_stream_by_hand():
    assert retained_accuracy(R) == pytest.approx((0.6 + 0.5 + 1.0) / 3)
    assert learning_accuracy(R) == pytest.approx((0.9 + 0.8 + 1.0) / 3)
    assert backward_transfer_and_interference(R) == pytest.approx((-0.3 - 0.3 + 0) / 3)
    assert backward_transfer(R) == pytest.approx((-0.3 - 0.3) / 2)
    assert forward_transfer(R, [0.1, 0.2, 0.1]) == pytest.approx((0.1 + 0.3) / 2)
    assert forgetting(R) == pytest.approx((0.9 - 0.6 + max(R[0, 1], 0.8) - 0.5) / 2)
    assert forgetting(1 - R, higher_is_better=False) == pytest.approx(forgetting(R))


square = st.integers(2, 5).flatmap(lambda t: arrays(float, (t, t), elements=st.floats(0, 1)))


@given(square)
def test_metrics_of_a_stream_equal_loops_over_tasks(matrix):
    tasks = len(matrix)
    forgotten = [matrix[tasks - 1, j] - matrix[j, j] for j in range(tasks)]
    assert backward_transfer_and_interference(matrix) == pytest.approx(sum(forgotten) / tasks)
    assert backward_transfer(matrix) == pytest.approx(sum(forgotten[:-1]) / (tasks - 1))
    lost = [max(matrix[t, j] for t in range(tasks - 1)) - matrix[-1, j] for j in range(tasks - 1)]
    assert forgetting(matrix) == pytest.approx(sum(lost) / (tasks - 1))
    gained = [matrix[-1, j] - min(matrix[t, j] for t in range(tasks - 1)) for j in range(tasks - 1)]
    assert forgetting(matrix, higher_is_better=False) == pytest.approx(sum(gained) / (tasks - 1))
    ahead = [matrix[j - 1, j] - matrix[0, j] for j in range(1, tasks)]
    assert forward_transfer(matrix, matrix[0]) == pytest.approx(sum(ahead) / (tasks - 1))


def test_what_was_not_measured_does_not_spoil_the_rest():
    lower = np.where(np.tri(3, dtype=bool), R, np.nan)
    assert backward_transfer(lower) == pytest.approx(-0.3)
    assert forgetting(lower) == pytest.approx(0.3)
    assert math.isnan(forward_transfer(lower, [0, 0, 0]))


def test_matrices_of_other_shapes_are_refused():
    expected = "accuracies after each task: must be [T, T] with T at least {}, the shape is {}"
    assert message(retained_accuracy, R[:2]) == expected.format(1, [2, 3])
    assert message(backward_transfer, [[0.5]]) == expected.format(2, [1, 1])
    assert message(forgetting, [[0.5]]) == expected.format(2, [1, 1])
    assert backward_transfer_and_interference([[0.5]]) == 0
    assert message(forward_transfer, R, [0.1]) == (
        "forward transfer: needs 3 accuracies before training, their shape is [1]"
    )


def slow_interval(values: np.ndarray, seed: int, resamples: int) -> tuple[float, float]:
    """The definition in loops: seeds with replacement, then each one's episodes."""
    rng = np.random.default_rng(seed)
    means = []
    for _ in range(resamples):
        drawn = [values[rng.integers(len(values))] for _ in values]
        scores = [row[rng.integers(len(row))] for row in drawn for _ in row]
        means.append(sum(scores) / len(scores))
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


@pytest.mark.parametrize("shape", [(1, 40), (4, 10)])
def test_the_interval_equals_a_bootstrap_in_loops(shape):
    rng = np.random.default_rng(5)
    values = rng.normal(size=shape) + rng.normal(size=(shape[0], 1))
    interval = bootstrap_interval(values, resamples=4000)
    slow = slow_interval(values, 1, 4000)
    width = slow[1] - slow[0]
    assert interval == pytest.approx(slow, abs=0.06 * width)
    flat = bootstrap_interval(values[0]), bootstrap_interval(values[:1])
    assert flat[0] == flat[1]


def test_the_interval_of_one_row_equals_scipys():
    values = np.random.default_rng(6).exponential(size=60)
    reference = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=9999, rng=np.random.default_rng(7)
    ).confidence_interval
    width = reference.high - reference.low
    assert bootstrap_interval(values, resamples=9999) == pytest.approx(
        (reference.low, reference.high), abs=0.05 * width
    )


def test_the_interval_over_seeds_has_the_variance_of_both_levels():
    rng = np.random.default_rng(8)
    values = rng.normal(size=(30, 40)) + 0.5 * rng.normal(size=(30, 1))
    between, within = values.mean(1).var() / 30, values.var(axis=1).mean() / (30 * 40)
    low, high = bootstrap_interval(values, resamples=20_000, level=0.9)
    expected = 2 * stats.norm.ppf(0.95) * math.sqrt(between + within)
    assert high - low == pytest.approx(expected, rel=0.03)
    pooled = bootstrap_interval(values.ravel(), level=0.9)
    assert high - low > 2 * (pooled[1] - pooled[0]), "pooling would take seeds for episodes"


def test_the_interval_is_a_function_of_its_seed_and_takes_a_generator():
    values = np.arange(10.0)
    assert bootstrap_interval(values, 3) == bootstrap_interval(values, np.random.default_rng(3))
    assert bootstrap_interval(values, 3) != bootstrap_interval(values, 4)
    narrow, wide = (bootstrap_interval(values, 3, level=level) for level in (0.5, 0.95))
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_large_tables_are_resampled_in_parts_without_loss():
    values = np.random.default_rng(9).normal(size=(2, 1000))
    whole = bootstrap_interval(values, resamples=1500)  # 3 million draws, more than one part
    assert whole == pytest.approx(bootstrap_interval(values, 1, resamples=500), rel=0.2, abs=0.03)


@given(st.floats(-1e3, 1e3), st.integers(1, 9))
def test_equal_scores_have_an_interval_without_width(score, count):
    interval = bootstrap_interval([score] * count, resamples=20)
    assert interval == pytest.approx((score, score))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_scores_that_are_not_finite_give_no_interval(bad):
    assert all(math.isnan(bound) for bound in bootstrap_interval([0.5, bad]))
    assert all(math.isnan(value) for value in paired_difference([0.5, bad], [0.5, bad]))
    assert all(math.isnan(value) for value in paired_difference([0.5, 1], [0.5, bad]))


def test_bad_options_of_the_interval_are_refused():
    assert message(bootstrap_interval, []) == (
        "scores: must be [episodes] or [seeds, episodes], and some; the shape is [0]"
    )
    assert message(bootstrap_interval, np.zeros((2, 2, 2))) == (
        "scores: must be [episodes] or [seeds, episodes], and some; the shape is [2, 2, 2]"
    )
    assert message(bootstrap_interval, [1], level=95) == "level: must be above 0 and below 1, is 95"
    assert message(bootstrap_interval, [1], resamples=0) == (
        "resamples: must be greater than 0, is 0"
    )


@given(arrays(float, st.integers(1, 40), elements=st.floats(-100, 100)))
def test_the_interquartile_mean_drops_a_quarter_on_each_side(values):
    cut = len(values) // 4
    kept = sorted(values.tolist())[cut : len(values) - cut]
    assert interquartile_mean(values) == pytest.approx(sum(kept) / len(kept), abs=1e-9)
    assert interquartile_mean(values.reshape(1, -1)) == interquartile_mean(values)


def test_the_interquartile_mean_bears_what_it_drops_only():
    assert interquartile_mean([0.5, 0.5, 0.5, math.inf]) == 0.5
    assert math.isnan(interquartile_mean([0.5, 0.5, 0.5, math.nan]))


def test_the_paired_difference_is_taken_episode_by_episode():
    rng = np.random.default_rng(10)
    episodes = rng.normal(size=(3, 50)) * 5
    a, b = episodes + 0.2 + 0.1 * rng.normal(size=(3, 50)), episodes
    mean, low, high = paired_difference(a, b, 1)
    assert mean == pytest.approx(np.mean(a) - np.mean(b))
    assert (low, high) == bootstrap_interval(a - b, 1)
    assert 0.1 < low < mean < high < 0.3
    assert bootstrap_interval(a)[0] < bootstrap_interval(b)[1], "unpaired it drowns"


def test_episodes_that_are_not_the_same_are_refused():
    assert message(paired_difference, [1, 2, 3], [[1, 2], [3, 4]]) == (
        "paired difference: needs the same episodes, the scores have shapes [3] and [2, 2]"
    )
