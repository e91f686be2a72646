"""The suite of the lecture's maze: who knows it, who tries it, who imagines it."""

from __future__ import annotations

from pathlib import Path

from tlml.registry import default_registry
from tlml.reports import report
from tlml.suites import load_suite, plan, read_results, run_suite

SMALL = """\
name: small
seeds: 1
episodes: 1
domains:
  maze:
    domain: gridworld
    env_steps: [0, 200]
    threshold: -16
    options: {target: [{}]}
    view: {envs: 1}
    learner: {gamma: 1.0, lr: 0.5, epsilon: 0.2, block_steps: 20}
fits:
  dyna_q: {learner: dyna_q, options: {max_env_steps: 1500}}
methods:
  value_iteration: {learner: value_iteration}
  q_learning: {learner: q_learning}
  dyna_q_goes_on: {fit: dyna_q}
"""
START = (2, 1)


def test_the_suite_that_comes_with_tlml_can_be_planned() -> None:
    suite = load_suite("gridworld")
    made = plan(suite, default_registry())
    assert made.refused == ()
    assert {cell.method for cell in made.adapts} == set(suite.methods)


def test_what_each_knows_of_the_maze_is_measured_and_drawn(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SMALL)
    made, out = plan(load_suite(tmp_path / "small.yaml"), default_registry()), tmp_path / "out"
    assert run_suite(made, out, jobs=1) == []
    records = {cell.method: read_results(out).records[cell.id] for cell in made.adapts}
    # Who plans takes no step: it is measured when it has planned.
    assert [one.scores for one in records["value_iteration"]] == [[-200], [-16]]
    assert [one.scores for one in records["dyna_q_goes_on"]] == [[-16], [-16]]
    assert records["q_learning"][1].scores[0] < -16
    assert records["q_learning"][0].mazes == {}
    (maze,) = records["value_iteration"][1].mazes.values()
    row, column = START
    assert (maze.actions[row][column], maze.values[row][column]) == ("→", -16)
    report(out)
    assert (out / "maze-maze-0.png").read_bytes().startswith(b"\x89PNG")
    assert "maze-maze-0.png" in (out / "report.md").read_text()
