"""Agents in a Trainer: they resume within an episode, end in time, and leave nothing open."""

from __future__ import annotations

import csv
import multiprocessing
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import pytorch_lightning as pl
import torch
from agents import Gradients, Line, Lines, LineTask, Summing
from pytorch_lightning.loggers import CSVLogger, WandbLogger
from refusals import stops
from trainers import fitting_trainer, quiet_trainer

import tlml
from tlml import EnvView, TlmlError

KINDS = pytest.mark.parametrize("kind", [Gradients, Summing])


class Stop(pl.Callback):
    """Saves after a batch, and ends the fit there as a kill would, or raises."""

    def __init__(self, batch: int, path: Path) -> None:
        self.batch, self.path = batch, path

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if batch_idx + 1 == self.batch:
            trainer.save_checkpoint(self.path)
            raise KeyboardInterrupt


def made(kind: Any, **options: Any) -> tuple[Any, EnvView]:
    agent = kind(**{"max_env_steps": 240, "seed": 3, **options})
    return agent, agent.view(Lines((5, 30)), envs=4, tasks=7)


def fit(agent: Any, view: EnvView, path: Path | None = None, **options: Any) -> pl.Trainer:
    trainer = fitting_trainer(max_epochs=-1, **options)
    resume = {"ckpt_path": path, "weights_only": True} if path else {}
    trainer.fit(agent, view, **resume)
    return trainer


def state(agent: Any) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in agent.state_dict().items()}


@KINDS
@pytest.mark.parametrize("batch", [1, 5, 7, 12])
def test_a_fit_that_was_killed_within_an_episode_equals_the_whole(
    tmp_path: Path, kind: Any, batch: int
) -> None:
    whole, view = made(kind)
    fit(whole, view)
    assert 240 <= int(whole.env_steps) < 270
    killed, view = made(kind)
    with pytest.raises(SystemExit):
        fit(killed, view, callbacks=[Stop(1 + (batch - 1) % 7, tmp_path / "a.ckpt")])
    again, view = made(kind)
    fit(again, view, tmp_path / "a.ckpt")
    expected, found = state(whole), state(again)
    assert expected.keys() == found.keys()
    assert all(torch.equal(value, found[name]) for name, value in expected.items())


def test_an_agent_is_loaded_without_its_environments(tmp_path: Path) -> None:
    agent, view = made(Gradients)
    fit(agent, view).save_checkpoint(tmp_path / "a.ckpt")
    loaded: Any = Gradients.load_from_checkpoint(tmp_path / "a.ckpt", weights_only=True)
    seen = torch.tensor([[1, 0.2], [4, -0.3]])
    assert (loaded.act(seen) == agent.act(seen)).all()
    assert int(loaded.env_steps) == int(agent.env_steps)


def test_a_fit_of_an_agent_that_took_its_steps_takes_no_more(tmp_path: Path) -> None:
    agent, view = made(Gradients)
    fit(agent, view).save_checkpoint(tmp_path / "a.ckpt")
    before = state(agent)
    fit(agent, view)
    assert all(torch.equal(value, before[name]) for name, value in state(agent).items())


@KINDS
def test_what_was_saved_after_a_fit_goes_on_where_its_environments_were(
    tmp_path: Path, kind: Any
) -> None:
    whole, view = made(kind, max_env_steps=400)
    fit(whole, view)
    begun, view = made(kind)
    fit(begun, view).save_checkpoint(tmp_path / "a.ckpt")
    again, view = made(kind, max_env_steps=400)
    fit(again, view, tmp_path / "a.ckpt")
    expected, found = state(whole), state(again)
    assert all(torch.equal(value, found[name]) for name, value in expected.items())


def test_a_fit_that_is_cut_in_a_rollout_goes_on_before_it(tmp_path: Path) -> None:
    whole, view = made(Gradients)
    fit(whole, view)
    killed, view = made(Gradients)

    class Cut(pl.Callback):
        def on_exception(self, trainer: Any, *_: Any) -> None:
            trainer.save_checkpoint(tmp_path / "a.ckpt")

    def step(actions: Any, steps: list[int] = [0]) -> Any:  # noqa: B006
        steps[0] += 1
        if steps[0] == 18:  # in the fourth rollout
            raise KeyboardInterrupt
        return stepped(actions)

    class Break(pl.Callback):
        def on_train_batch_start(self, trainer: Any, pl_module: Any, *_: Any) -> None:
            nonlocal stepped
            stream = pl_module.environments
            if stream.step is not step:
                stepped, stream.step = stream.step, step

    stepped: Any = None
    with pytest.raises(SystemExit):
        fit(killed, view, callbacks=[Break(), Cut()])
    again, view = made(Gradients)
    fit(again, view, tmp_path / "a.ckpt")
    expected, found = state(whole), state(again)
    assert all(torch.equal(value, found[name]) for name, value in expected.items())


def test_loggers_count_steps_in_environments(tmp_path: Path) -> None:
    agent, view = made(Gradients)
    trainer = quiet_trainer(
        max_epochs=-1, logger=CSVLogger(tmp_path, name="", version=""), log_every_n_steps=2,
        num_sanity_val_steps=0,
    )  # fmt: skip
    trainer.fit(agent, view)
    with (tmp_path / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    trained = [float(row["step"]) for row in rows if row["train_loss"]]
    validated = [float(row["step"]) for row in rows if row["val_return"]]
    assert trained == sorted(trained) and len(trained) >= 5
    assert trained[0] > 10 and trained[-1] >= 200
    assert validated and set(validated) <= set(range(20, 271))
    assert {"train_return", "train_length", "env_steps"} <= rows[0].keys()


def test_wandb_is_told_steps_in_environments(tmp_path: Path) -> None:
    logger = WandbLogger(project="agents", save_dir=tmp_path, offline=True)
    agent, view = made(Gradients)
    told: list[dict[str, Any]] = []
    run = logger.experiment
    with patch.object(run, "log", lambda values, **_: told.append(values)):
        trainer = quiet_trainer(
            max_epochs=-1, logger=logger, log_every_n_steps=2, num_sanity_val_steps=0
        )
        trainer.fit(agent, view)
    run.finish()
    trained = [each["trainer/global_step"] for each in told if "train_loss" in each]
    assert trained == sorted(trained) and len(trained) >= 5
    assert trained[0] > 10 and trained[-1] >= 200  # where batches are ten or so


def test_a_test_is_of_fixed_episodes_of_each_target_task() -> None:
    agent, view = made(Gradients)
    fit(agent, view)
    found = []
    for _ in range(2):
        (logged,) = quiet_trainer().test(agent, view, verbose=False)
        found.append([record["returns"] for record in agent.records])
    assert found[0] == found[1] and [len(own) for own in found[0]] == [10, 10]
    every = [one for own in found[0] for one in own]
    assert logged["test_return"] == pytest.approx(sum(every) / 20, rel=1e-5)
    assert {"length", "env_steps", "seconds", "gradient_steps"} <= agent.records[0].keys()


@KINDS
def test_a_test_in_other_environments_than_it_was_built_for_is_refused(kind: Any) -> None:
    agent, view = made(kind)
    fit(agent, view)
    other = EnvView(tlml.domain("cartpole"), envs=2)
    with stops(f"{kind.__name__}: it was built for inputs Box"):
        quiet_trainer().test(agent, other, verbose=False)


class Cliff(Line):
    def step(self, action: Any) -> Any:
        if self.steps == 3:
            raise ValueError("fell")
        return super().step(action)


class Cliffs(Lines):
    def tasks(self, split: Any) -> Any:
        return [LineTask("safe", 50), LineTask("cliff", 50, Cliff)]


@pytest.mark.filterwarnings("ignore:.*(Worker-1|Raising the last exception)")  # gymnasium tells
@pytest.mark.parametrize("vectorization", ["sync", "async"])
def test_an_environment_that_raises_is_named_and_nothing_is_left_open(vectorization: Any) -> None:
    agent = Gradients()
    view = agent.view(Cliffs(), envs=2, vectorization=vectorization)
    with pytest.raises(Exception, match=r"environment 1 \(cliff\): step 3 of episode \d+ \(seed "):
        fit(agent, view)
    assert multiprocessing.active_children() == []
    with pytest.raises(TlmlError, match="environments of its own in a fit only"):
        agent.collect(1)


class Ill(Line):
    """A line that falls ill after a number of steps of all of its kind."""

    healthy: float = float("inf")

    def step(self, action: Any) -> Any:
        seen, reward, *rest = super().step(action)
        type(self).healthy -= 1
        return seen, reward if self.healthy > 0 else self.worst(), *rest

    def worst(self) -> float:
        return float("nan")


class Lost(Ill):
    def worst(self) -> float:
        raise ValueError("lost")


class Wards(Lines):
    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.kind = kind

    def tasks(self, split: Any) -> Any:
        return [LineTask("ward", 50, self.kind)]


@pytest.mark.filterwarnings("ignore:Using ModelCheckpoint with manual optimization")
@pytest.mark.parametrize(("kind", "said"), [(Ill, "its reward is NaN"), (Lost, "lost")])
def test_what_was_saved_before_an_environment_failed_goes_on(
    kind: Any, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def learned(**options: Any) -> Any:
        keeper = pl.callbacks.ModelCheckpoint(tmp_path, filename="kept", every_n_train_steps=1)
        agent = Gradients(max_env_steps=240, seed=3)
        view = agent.view(Wards(kind), envs=4)
        fit(agent, view, enable_checkpointing=True, callbacks=[keeper], **options)
        return state(agent)

    monkeypatch.setattr(kind, "healthy", float("inf"))
    whole = learned()
    (tmp_path / "kept.ckpt").unlink()
    monkeypatch.setattr(kind, "healthy", 150)
    with pytest.raises(Exception, match=rf"^environment \d \(ward\).*{said}"):
        learned()
    monkeypatch.setattr(kind, "healthy", float("inf"))
    found = learned(path=tmp_path / "kept.ckpt")
    assert all(torch.equal(value, found[name]) for name, value in whole.items())


def test_processes_of_environments_give_what_one_process_gives() -> None:
    one, other = (made(Gradients, max_env_steps=60)[0] for _ in range(2))
    fit(one, one.view(Lines((5, 30)), envs=2))
    fit(other, other.view(Lines((5, 30)), envs=2, vectorization="async"))
    assert multiprocessing.active_children() == []
    expected, found = state(one), state(other)
    assert all(torch.equal(value, found[name]) for name, value in expected.items())


def test_threads_are_given_back_after_a_fit() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        agent, view = made(Gradients, max_env_steps=20)
        fit(agent, view)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_phases_of_a_strategy_are_shares_of_an_agents_steps() -> None:
    agent, view = made(Gradients, lr=0.1)
    before = state(agent)
    seen: list[bool] = []

    class Watch(pl.Callback):
        def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
            now = state(pl_module)
            seen.append(all(torch.equal(before[n], now[n]) for n in before if "blocks" in n))

    fit(agent, view, callbacks=[tlml.Adapt("lp_ft"), Watch()])
    # The features stay for a while, and move in the rest.
    assert seen[0] and not seen[-1] and seen == sorted(seen, reverse=True)


def test_more_tasks_than_environments_are_refused() -> None:
    agent = Gradients()
    view = agent.view(Lines((3, 4, 5)), envs=2)
    with pytest.raises(TlmlError) as caught:
        fit(agent, view)
    assert str(caught.value) == (
        "envs: 2 environments can't act in all 3 source tasks; take envs=3, or one task"
    )
    with pytest.raises(TlmlError, match="task: there is no source task 7 of Lines; take one 0 to"):
        EnvView(Lines((3, 4)), task=7)
