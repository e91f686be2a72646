"""How an agent is measured on its way through a target task."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from agents import Gradients, Lines, Summing
from refusals import fails

import tlml
from tlml import EnvView
from tlml.metrics.seconds import Seconds
from tlml.suites.inside.control import (
    Measured,
    Milestones,
    _acting,
    _learn,
    _record,
    _set_rate,
    _to_threshold,
)


def milestones(at: list[int]) -> tuple[Milestones, Any]:
    agent = Gradients()
    view = agent.view(Lines(), envs=2)
    return Milestones(at, view.dataset("target", 3)[0], lambda share: None), agent


def test_it_is_measured_when_it_passes_each_number_of_steps() -> None:
    found, agent = milestones([0, 5, 6, 20])
    found.measure(agent)
    passed = []
    for steps in (3, 9, 9, 18, 22):
        agent.env_steps.fill_(steps)
        found.on_train_batch_end(SimpleNamespace(), agent)  # type: ignore[arg-type]
        passed.append(len(found.found))
    assert passed == [1, 3, 3, 3, 4]
    assert all(len(one.returns) == len(one.lengths) == 3 for one in found.found)
    assert found.found[0].returns == found.found[-1].returns  # it learned nothing


@pytest.mark.parametrize("strategy", ["sgd", "as_trained", None])
def test_an_agent_that_adapts_to_tasks_does_so_by_its_strategys_steps(strategy: Any) -> None:
    agent: Any = tlml.learner("maml_rl", horizon=7, network_options={"hidden": [8]})
    view = EnvView(Lines(), envs=3, task=0, train_split="target", test_episodes=4)
    agent.meet(view.spaces)
    before = {name: value.clone() for name, value in agent.state_dict().items()}
    options = {"lr": 5.0, "steps": 9} if strategy == "sgd" else {}
    config = {"env_steps": [0, 1, 2, 20, 10**6], "strategy": strategy, "strategy_options": options}
    shares: list[float] = []
    found = _learn(agent, view, config, shares.append)
    assert len(found) == 5 and all(len(one.returns) == len(one.lengths) == 4 for one in found)
    assert [one.spent.wall for one in found] == sorted(one.spent.wall for one in found)
    assert found[1] == found[2]  # one step passes both
    steps = {"sgd": 9, "as_trained": 0, None: 1}[strategy]
    assert len(shares) == 1 + steps
    assert (found[0].returns != found[-1].returns) == (strategy != "as_trained")
    assert all(torch.equal(value, before[name]) for name, value in agent.state_dict().items())


def test_tasks_are_solved_at_the_first_number_of_steps_with_that_return() -> None:
    def task(*means: float) -> list[Measured]:
        return [Measured([mean, mean + 1], [1, 1], Seconds()) for mean in means]

    config = {"env_steps": [0, 10, 20], "threshold": 5.5}
    found = [task(0, 5, 9), task(7, 0, 0), task(0, 0, 0), task(0, 0, 5)]
    assert _to_threshold(config, found) == {"steps_to_threshold": 10.0, "not_reached": 1.0}
    assert _to_threshold(config, found[2:3]) == {"not_reached": 1.0}
    assert _to_threshold({**config, "threshold": None}, found) == {}


def test_a_record_holds_each_episode_of_each_task(tmp_path: Path) -> None:
    config = {
        "env_steps": [0, 10], "threshold": None, "protocol": "control", "learner": "gradients",
        "strategy": "full", "strategy_options": {"lr": 0.1},
    }  # fmt: skip
    (tmp_path / "result.json").write_text('{"cost": {"fit_seconds": 2.0, "env_steps": 50}}')
    after = Measured([5, 6], [7, 8], Seconds(1.5, 1.25))
    found = [[Measured([1, 2], [3, 4], Seconds()), after]] * 2
    record = _record(config, [tmp_path / "last.ckpt"], found, 1)
    assert record.units == ["0/0", "0/1", "1/0", "1/1"] and record.tasks == ["0", "0", "1", "1"]
    assert record.scores == [5, 6, 5, 6] and record.metrics == {"length": 7.5}
    assert record.cost == {
        "fit_seconds": 2.0, "source_steps": 50, "env_steps": 10, "adapt_seconds": 3.0,
        "adapt_cpu_seconds": 2.5,
    }  # fmt: skip
    assert _record(config, [], found, 0).cost["source_steps"] == 0


def test_who_lives_in_no_environments_is_refused() -> None:
    with fails(
        "learner estimator: it does not live on in environments (it is no tlml.learners.Acting), "
        "so it can't learn for a number of steps in them"
    ):
        _acting(tlml.learner("estimator"), {"learner": "estimator"})


def test_a_rate_is_the_methods_where_it_names_one() -> None:
    agent = Gradients(lr=0.1)
    _set_rate(agent, {"strategy_options": {"steps": 5}})
    assert agent.lr == 0.1
    _set_rate(agent, {"strategy_options": {"lr": 0.01}})
    assert agent.lr == 0.01
    with fails("lr: summing has no learning rate to set; leave it out"):
        _set_rate(Summing(), {"strategy_options": {"lr": 0.01}, "learner": "summing"})


@pytest.fixture(autouse=True)
def quiet(recwarn: pytest.WarningsRecorder) -> None:
    """No warning is let through here either."""
