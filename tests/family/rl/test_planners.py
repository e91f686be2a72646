"""Planning in a known world, against the equations solved and the numbers of the lecture."""

from __future__ import annotations

import numpy as np
import pytest
from refusals import fails, stops

import tlml
from tlml import EnvView
from tlml_rl.policy_iteration import PolicyIteration
from tlml_rl.tables.known_model import model_of, read_transitions
from tlml_rl.value_iteration import ValueIteration
from tlml_rl.worlds.gridworld import GridWorld

# The values of the lecture's maze: what is left to go, cell by cell.
LECTURE = {
    (1, 2): -14, (1, 3): -13, (1, 4): -12, (1, 5): -11, (1, 6): -10, (1, 7): -9,
    (2, 1): -16, (2, 2): -15, (2, 5): -12, (2, 7): -8,
    (3, 2): -16, (3, 3): -17, (3, 6): -6, (3, 7): -7,
    (4, 3): -18, (4, 4): -19, (4, 6): -5,
    (5, 2): -24, (5, 4): -20, (5, 6): -4, (5, 7): -3,
    (6, 2): -23, (6, 3): -22, (6, 4): -21, (6, 5): -22, (6, 7): -2, (6, 8): -1,
}  # fmt: skip


def swept(learner, model, sweeps):
    table = np.zeros_like(model.rewards)
    for _ in range(sweeps):
        table = learner.sweep(model, table)
    return table


def solved(told, policy, gamma):
    """Solve the equations of a policy, written out cell by cell."""
    left, right = np.eye(len(told)), np.zeros(len(told))
    for state, choices in told.items():
        for chance, following, reward, ended in choices[policy[state]]:
            right[state] += chance * reward
            left[state, following] -= 0 if ended else gamma * chance
    return np.linalg.solve(left, right)


def test_value_iteration_finds_the_numbers_of_the_lecture():
    model = read_transitions(GridWorld("lecture").P)
    values = swept(ValueIteration(gamma=1.0), model, 30).max(1).reshape(8, 11)
    assert {cell: values[cell] for cell in LECTURE} == LECTURE
    assert values.sum() == sum(LECTURE.values())


@pytest.mark.parametrize("options", [{"slip": 0.3}, {"map": "cliff", "slip": 0.1}], ids=str)
@pytest.mark.parametrize("kind", [ValueIteration, PolicyIteration])
def test_what_is_found_solves_the_equations_of_its_own_policy(kind, options):
    told = GridWorld(**options).P
    table = swept(kind(gamma=0.9), read_transitions(told), 600)
    values = solved(told, table.argmax(1), 0.9)
    assert np.allclose(table.max(1), values, atol=1e-12, rtol=0)
    # No single change makes any state better: the policy is the best of all.
    ahead = read_transitions(told).back_up(values, 0.9)
    assert (ahead <= values[:, None] + 1e-12).all()


def test_a_policy_is_evaluated_exactly():
    told = GridWorld("rooms", slip=0.2).P
    policy = np.random.default_rng(0).integers(4, size=len(told))
    found = PolicyIteration(gamma=0.95).evaluate(read_transitions(told), policy)
    assert np.allclose(found, solved(told, policy, 0.95), atol=1e-10, rtol=0)


def test_a_sweep_is_the_mean_over_what_can_come():
    told = {
        0: {0: [(0.25, 0, 2.0, False), (0.75, 1, 4.0, False)], 1: [(1.0, 0, -1.0, True)]},
        1: {0: [(1.0, 1, 0.0, True)], 1: [(0.5, 0, 0.0, False), (0.5, 0, 8.0, True)]},
    }
    table = np.array([[1.0, 3.0], [5.0, 2.0]])
    found = ValueIteration(gamma=0.5).sweep(read_transitions(told), table)
    assert found.tolist() == [
        [0.25 * (2 + 0.5 * 3) + 0.75 * (4 + 0.5 * 5), -1.0],
        [0.0, 0.5 * 0.5 * 3 + 0.5 * 8],
    ]


def test_gymnasiums_toys_tell_what_they_know():
    lake = EnvView(tlml.domain("env_family", id="FrozenLake-v1"))
    model = model_of(lake, "test")
    assert model.rewards.shape == (16, 4)
    assert model.rewards.sum() == pytest.approx(1.0)  # from the cell before the goal, in thirds
    assert model.goes_on.shape == (64, 16)


def test_worlds_that_do_not_tell_are_refused():
    with fails(
        "ValueIteration: CartPole-v1 does not tell its transitions, as P[state][action]; take a "
        "domain that gives 'model', such as gridworld, or a learner without a model, such as "
        "q_learning"
    ):
        model_of(EnvView(tlml.domain("cartpole")), "ValueIteration")


def test_several_worlds_are_refused():
    view = EnvView(tlml.domain("gridworld"), train_split="target")
    with fails(
        "ValueIteration: it plans in one world, and the target has GridWorld slip=0.2, GridWorld "
        "map=lower; take one by task=0"
    ):
        model_of(view, "ValueIteration")
    one = EnvView(tlml.domain("gridworld"), train_split="target", task=0)
    assert model_of(one, "ValueIteration").rewards.shape == (88, 4)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (ValueIteration, {"gamma": 1.1}, "gamma: must be from 0 to 1, is 1.1"),
        (ValueIteration, {"tolerance": 0.0}, "tolerance: must be greater than 0, is 0.0"),
        (PolicyIteration, {"gamma": 1.0}, "gamma: must be below 1, is 1.0: what a policy that"),
    ],
)
def test_options_out_of_range_are_refused(kind, options, message):
    with stops(message):
        kind(**options)
