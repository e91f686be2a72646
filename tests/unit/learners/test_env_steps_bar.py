"""The bar of agents: steps of environments, from where a fit goes on to where it ends."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tlml.learners import EnvStepsBar


def _agent(taken: int) -> Any:
    return SimpleNamespace(env_steps=taken, max_env_steps=600, finished=[])


@pytest.fixture
def trainer(monkeypatch: pytest.MonkeyPatch) -> Any:
    # What Lightning's bar asks of a Trainer for the numbers beside it.
    return SimpleNamespace(progress_bar_metrics={"v_num": 3, "val_return": 9.0}, loggers=[])


def _bar(trainer: Any, agent: Any) -> Any:
    bar: Any = EnvStepsBar()
    bar._trainer = trainer
    bar.on_train_start(trainer, agent)
    return bar


def test_it_counts_steps_from_where_the_fit_goes_on(
    trainer: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = _agent(200)
    bar = _bar(trainer, agent)
    shown = bar.train_progress_bar
    assert (shown.n, shown.initial, shown.total) == (200, 200, 600)
    agent.env_steps = 320
    agent.finished = [SimpleNamespace(total=40.0), SimpleNamespace(total=60.0)]
    bar._shown = 0.0  # long ago
    bar.on_train_batch_end(trainer, agent, None, None, 0)
    assert shown.n == 320
    agent.env_steps = 608  # the last rollout goes beyond
    bar.on_train_end(trainer, agent)
    assert shown.n == 600
    text = capsys.readouterr().out
    assert "320/600" in text and "600/600" in text and " steps/s" in text and "return=50" in text


def test_it_looks_now_and_then_only_and_epochs_change_nothing(trainer: Any) -> None:
    agent = _agent(0)
    bar = _bar(trainer, agent)
    agent.env_steps = 100
    bar.on_train_batch_end(trainer, agent, None, None, 0)
    bar.on_train_epoch_start(trainer)
    assert (bar.train_progress_bar.n, bar.train_progress_bar.total) == (0, 600)
    bar.train_progress_bar.close()


def test_beside_it_is_what_it_does_not_tell_itself(trainer: Any) -> None:
    agent, bar = _agent(0), EnvStepsBar()
    assert bar.get_metrics(trainer, agent) == {"val_return": 9.0}
    agent.finished = [SimpleNamespace(total=7.0)]
    assert list(bar.get_metrics(trainer, agent)) == ["return", "val_return"]
