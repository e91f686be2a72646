"""Losses that act in adaptation alone, against NumPy and loops in float64."""

from __future__ import annotations

import copy
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from adapting import adapted, interrupted, problem_of
from refusals import stops
from tiny import Tables
from torch import Tensor, nn
from trainers import fitting_trainer

import tlml
from tlml import Batch, EpisodeView, PairView
from tlml.finetuning import Adaptation

NAMES = ("l2_sp", "bss", "rkd")


def network(dropout: float = 0.0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return nn.Sequential(
            nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Dropout(dropout), nn.Linear(4, 3)
        )


def features(n: int = 6, d: int = 4, seed: int = 0) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def slope_is_that_of_differences(loss: Any, x: Tensor) -> None:
    x = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(loss(x), x)
    way = features(*x.shape, seed=9)
    ahead, behind = (loss(x.detach() + sign * 1e-6 * way) for sign in (1, -1))
    torch.testing.assert_close((slope * way).sum(), (ahead - behind) / 2e-6, rtol=1e-6, atol=1e-9)


# The penalties


def test_l2_sp_pulls_what_was_trained_to_its_start_and_what_is_new_to_zero() -> None:
    start = {"body.weight": features(), "body.bias": features(1, 4)[0]}
    start |= {"head.weight": torch.zeros(2, 4).double(), "head.bias": torch.zeros(2).double()}
    now = {name: value + 0.5 + value.square() for name, value in start.items()}
    strategy = tlml.strategy("l2_sp", alpha=0.3, beta=0.7)
    strategy.start(start, dict)
    body = sum(((now[n] - start[n]).numpy() ** 2).sum() for n in ("body.weight", "body.bias"))
    head = sum((now[n].numpy() ** 2).sum() for n in ("head.weight", "head.bias"))
    expected = 0.15 * body + 0.35 * head
    np.testing.assert_allclose(strategy.penalty(now).item(), expected, rtol=1e-14)


def test_new_parameters_can_be_named() -> None:
    start = {"body.weight": features(), "top.weight": features(2, 4, seed=1)}
    strategy = tlml.strategy("l2_sp", alpha=1.0, beta=1.0, new="top.*")
    strategy.start(start, dict)
    expected = (start["top.weight"].numpy() ** 2).sum() / 2
    np.testing.assert_allclose(strategy.penalty(start).item(), expected, rtol=1e-14)
    unknown = tlml.strategy("l2_sp", new=["tpo.weight"])
    unknown.start(start, dict)
    with stops("new: 'tpo.weight' matches no parameter; did you mean top.weight?"):
        unknown.penalty(start)


@pytest.mark.parametrize("k", [1, 3, 9])
def test_bss_is_the_sum_of_the_least_squared_singular_values(k: int) -> None:
    x = features()
    strategy = tlml.strategy("bss", k=k)
    values = np.linalg.svd(x.numpy(), compute_uv=False)
    expected = (np.sort(values)[:k] ** 2).sum()
    np.testing.assert_allclose(strategy.penalty(x).item(), expected, rtol=1e-12)
    slope_is_that_of_differences(strategy.penalty, x)


def test_bss_of_dependent_features_is_zero_with_a_finite_slope() -> None:
    x = features().index_fill(1, torch.tensor([2]), 0.0).requires_grad_()
    (slope,) = torch.autograd.grad(tlml.strategy("bss").penalty(x), x)
    assert bool(torch.isfinite(slope).all())
    with stops("bss: features must be [n, d], are [6]"):
        tlml.strategy("bss").penalty(x[:, 0])


def huber(a: float, b: float) -> float:
    return 0.5 * (a - b) ** 2 if abs(a - b) <= 1 else abs(a - b) - 0.5


def by_pairs(teacher: np.ndarray, student: np.ndarray) -> float:
    pairs = list(itertools.permutations(range(len(teacher)), 2))
    lengths = [[np.linalg.norm(f[i] - f[j]) for i, j in pairs] for f in (teacher, student)]
    scaled = [np.array(side) / np.mean(side) for side in lengths]
    return float(np.mean([huber(a, b) for a, b in zip(*scaled, strict=True)]))


def by_triplets(teacher: np.ndarray, student: np.ndarray) -> float:
    def cosine(f: np.ndarray, i: int, j: int, k: int) -> float:
        one, other = f[i] - f[j], f[k] - f[j]
        return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))

    triplets = list(itertools.permutations(range(len(teacher)), 3))
    return float(np.mean([huber(cosine(teacher, *t), cosine(student, *t)) for t in triplets]))


@pytest.mark.parametrize(("distance", "angle"), [(1.0, 0.0), (0.0, 1.0), (1.5, 0.5)])
def test_rkd_is_its_definition_pair_by_pair_and_triplet_by_triplet(
    distance: float, angle: float
) -> None:
    teacher, student = features(seed=1), 9 * features(seed=2) ** 3
    strategy = tlml.strategy("rkd", distance=distance, angle=angle)
    sides = teacher.numpy(), student.numpy()
    expected = distance * by_pairs(*sides) + angle * by_triplets(*sides)
    np.testing.assert_allclose(strategy.penalty(teacher, student).item(), expected, rtol=1e-12)
    slope_is_that_of_differences(lambda x: strategy.penalty(teacher, x), student)


def test_rkd_takes_equal_examples_and_other_dimensions_and_no_relations() -> None:
    strategy = tlml.strategy("rkd")
    student = torch.cat([features(), features()[:1]]).requires_grad_()
    loss = strategy.penalty(features(7, 9), student)
    (slope,) = torch.autograd.grad(loss, student)
    assert bool(torch.isfinite(slope).all())
    assert strategy.penalty(student, student).item() == pytest.approx(0, abs=1e-12)
    with stops("rkd: all features are equal, so that their distances have no scale"):
        strategy.penalty(features(), torch.ones(6, 2))
    with stops("rkd: the teacher's features are of 6 examples, the student's of 5"):
        strategy.penalty(features(), features(5))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("l2_sp", {"alpha": -1}, "alpha: must be at least 0, is -1"),
        ("l2_sp", {"beta": -1}, "beta: must be at least 0, is -1"),
        ("bss", {"k": 0}, "k: must be greater than 0, is 0"),
        ("bss", {"weight": -1}, "weight: must be at least 0, is -1"),
        ("rkd", {"distance": -1}, "distance: must be at least 0, is -1"),
        ("rkd", {"angle": -1}, "angle: must be at least 0, is -1"),
    ],
)
def test_options_out_of_range_are_refused(name: str, options: Any, message: str) -> None:
    with stops(message):
        tlml.strategy(name, **options)


# On episodes


def test_the_steps_of_l2_sp_are_those_of_gradient_descent_on_both_losses() -> None:
    net = nn.Linear(2, 1, bias=False).double()
    x, y = features(5, 2), features(5, 1, seed=1)
    strategy = tlml.strategy("l2_sp", alpha=0.4, lr=0.1, steps=4, optimizer="sgd")
    problem = problem_of(net, strategy)
    found = problem.adapted(Batch(x, y))["weight"]
    start = net.weight.detach().numpy().T
    w, velocity = start.copy(), np.zeros_like(start)
    for _ in range(4):
        slope = 2 * x.numpy().T @ (x.numpy() @ w - y.numpy()) / 5 + 0.4 * (w - start)
        velocity = 0.9 * velocity + slope
        w -= 0.1 * velocity
    np.testing.assert_allclose(found.numpy().T, w, rtol=1e-12)
    assert problem.adapter.attempt.calls == 4


@pytest.mark.parametrize("name", NAMES)
def test_a_step_takes_one_forward_pass_and_tests_leave_the_network_alone(name: str) -> None:
    net = network()
    before = copy.deepcopy(net.state_dict())
    problem = problem_of(net, tlml.strategy(name, steps=3))
    calls: list[Tensor] = []
    hook = net.register_forward_hook(lambda *_: calls.append(_[2]))
    support = Batch(features(6, 2).float(), torch.arange(6) % 3)
    problem.predict(support, features(4, 2).float())
    hook.remove()
    teacher = 3 if name == "rkd" else 0
    assert len(calls) == 3 + 1 + teacher
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())


@pytest.mark.parametrize(
    ("name", "weak", "strong"),
    [
        ("l2_sp", {"alpha": 0.0}, {"alpha": 10.0}),
        ("bss", {"weight": 0.0}, {"weight": 1.0}),
        ("rkd", {"distance": 0.0, "angle": 0.0}, {"distance": 100.0, "angle": 100.0}),
    ],
)
def test_it_does_what_it_is_for(name: str, weak: Any, strong: Any) -> None:
    support = Batch(features(9, 2).float(), torch.arange(9) % 3)
    found = []
    for options in (weak, strong):
        net, source = network().eval(), network().eval()
        problem = problem_of(net, tlml.strategy(name, steps=30, lr=0.02, **options))
        net.load_state_dict(dict(problem.adapted(support)), strict=False)
        with torch.no_grad():
            after, before = net[:4](support.x), source[:4](support.x)
            moved = [p - q for p, q in zip(net.parameters(), source.parameters(), strict=True)]
            value: Any = {
                "l2_sp": sum(each.square().sum() for each in moved),
                "bss": torch.linalg.svdvals(after)[-1],
                "rkd": tlml.strategy("rkd").penalty(before, after),
            }[name]
        found.append(float(value))
    assert found[1] < found[0] / 2


@pytest.mark.parametrize("name", NAMES)
def test_without_labels_there_is_nothing_to_adapt_to(name: str) -> None:
    net = network()
    problem = problem_of(net, tlml.strategy(name))
    x = features(4, 2).float()
    with torch.no_grad():
        expected = net(x)
    nothing = Batch(x[:0], torch.zeros(0, dtype=torch.int64))
    assert torch.equal(problem.predict(nothing, x), expected)
    assert problem.adapter.attempt.calls == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_new_head_is_adapted_in_a_test(name: str) -> None:
    domain = Tables(classes=3)
    learner = tlml.learner("supervised", network=network())
    learner.view(domain)
    view = EpisodeView(
        domain, shots=2, queries=2, episodes=2, head="new", adapt=tlml.strategy(name, steps=2)
    )
    fitting_trainer().test(learner, view, verbose=False)
    assert [record["gradient_steps"] for record in learner.records] == [2, 2]


# At length


@pytest.mark.parametrize("name", NAMES)
def test_it_takes_no_part_in_training(name: str) -> None:
    domain, states = Tables(classes=3), []
    for strategy in (name, "full"):
        learner = tlml.learner("supervised", network=network(), strategy=strategy)
        fitting_trainer(max_epochs=2).fit(learner, learner.view(domain, queries=2))
        states.append(learner.network.state_dict())
    assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("head", ["kept", "new"])
def test_a_resumed_adaptation_keeps_to_the_first_start(
    name: str, head: Any, tmp_path: Path
) -> None:
    view = PairView(Tables(classes=3), source=False, shots=3, queries=1, batch_size=5)
    strong = {"l2_sp": {"alpha": 5.0}, "bss": {}, "rkd": {"distance": 5.0}}[name]

    def make() -> Adaptation:
        learner = tlml.learner("supervised", network=network(0.2))
        learner.meet(view.target_spaces)
        return Adaptation(learner, tlml.strategy(name, lr=0.05, **strong), head)

    whole, resumed = interrupted(tmp_path, make, view, list)
    assert all(torch.equal(value, resumed[key]) for key, value in whole.items())
    plain = adapted(network(), tlml.strategy("full", lr=0.05), view).state_dict()
    assert not torch.equal(plain["0.weight"], whole["learner.network.0.weight"])


def test_the_teacher_has_the_statistics_that_it_began_with() -> None:
    net = network()
    teacher = copy.deepcopy(net).eval()
    seen: list[tuple[Tensor, Tensor]] = []
    strategy = tlml.strategy("rkd", lr=0.05)
    penalty = strategy.penalty
    strategy.penalty = lambda one, other: (seen.append((one, other)), penalty(one, other))[1]
    xs: list[Tensor] = []
    hook = net.register_forward_pre_hook(lambda _, given: xs.append(given[0]))
    view = PairView(Tables(classes=3), source=False, shots=3, queries=1)
    adapted(net, strategy, view, max_epochs=3)
    hook.remove()
    assert not torch.equal(net[1].running_mean, teacher[1].running_mean)
    with torch.no_grad():
        expected = teacher[:4](xs[-1])
    torch.testing.assert_close(seen[-1][0], expected)
    assert not seen[-1][0].requires_grad


def test_the_teacher_leaves_layers_in_two_places_to_the_network() -> None:
    act, block = nn.PReLU(), nn.Linear(4, 4)
    net = nn.Sequential(nn.Linear(2, 4), act, block, act, block, nn.Linear(4, 3))
    before = dict(net.named_parameters())
    start = {name: value.detach().clone() for name, value in before.items()}
    view = PairView(Tables(classes=3), source=False, shots=3, queries=1)
    adapted(net, tlml.strategy("rkd", lr=0.05), view, max_epochs=1)
    after = dict(net.named_parameters(remove_duplicate=False))
    assert all(after[name] is value for name, value in before.items())
    assert after["3.weight"] is act.weight and after["4.weight"] is block.weight
    assert not any(torch.equal(value, start[name]) for name, value in before.items())
