"""Agents in a suite: they learn in each target task and are measured on the way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from agent_plugin import agent_plugin

from tlml.registry import default_registry
from tlml.reports import report
from tlml.suites import load_suite, plan, read_results, run_suite

SUITE = """\
name: acting
seeds: 2
episodes: 3
domains:
  lines:
    env_steps: [0, 10, 40]
    threshold: 0.1
    options: {sizes: [4, 9]}
    view: {envs: 2}
fits:
  source: {learner: gradients, options: {max_env_steps: 200, lr: 0.1}}
  sums: {learner: summing, options: {max_env_steps: 60}}
methods:
  scratch: {fit: source, strategy: scratch}
  full: {fit: source, strategy: full}
  stands: {fit: source, strategy: scratch, options: {lr: 1.0e-12}}
  probe: {fit: source, strategy: linear_probe}
  zero_shot: {fit: source, strategy: as_trained}
  goes_on: {fit: sums}
  untrained: {learner: gradients}
"""


@pytest.fixture(scope="module", autouse=True)
def plugin() -> Iterator[None]:
    default_registry().register(agent_plugin(), "small_agents")
    yield
    default_registry().unregister("small_agents")


def test_agents_learn_in_target_tasks_and_are_measured_on_the_way(tmp_path: Path) -> None:
    (tmp_path / "acting.yaml").write_text(SUITE)
    made, out = plan(load_suite(tmp_path / "acting.yaml"), default_registry()), tmp_path / "out"
    assert made.refused == ()
    assert run_suite(made, out, jobs=1) == []
    records = {(cell.method, cell.seed): read_results(out).records[cell.id] for cell in made.adapts}
    for (method, _), own in records.items():
        assert [record.point["env_steps"] for record in own] == [0, 10, 40]
        assert own[0].units == [f"{task}/{n}" for task in range(2) for n in range(3)]
        steps = own[0].cost["source_steps"]
        assert steps == 0 if method == "untrained" else steps >= 60
    for seed in (0, 1):
        zero = records["zero_shot", seed]
        # What the source has left is where all that start from it begin, and is kept as it is.
        assert zero[0].scores == zero[2].scores == records["full", seed][0].scores
        assert zero[0].scores == records["probe", seed][0].scores
    # The rate of a method is that of its options.
    moved = [[records[name, 0][at].scores for at in (0, 2)] for name in ("scratch", "stands")]
    assert moved[0][0] == moved[1][0] == moved[1][1] != moved[0][1]
    begun = [[records[method, seed][0].scores for seed in (0, 1)] for method in ("scratch", "full")]
    assert begun[0] != begun[1]
    report(out)
    rows = json.loads((out / "results.json").read_text())["rows"]
    assert len(rows) == 7 * 2 * 3
    page = (out / "report.md").read_text()
    assert "lines, 0 steps: return (higher is better), about 2 tasks" in page
    assert "source steps" in page and "not reached" in page
    again = tmp_path / "again"
    assert run_suite(made, again, jobs=1) == []
    for cell in made.adapts:
        found = read_results(again).records[cell.id]
        assert [one.scores for one in found] == [
            one.scores for one in records[cell.method, cell.seed]
        ]
