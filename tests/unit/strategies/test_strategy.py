from __future__ import annotations

import copy
import re
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import tlml
from tlml import Group, Phase, Strategy, TlmlError
from tlml.data import Batch, Params
from tlml.strategies import FirstOrder, make_optimizer, overrides, weights_of
from tlml.strategies.optimiser import OPTIMIZERS
from tlml.strategies.phases import joined_groups, matching, phase_at, until_step
from tlml.testing.toys import LearnedRates

NAMES = ("blocks.one.weight", "blocks.one.bias", "blocks.two.weight", "head.weight", "head.bias")


def fails(message: str):
    return pytest.raises(TlmlError, match=f"^{re.escape(message)}$")


def bowl(params: Params, batch: Tensor) -> Tensor:
    """Return a loss whose third derivative isn't zero, in all parameters."""
    return torch.stack(
        [((p - batch.mean()) ** 4).sum() + (p**2).sum() for p in params.values()]
    ).sum()


def start() -> dict[str, Tensor]:
    rng = torch.Generator().manual_seed(1)
    return {name: torch.randn(3, generator=rng, dtype=torch.float64) for name in NAMES}


# tlml.gradient


def test_a_gradient_is_that_of_autograd_by_name():
    params, batch = start(), torch.ones(2)
    leaves = {name: value.clone().requires_grad_() for name, value in params.items()}
    expected = torch.autograd.grad(bowl(leaves, batch), list(leaves.values()))
    found = tlml.gradient(bowl, params, batch)
    assert list(found) == list(params)
    for name, slope in zip(params, expected, strict=True):
        torch.testing.assert_close(found[name], slope, rtol=1e-14, atol=0)
    assert all(not value.requires_grad for value in params.values())


def test_a_gradient_works_in_inference_mode_and_where_nothing_needs_gradients():
    expected = tlml.gradient(bowl, start(), torch.ones(2))
    with torch.inference_mode():
        quiet = tlml.gradient(bowl, start(), torch.ones(2))
    with torch.no_grad():
        still = tlml.gradient(bowl, start(), torch.ones(2))
    for name, slope in expected.items():
        assert torch.equal(quiet[name], slope)
        assert torch.equal(still[name], slope)


def test_a_gradient_works_under_vmap():
    batches = torch.tensor([[0.5, 1.0], [2.0, 3.0]])
    at = start()
    together = torch.func.vmap(lambda batch: tlml.gradient(bowl, at, batch))(batches)
    for i, batch in enumerate(batches):
        for name, slope in tlml.gradient(bowl, start(), batch).items():
            torch.testing.assert_close(together[name][i], slope)


def test_a_gradient_can_be_differentiated_again():
    params = {"p": torch.tensor([2.0], dtype=torch.float64, requires_grad=True)}
    slope = tlml.gradient(lambda p, b: (p["p"] ** 3 * b).sum(), params, torch.tensor(1.0))["p"]
    slope.sum().backward()
    assert params["p"].grad is not None
    assert float(slope.detach()) == pytest.approx(12.0)
    assert float(params["p"].grad) == pytest.approx(12.0)


# First order


def test_a_linearised_loss_has_value_and_gradient_but_no_curvature():
    params, batch = start(), torch.ones(2)
    loss = FirstOrder(bowl)
    assert float(loss(params, batch)) == pytest.approx(float(bowl(params, batch)), rel=1e-14)
    found, expected = tlml.gradient(loss, params, batch), tlml.gradient(bowl, params, batch)
    for name in params:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-14, atol=0)
    leaves = {name: value.clone().requires_grad_() for name, value in params.items()}
    assert not any(slope.requires_grad for slope in tlml.gradient(loss, leaves, batch).values())
    assert all(slope.requires_grad for slope in tlml.gradient(bowl, leaves, batch).values())


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("vectorize", ["loop", "vmap"])
def test_first_order_keeps_learned_rates_in_the_graph(steps, vectorize):
    torch.manual_seed(0)
    net = nn.Linear(2, 1).double()
    strategy = LearnedRates(lr=0.1, steps=steps)
    learner = tlml.learner(
        "maml", network=net, strategy=strategy, first_order=True, vectorize=vectorize
    )
    x = torch.randn(3, 4, 2)
    batch = Batch(x, x.sum(-1, keepdim=True))
    learner.meta_loss(tlml.Episode(batch, batch)).backward()
    grads = [rate.grad for rate in strategy.rates]
    # By the chain rule: −Σ over steps of slope(query at the end) · slope(support at that step).
    expected = [torch.zeros_like(p) for p in net.parameters()]
    for task in range(3):
        data = Batch(batch.x[task], batch.y[task])
        at: dict[str, Tensor] = {n: p.detach() for n, p in net.named_parameters()}
        seen = []
        for _ in range(steps):
            seen.append(tlml.gradient(learner.loss, at, data))
            at = {n: p - 0.1 * seen[-1][n] for n, p in at.items()}
        last = tlml.gradient(learner.loss, at, data)
        for i, name in enumerate(at):
            expected[i] -= sum(last[name] * slope[name] for slope in seen) / 3
    for grad, value in zip(grads, expected, strict=True):
        torch.testing.assert_close(grad, value, rtol=1e-10, atol=1e-14)


# Phases


def test_the_first_group_that_matches_a_parameter_has_it():
    head, rest = Group("head.*", lr=0.1), Group("*", lr=1.0)
    found = matching(NAMES, (head, rest))
    assert {name: group.lr for name, group in found.items()} == dict(
        zip(NAMES, (1.0, 1.0, 1.0, 0.1, 0.1), strict=True)
    )
    assert list(matching(NAMES, (head,))) == ["head.weight", "head.bias"]
    assert matching(NAMES, ()) == {}


def test_a_pattern_that_matches_nothing_is_named():
    with fails("pattern 'head.weigth' matches no parameter; did you mean head.weight?"):
        matching(NAMES, (Group("head.weigth"),))
    with fails(f"pattern 'zzz' matches no parameter; choose from {', '.join(sorted(NAMES))}"):
        matching(NAMES, (Group(), Group("zzz")))


def test_parameters_are_divided_once_for_all_phases():
    phases = (
        Phase(0.5, (Group("head.*"),)),
        Phase(1.0, (Group("blocks.two.*", lr=0.1), Group("head.*"))),
    )
    joined = joined_groups(phases, NAMES)
    assert [group.names for group in joined] == [NAMES[:2], NAMES[2:3], NAMES[3:]]
    rates = [[g.lr if g else None for g in group.groups] for group in joined]
    assert rates == [[None, None], [None, 0.1], [1.0, 1.0]]


patterns = st.sampled_from(("*", "head.*", "blocks.*", "*.bias", "blocks.one.*"))
groups = st.lists(st.builds(Group, patterns, st.sampled_from((0.0, 0.1, 1.0))), max_size=3)


@given(st.lists(st.builds(Phase, st.integers(1, 9), groups), min_size=1, max_size=3))
def test_each_parameter_is_in_exactly_one_group(phases):
    joined = joined_groups(phases, NAMES)
    assert sorted(name for group in joined for name in group.names) == sorted(NAMES)
    for group in joined:
        for phase, member in zip(phases, group.groups, strict=True):
            found = matching(NAMES, phase.groups)
            assert {found.get(name) for name in group.names} == {member}


def test_a_phase_ends_after_steps_or_a_share_of_them():
    phases = [Phase(3), Phase(0.5), Phase(1.0)]
    assert [until_step(phase, 20) for phase in phases] == [3, 10, 20]
    assert [phases.index(phase_at(phases, step, 20)) for step in (0, 2, 3, 9, 10, 19, 25)] == [
        0, 0, 1, 1, 2, 2, 2
    ]  # fmt: skip
    assert until_step(Phase(3), None) == 3
    with fails(
        "until=0.5: a share needs a total; set max_steps or max_epochs, or give the phase a number "
        "of steps"
    ):
        until_step(Phase(0.5), None)


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


# The plugins' strategies


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


# Ownership and options


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


def test_the_optimiser_of_a_strategy_is_checked():
    with fails("optimizer: 'adma' is not one of adam, adamw, sgd"):
        Strategy(optimizer="adma")
    with fails("weight_decay: must be at least 0, is -1"):
        Strategy(weight_decay=-1)


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


@pytest.mark.parametrize(
    "weights",
    [torch.ones(3), torch.ones(4, 1), torch.tensor([1.0, 2, 3, -1]), torch.full((4,), torch.nan)],
)
def test_weights_that_do_not_fit_are_refused(weights):
    with fails(
        "strategy Strategy: weigh_samples must return 4 finite weights ≥ 0, one for each source "
        f"example; it gave shape {tuple(weights.shape)}"
    ):
        weights_of(weights, 4, Strategy())


def test_weights_that_fit_are_kept():
    weights = torch.tensor([0.0, 1.0])
    assert weights_of(weights, 2, Strategy()) is weights
    assert weights_of(None, 2, Strategy()) is None
