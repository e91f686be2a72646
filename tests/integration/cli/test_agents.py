"""Agents by the command line: they end after their steps, and the best one is kept."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

import tlml
from tlml.cli import main

FIT = (
    "fit --model ppo --data.domain cartpole --data.tasks 3 --data.test_episodes 2 "
    "--model.max_env_steps 1500 --model.network_options {hidden:[8]} --trainer.accelerator cpu "
    "--trainer.enable_progress_bar false --trainer.enable_model_summary false "
    "--trainer.log_every_n_steps 1"
).replace("{hidden:[8]}", '{"hidden":[8]}')


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_fit_ends_after_its_steps_and_keeps_the_best(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(FIT.split()) == 0, capsys.readouterr().err
    folder = Path("runs/fit/version_0")
    last, best = (tlml.load(folder / "checkpoints" / f"{name}.ckpt") for name in ("last", "best"))
    assert 1500 <= int(last.env_steps) < 1800 and int(best.env_steps) <= int(last.env_steps)
    with (folder / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    returns = {float(row["step"]): float(row["val_return"]) for row in rows if row["val_return"]}
    assert len(returns) >= 2
    assert returns[float(best.env_steps)] == max(returns.values())
    assert main("test --ckpt_path last --data.domain cartpole --data.test_episodes 2".split()) == 0
    assert "test_return" in capsys.readouterr().out


def test_what_acts_and_where_is_answered_before_anything_is_loaded(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main("check cartpole ppo".split()) == 0
    assert main("check sinusoid ppo".split()) != 0
    assert "ppo needs env" in capsys.readouterr().err + capsys.readouterr().out
