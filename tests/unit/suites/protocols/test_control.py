"""Agents in target environments, as suites plan them."""

from __future__ import annotations

from pathlib import Path

import pytest
from agent_plugin import agents_registry
from protocol_suites import planned

from tlml.errors import TlmlError

SUITE = """\
name: acting
seeds: [4, 5]
episodes: 3
domains:
  lines: {env_steps: [8, 0], threshold: 1.5, view: {envs: 2}}
fits:
  source: {learner: gradients, options: {max_env_steps: 20}}
methods:
  scratch: {fit: source, strategy: scratch}
  full: {fit: source, strategy: full}
  untrained: {learner: gradients}
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_run_for_each_seed_is_measured_at_all_numbers_of_steps() -> None:
    made = planned(agents_registry(), SUITE)
    assert [cell.point for cell in made.adapts] == [{"env_steps": [0, 8]}] * 6
    assert [cell.seed for cell in made.adapts] == [4, 5] * 3
    config = made.adapts[2].config
    assert config["env_steps"] == [0, 8] and config["threshold"] == 1.5
    assert config["view"] == {"test_episodes": 3, "envs": 2}
    assert (config["learner"], config["strategy"]) == ("gradients", "full")
    assert made.adapts[4].fits == ()
    assert made.fits[0].config["options"] == {"max_env_steps": 20}


def test_what_is_done_before_any_learning_is_always_shown() -> None:
    for wrong in ("env_steps: 8", "env_steps: [8, 9]"):
        with pytest.raises(TlmlError) as caught:
            planned(agents_registry(), SUITE.replace("env_steps: [8, 0]", wrong))
        assert "must hold 0, what an agent does before it learns anything" in str(caught.value)


def test_a_domain_without_environments_is_left_out() -> None:
    text = SUITE.replace("fits:\n", "  sinusoid: {env_steps: 0}\nfits:\n", 1)
    made = planned(agents_registry(), text)
    assert {refused.domain for refused in made.refused} == {"sinusoid"}
    assert {refused.name for refused in made.refused} == {"scratch", "full", "untrained"}
