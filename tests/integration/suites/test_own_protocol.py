"""A protocol that a plugin brings: agents in a suite, from the YAML to the report."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import walking

from tlml.errors import TlmlError
from tlml.registry import default_registry
from tlml.reports import report
from tlml.suites import Plan, load_suite, plan, read_results, run_suite

SUITE = """\
name: walking
seeds: 2
domains:
  walks: {walk_steps: [0, 72], view: {envs: 8}}
fits:
  reinforce:
    learner: walker
    strategy: descent
    strategy_options: {lr: 2.0, steps: 1}
    view: {tasks: 4, tasks_per_batch: 2, test_tasks: 2}
methods:
  scratch: {learner: walker, strategy: descent, options: {lr: 2.0}}
  adapted: {fit: reinforce}
trainer: {max_epochs: 1}
"""


@pytest.fixture(scope="module", autouse=True)
def plugin() -> Iterator[None]:
    default_registry().register(walking, "walking")
    yield
    default_registry().unregister("walking")


def planned(folder: Path, text: str = SUITE) -> Plan:
    path = folder / "walking.yaml"
    path.write_text(text)
    return plan(load_suite(path), default_registry())


def test_agents_run_in_a_suite_up_to_the_report(tmp_path: Path) -> None:
    made, out = planned(tmp_path), tmp_path / "out"
    assert run_suite(made, out, jobs=1) == []
    assert [cell.point for cell in made.adapts] == [{"walk_steps": [0, 72]}] * 4
    results = read_results(out)
    for cell in made.adapts:
        records = results.records[cell.id]
        assert [record.point for record in records] == [{"walk_steps": 0}, {"walk_steps": 72}]
        for record in records:
            assert (record.protocol, record.metric) == ("walking", "return")
            assert record.units == [f"{task}/{seed}" for task in range(3) for seed in range(2)]
        assert records[0].scores != records[1].scores
    report(out)
    rows = json.loads((out / "results.json").read_text())["rows"]
    places = {(row["method"], row["seed"], row["point"]["walk_steps"]) for row in rows}
    assert len(rows) == len(places) == 2 * 2 * 2
    after = [np.mean(row["scores"]) for row in rows if row["point"] == {"walk_steps": 72}]
    before = [np.mean(row["scores"]) for row in rows if row["point"] == {"walk_steps": 0}]
    assert np.mean(after) > np.mean(before)
    page = (out / "report.md").read_text()
    # Of fewer than five tasks the evaluation seeds are the units.
    what = "return (higher is better), about 3 tasks; intervals over 6 pairs and 2 training seeds"
    assert f"walks, 0 steps: {what}" in page
    assert f"walks, 72 steps: {what}" in page


def test_a_protocols_keys_are_checked_with_their_line(tmp_path: Path) -> None:
    for wrong, message in (
        ("walk_steps: [0, -1]", "5: domains.walks.walk_steps[1]: must be at least 0, is -1"),
        ("walk_step: 0", "4: domains.walks: unknown key 'walk_step'; did you mean 'walk_steps'?"),
    ):
        text = SUITE.replace("walk_steps: [0, 72]", wrong.replace(", -", ",\n    -"))
        with pytest.raises(TlmlError) as caught:
            planned(tmp_path, text)
        assert str(caught.value) == f"{tmp_path}/walking.yaml:{message}"


def test_a_domain_without_environments_is_left_out(tmp_path: Path) -> None:
    text = SUITE.replace("fits:", "  sinusoid: {walk_steps: 0, view: {envs: 2}}\nfits:", 1)
    made = planned(tmp_path, text)
    assert {(refused.name, refused.protocol) for refused in made.refused} == {
        ("scratch", ""), ("adapted", "")
    }  # fmt: skip
    (reason,) = {refused.reason for refused in made.refused}
    assert reason == "domain sinusoid gives no env, which protocol walking needs"
