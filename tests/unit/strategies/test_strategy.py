from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any

import pytest
import torch
from bowls import NAMES, bowl, start
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import fails
from torch import Tensor, nn

import tlml
from tlml import Group, Phase, Strategy
from tlml.data import Batch, Params
from tlml.strategies import make_optimizer, overrides
from tlml.strategies.gradients import KeptLoss
from tlml.strategies.optimiser import OPTIMIZERS


class InPhases(Strategy):
    """Fine-tunes by given phases."""

    def __init__(self, given: Any, **options: Any) -> None:
        super().__init__(**options)
        self.given = given

    def phases(self, names: Any) -> Any:
        return self.given


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_the_default_steps_are_those_of_the_optimiser(optimizer, decay):
    strategy = Strategy(lr=0.05, steps=6, optimizer=optimizer, weight_decay=decay)
    batch = torch.ones(2)
    adapted = list(strategy.steps(bowl, start(), batch))
    leaves = {name: value.clone().requires_grad_() for name, value in start().items()}
    reference = make_optimizer(strategy, [{"params": list(leaves.values())}])
    assert type(reference) is OPTIMIZERS[optimizer]
    for values in adapted:
        reference.zero_grad()
        bowl(leaves, batch).backward()
        reference.step()
        for name, value in values.items():
            torch.testing.assert_close(value, leaves[name].detach(), rtol=1e-12, atol=1e-12)
    assert len(adapted) == 6
    assert float(bowl(adapted[-1], batch)) < float(bowl(start(), batch))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_what_a_phase_freezes_stays_bit_for_bit(optimizer, decay):
    phases = (Phase(2, (Group("head.*"),)), Phase(4, (Group("blocks.two.*"), Group("*", lr=0.0))),
              Phase(6))  # fmt: skip
    strategy = InPhases(phases, lr=0.05, steps=6, optimizer=optimizer, weight_decay=decay)
    values = [start(), *strategy.steps(bowl, start(), torch.ones(2))]
    for step in range(6):
        learns = ("head.", "blocks.two.", "")[step // 2]
        for name in NAMES:
            moved = not torch.equal(values[step][name], values[step + 1][name])
            assert moved == name.startswith(learns), (step, name)


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_what_is_unfrozen_late_takes_the_optimisers_first_step(optimizer):
    phases = (Phase(3, (Group("head.*"),)), Phase(4))
    strategy = InPhases(phases, lr=0.05, steps=4, optimizer=optimizer)
    last = strategy.adapt(bowl, start(), torch.ones(2))
    # Adam's first step is of the size of its rate, in the direction of the gradient's sign.
    for name in NAMES[:3]:
        moved = (last[name] - start()[name]).abs()
        torch.testing.assert_close(moved, torch.full_like(moved, 0.05), rtol=1e-6, atol=0)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_phase_scales_the_rate_of_its_groups(optimizer):
    scaled = InPhases((Phase(1.0, (Group("*", lr=0.5),)),), lr=0.1, steps=4, optimizer=optimizer)
    plain = Strategy(lr=0.05, steps=4, optimizer=optimizer)
    first, second = (one.adapt(bowl, start(), torch.ones(2)) for one in (scaled, plain))
    for name in NAMES:
        torch.testing.assert_close(first[name], second[name], rtol=1e-14, atol=0)


def test_a_phase_in_which_nothing_learns_changes_nothing():
    strategy = InPhases((Phase(2, ()), Phase(3)), steps=3)
    values = [start(), *strategy.steps(bowl, start(), torch.ones(2))]
    same = [all(torch.equal(a[n], b[n]) for n in NAMES) for a, b in pairwise(values)]
    assert same == [True, True, False]


@settings(max_examples=10)
@given(st.integers(0, 5), st.sampled_from(["sgd", "full", "linear_probe"]))
def test_the_loss_is_called_once_in_each_step_and_params_stay(steps, name):
    strategy, calls, params = tlml.strategy(name, steps=steps), [], start()
    network = nn.ModuleDict({"blocks": nn.Linear(1, 1), "head": nn.Linear(1, 1)})
    strategy.claim(network)

    def counted(at: Params, batch: Tensor) -> Tensor:
        calls.append(1)
        return bowl(at, batch)

    before = copy.deepcopy(params)
    found = list(strategy.steps(counted, params, torch.ones(2)))
    assert len(found) == len(calls) == steps
    assert all(torch.equal(params[n], before[n]) for n in NAMES)
    last = strategy.adapt(bowl, params, torch.ones(2))
    expected = found[-1] if found else params
    assert all(torch.equal(last[n], expected[n]) for n in NAMES)
    # What was yielded isn't overwritten by later steps.
    assert len({float(values["head.bias"][0]) for values in found}) == steps


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_a_linear_probe_keeps_the_features_bit_for_bit(optimizer, decay):
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 2))
    learner = tlml.learner(
        "supervised", network=network,
        strategy=tlml.strategy("linear_probe", optimizer=optimizer, weight_decay=decay, steps=5),
    )  # fmt: skip
    support = Batch(torch.randn(6, 3), torch.tensor([0, 1] * 3))
    adapted = learner.adapted(support)
    for name, value in network.named_parameters():
        assert torch.equal(adapted[name], value) == (not name.startswith("3."))


def test_scratch_forgets_and_is_a_function_of_the_seed():
    def adapted(seed: int) -> Params:
        torch.manual_seed(seed + 10)
        network = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
        learner = tlml.learner("supervised", network=network, strategy="scratch", seed=seed)
        return learner.adapted(Batch(torch.ones(2, 2), torch.ones(2, 1)))

    first, again, other = adapted(0), adapted(0), adapted(1)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not any(torch.equal(first[name], other[name]) for name in first)


def test_fresh_parameters_are_not_the_learned_ones():
    network = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    learner = tlml.learner(
        "supervised", network=network, strategy=tlml.strategy("scratch", steps=0)
    )
    adapted = learner.adapted(Batch(torch.ones(2, 2), torch.ones(2, 1)))
    assert not any(torch.equal(adapted[name], p) for name, p in network.named_parameters())


def test_a_strategy_belongs_to_one_learner():
    strategy = tlml.strategy("sgd")
    tlml.learner("maml", network=nn.Linear(2, 1), strategy=strategy)
    with fails("strategy Sgd: it belongs to a learner already; make a new one for each learner"):
        tlml.learner("maml", network=nn.Linear(2, 1), strategy=strategy)


@pytest.mark.parametrize("name", ["sgd", "full", "linear_probe", "scratch"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": 0.0}, "lr: must be greater than 0, is 0.0"),
        ({"lr": -0.1}, "lr: must be greater than 0, is -0.1"),
        ({"steps": -1}, "steps: must be at least 0, is -1"),
        ({"batchnorm": "bath"}, "batchnorm: 'bath' is not one of batch, stored"),
    ],
)
def test_options_out_of_range_are_refused(name, options, message):
    kind = type(tlml.strategy(name))
    with fails(message):
        kind(**options)


def test_what_a_strategy_does_not_write_it_does_not_do():
    strategy = Strategy()
    assert strategy.terms(None) == {}
    assert strategy.weigh_samples(torch.ones(2), torch.ones(2)) is None
    assert not overrides(strategy, "terms")
    assert overrides(InPhases(()), "phases")
    with fails("Strategy gives no estimates: it has no estimate()"):
        strategy.estimate(None, torch.ones(1), None)
    with fails("Strategy relates no tasks: it has no relate()"):
        strategy.relate(None, None)


def test_phases_may_name_what_a_user_froze():
    params, batch = start(), torch.ones(2)
    first = next(iter(params))
    kept = {first: params.pop(first)}
    strategy = InPhases([Phase(1, [Group(first)]), Phase(1.0, [Group("*")])], lr=0.1, steps=2)
    before, after = strategy.steps(KeptLoss(bowl, kept), params, batch)
    for name, value in params.items():
        assert torch.equal(before[name], value)
        assert not torch.equal(after[name], value)
    assert before.keys() == after.keys() == params.keys()
