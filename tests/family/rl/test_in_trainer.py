"""Policy-based agents in a Trainer: resumed within an episode, probed, and judged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from agents import Lines
from policy_agents import values_of
from trainers import Stop, batches_trainer

import tlml
from tlml import TlmlError
from tlml_rl.a2c import A2C
from tlml_rl.ppo import PPO
from tlml_rl.reinforce import Reinforce


def ppo(**options: Any) -> PPO:
    given = {"max_env_steps": 200, "rollout_steps": 9, "batch_size": 18, "epochs": 2, "seed": 3}
    return PPO(**{**given, **options})


NORMALISED = {"normalise_observations": True, "normalise_rewards": True}


@pytest.mark.parametrize("options", [{}, NORMALISED], ids=["plain", "normalised"])
def test_a_killed_fit_goes_on_bit_for_bit_within_its_episodes(tmp_path: Path, options: Any) -> None:
    whole, killed, resumed = ppo(**options), ppo(**options), ppo(**options)
    view = {"envs": 4, "tasks": 4}
    batches_trainer(4).fit(whole, whole.view(Lines(), **view))
    path = tmp_path / "killed.ckpt"
    batches_trainer(4, callbacks=[Stop(2, path)]).fit(killed, killed.view(Lines(), **view))
    batches_trainer(4).fit(resumed, resumed.view(Lines(), **view), ckpt_path=path)
    assert int(resumed.env_steps) == int(whole.env_steps) > int(killed.env_steps)
    assert torch.equal(values_of(resumed), values_of(whole))
    assert not torch.equal(values_of(resumed), values_of(killed))
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name


def test_a_loaded_agent_acts_as_it_did_without_its_environment(tmp_path: Path) -> None:
    agent = ppo(**NORMALISED)
    fit = batches_trainer(2)
    fit.fit(agent, agent.view(Lines(), envs=4))
    fit.save_checkpoint(tmp_path / "agent.ckpt")
    loaded = PPO.load_from_checkpoint(tmp_path / "agent.ckpt", weights_only=True)
    seen = torch.randn(20, 2, generator=torch.Generator().manual_seed(0))
    assert (loaded.act(seen) == agent.act(seen)).all()
    assert torch.equal(values_of(loaded), values_of(agent))


def test_a_fit_counts_every_step_and_ends_where_it_was_told(tmp_path: Path) -> None:
    agent = ppo(max_env_steps=100)
    fit = batches_trainer(50)
    fit.fit(agent, agent.view(Lines(), envs=4))
    assert 100 <= int(agent.env_steps) < 136
    assert fit.global_step == 2 * 2 * int(agent.rollouts)  # epochs, minibatches
    with pytest.raises(TlmlError, match="batch_size: 18 does not divide"):
        fresh = ppo()
        batches_trainer(1).fit(fresh, fresh.view(Lines(), envs=3))


@pytest.mark.parametrize("strategy", ["linear_probe", "l2_sp", "scratch"])
def test_strategies_adapt_an_agent(tmp_path: Path, strategy: str) -> None:
    agent = ppo()
    view = agent.view(Lines(), envs=4)
    before = {name: value.clone() for name, value in agent.built().named_parameters()}
    batches_trainer(2, callbacks=[tlml.Adapt(strategy)]).fit(agent, view)
    moved = {
        name for name, v in agent.built().named_parameters() if not torch.equal(v, before[name])
    }
    heads = {name for name in before if name.startswith("head.")}
    assert moved == (heads if strategy == "linear_probe" else set(before))


def test_a_callback_before_steps_sees_every_gradient(tmp_path: Path) -> None:
    class Watch(pl.Callback):
        norms: list[float] = []  # noqa: RUF012

        def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
            gradients = [p.grad.reshape(-1) for p in pl_module.network.parameters()]
            self.norms.append(float(torch.cat(gradients).norm()))

    watch, agents = Watch(), [ppo(), ppo()]
    for agent, callbacks in zip(agents, ([watch], []), strict=True):
        batches_trainer(2, callbacks=callbacks).fit(agent, agent.view(Lines(), envs=4))
    assert len(watch.norms) == 8 and min(watch.norms) > 0
    assert torch.equal(values_of(agents[0]), values_of(agents[1]))


@pytest.mark.parametrize("kind", [A2C, Reinforce])
def test_others_fit_and_are_tested(tmp_path: Path, kind: Any) -> None:
    agent = kind(max_env_steps=100, rollout_steps=8)
    fit = batches_trainer(3)
    view = agent.view(Lines(), envs=2, test_episodes=2)
    fit.fit(agent, view)
    (found,) = fit.test(agent, view, verbose=False)
    assert "test_return" in found
