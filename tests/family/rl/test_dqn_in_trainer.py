"""DQN in a Trainer: resumed within an episode, counted, adapted by strategies, and learning."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from agents import Lines
from policy_agents import values_of
from trainers import Stop, batches_trainer

import tlml
from tlml_rl.dqn import DQN


def dqn(**options: Any) -> DQN:
    given = {
        "max_env_steps": 200, "train_every": 5, "block_steps": 15, "gradient_steps": 2,
        "batch_size": 8, "buffer_size": 90, "learning_starts": 20, "target_every": 30, "seed": 3,
        "network_options": {"hidden": [8]},
    }  # fmt: skip
    return DQN(**{**given, **options})


EXTRAS = {"double": True, "dueling": True, "n_step": 3, "priority_alpha": 0.6, "tau": 0.5}


@pytest.mark.parametrize("options", [{}, EXTRAS], ids=["plain", "extras"])
def test_a_killed_fit_goes_on_bit_for_bit_within_its_episodes(tmp_path: Path, options: Any) -> None:
    whole, killed, resumed = dqn(**options), dqn(**options), dqn(**options)
    view, path = {"envs": 2, "tasks": 6}, tmp_path / "killed.ckpt"
    batches_trainer(6).fit(whole, whole.view(Lines(), **view))
    batches_trainer(6, callbacks=[Stop(4, path)]).fit(killed, killed.view(Lines(), **view))
    batches_trainer(6).fit(resumed, resumed.view(Lines(), **view), ckpt_path=path)
    left = torch.load(path, weights_only=True)
    assert (left["tlml"]["environments"]["counts"] > 0).any()  # within an episode
    assert int(resumed.env_steps) == int(whole.env_steps) > int(killed.env_steps)
    assert not torch.equal(values_of(resumed), values_of(killed))
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name
    assert whole.replay.full and len(killed.replay) < len(whole.replay)


def test_a_fit_takes_as_many_steps_as_it_was_told(tmp_path: Path) -> None:
    agent = dqn(max_env_steps=173)
    fit = batches_trainer(50)
    fit.fit(agent, agent.view(Lines(), envs=1))
    assert int(agent.env_steps) == 173
    assert fit.global_step == 2 * (int(agent.rollouts) - 4)  # the first turns learn nothing


def test_a_loaded_agent_acts_as_it_did_and_may_leave_its_memory_behind(tmp_path: Path) -> None:
    seen = torch.randn(20, 2, generator=torch.Generator().manual_seed(0))
    sizes = []
    for save_replay in (True, False):
        agent = dqn(save_replay=save_replay)
        fit = batches_trainer(8)
        fit.fit(agent, agent.view(Lines(), envs=2))
        path = tmp_path / f"{save_replay}.ckpt"
        fit.save_checkpoint(path)
        state = torch.load(path, weights_only=True)["state_dict"]
        sizes.append(sum("replay" in name for name in state))
        loaded: Any = tlml.load(path)
        assert (loaded.act(seen) == agent.act(seen)).all()
        assert len(loaded.replay) == (len(agent.replay) if save_replay else 0)
    assert sizes[0] > 5 and sizes[1] == 0


def test_without_its_memory_a_fit_goes_on_once_there_are_steps_again(tmp_path: Path) -> None:
    agent, path = dqn(save_replay=False), tmp_path / "killed.ckpt"
    batches_trainer(9, callbacks=[Stop(6, path)]).fit(agent, agent.view(Lines(), envs=1))
    before = int(agent.env_steps)
    resumed = dqn(save_replay=False)
    steps: list[tuple[int, int]] = []

    class Watch(pl.Callback):
        def on_train_batch_end(self, trainer: Any, pl_module: Any, *args: Any) -> None:
            steps.append((len(pl_module.replay), trainer.global_step))

    fit = batches_trainer(9, callbacks=[Watch()])
    fit.fit(resumed, resumed.view(Lines(), envs=1), ckpt_path=path)
    assert int(resumed.env_steps) > before > 20
    (first, learned), *_, (last, more) = steps
    assert first < 20 <= last and more > learned


def test_a_fit_goes_on_for_longer_with_more_room_to_replay(tmp_path: Path) -> None:
    path = tmp_path / "short.ckpt"
    agent = dqn(max_env_steps=60, buffer_size=60)
    batches_trainer(50, callbacks=[Stop(1, path)]).fit(agent, agent.view(Lines(), envs=2))
    longer = dqn(max_env_steps=200, buffer_size=200)
    batches_trainer(50).fit(longer, longer.view(Lines(), envs=2), ckpt_path=path)
    assert int(longer.env_steps) >= 200 > int(agent.env_steps)
    assert len(longer.replay) > len(agent.replay)


@pytest.mark.parametrize("strategy", ["full", "linear_probe", "l2_sp", "scratch"])
def test_strategies_adapt_an_agent(tmp_path: Path, strategy: str) -> None:
    agent = dqn(learning_starts=80)  # in the second batch
    view = agent.view(Lines(), envs=4)
    before = {name: value.clone() for name, value in agent.built().named_parameters()}
    began: list[Any] = []

    class Begin(pl.Callback):
        def on_train_batch_start(self, trainer: Any, pl_module: Any, *args: Any) -> None:
            began.append(copy.deepcopy(pl_module.built().state_dict()))
            for name, value in pl_module.target.tensors().items():
                assert len(began) > 1 or torch.equal(value, began[0][name]), name

    batches_trainer(4, callbacks=[tlml.Adapt(strategy), Begin()]).fit(agent, view)
    now = dict(agent.built().named_parameters())
    same = all(torch.equal(before[name], value) for name, value in began[0].items())
    assert same == (strategy != "scratch")
    moved = {name for name in now if not torch.equal(now[name], began[0][name])}
    heads = {name for name in before if name.startswith("head.")}
    assert moved == (heads if strategy == "linear_probe" else set(before))


def test_another_task_begins_with_an_empty_memory(tmp_path: Path) -> None:
    agent = dqn()
    view = agent.view(Lines(), envs=2)
    batches_trainer(4).fit(agent, view)
    learned = values_of(agent)
    agent.begin_anew(100)
    assert len(agent.replay) == 0 and int(agent.env_steps) == 0
    assert torch.equal(values_of(agent), learned)
    batches_trainer(50).fit(agent, view)
    assert 100 <= int(agent.env_steps) <= 101


def test_it_learns_which_end_pays(tmp_path: Path) -> None:
    """A line whose right end pays: an agent that begins by going left learns to go right."""
    agent = dqn(
        max_env_steps=3_000, gradient_steps=2, batch_size=64, buffer_size=4_000,
        network_options={"hidden": [32]}, epsilon_share=0.5, gamma=0.5, lr=5e-3, block_steps=100,
    )  # fmt: skip
    view = agent.view(Lines((4,)), envs=1)
    seen = np.array([[1, 0], [2, 0], [3, 0]], np.float32)
    with torch.no_grad():
        agent.built().head.action.bias.copy_(torch.tensor([1.0, -1.0]))
    assert agent.act(seen).tolist() == [0, 0, 0]
    batches_trainer(50).fit(agent, view)
    assert agent.act(seen).tolist() == [1, 1, 1]
