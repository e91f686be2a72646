"""The benchmark of what agents learn: what it counts, and what it writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import rl
from benchmarks.rl import Plan, curves, differences, interval, learn, reached, table


def test_a_goal_is_reached_where_three_evaluations_in_a_row_begin() -> None:
    points = [(10, 5.0), (20, 9.0), (30, 5.0), (40, 6.0), (50, 7.0), (60, 8.0), (70, 1.0)]
    assert reached(points, 6.0) == 40
    assert reached(points, 7.0) is None
    assert reached(points, 1.0) == 10


def test_an_interval_is_students() -> None:
    mean, half = interval([1.0, 2.0, 3.0])
    assert mean == 2.0 and half == pytest.approx(4.302652 / 3**0.5)


def test_the_table_tells_how_many_seeds_got_there() -> None:
    good = {"points": [(10, 480.0), (20, 490.0), (30, 500.0)], "seconds": 2.0}
    bad = {"points": [(10, 20.0), (20, 490.0), (30, 500.0)], "seconds": 4.0}
    found = {
        "ppo_cartpole": {"0": good, "1": good, "2": bad},
        "ppo_cartpole sb3": {"0": bad, "1": bad, "2": bad},
    }
    rows = table(found).splitlines()
    assert "| ppo_cartpole | 475 | 3 | 10, 10 (2 of 3) |" in rows[2] and rows[2].endswith("| 2 |")
    assert "not reached" in rows[3]
    assert "| 1,024: 326.7 ± " in curves(found) and "| 3,072: 500.0 ± 0.0 |" in curves(found)
    (line,) = differences(found)
    assert line.startswith("ppo_cartpole: +102.2 to Stable-Baselines3") and "3 seeds" in line


def test_an_agent_is_judged_on_its_way_and_what_is_there_is_not_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(rl.PLANS, "q_learning_frozenlake", Plan(0.0, 1_600, 1, 3_200))
    out = tmp_path / "agents.json"
    words = ["q_learning_frozenlake", "--out", str(out)]
    rl.main(words)
    (run,) = json.loads(out.read_text())["q_learning_frozenlake"].values()
    assert run["commit"] and run["processor"] and run["versions"]["torch"]
    assert len(run["points"]) == 2 and 1_600 <= run["points"][0][0] < 2_400
    assert all(0 <= value <= 1 for _, value in run["points"])
    assert "q_learning_frozenlake 0:" in capsys.readouterr().out
    rl.main(words)
    told = capsys.readouterr().out
    assert "q_learning_frozenlake 0:" not in told and "| q_learning_frozenlake | 0 | 1 |" in told


def test_a_seed_learns_the_same_again() -> None:
    plan = Plan(475, 512, 1, 1_024)
    assert learn("ppo_cartpole", 3, plan) == learn("ppo_cartpole", 3, plan)
