"""The sides of `benchmarks.speed.rl`: PPO of tlml and of Stable-Baselines3, settings alike."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import CSVLogger
from torch import Tensor, nn

import tlml
from tlml.data import Rollout
from tlml_rl.base.actor_critic import ActorCritic, Head
from tlml_rl.ppo import PPO

# rl-zoo's, of CartPole-v1.
ENVS, STEPS, EPOCHS, BATCH = 8, 32, 20, 256
SETTINGS = {"gamma": 0.98, "gae_lambda": 0.8}
LR, CLIP = 1e-3, 0.2
_PLACES = {
    "actor.1": "mlp_extractor.policy_net.0", "actor.3": "mlp_extractor.policy_net.2",
    "critic.1": "mlp_extractor.value_net.0", "critic.3": "mlp_extractor.value_net.2",
    "head.policy": "action_net", "head.value": "value_net",
}  # fmt: skip


class Spent(NamedTuple):
    """What a run took.

    Args:
        steps: In environments, without resets.
        seconds: Of CPU, from the first rollout to the last update.
        collecting: Of them, until rollouts were there.
    """

    steps: int
    seconds: float
    collecting: float


Run = Callable[[int], Spent]  # of so many steps


def ours(network: str | Callable[[], nn.Module] = "auto", **options: Any) -> Run:
    """Return PPO in a bare loop: collect, update."""
    seeds = itertools.count()

    def run(steps: int) -> Spent:
        agent = _agent(steps, network, next(seeds), **options)
        view = agent.view(tlml.domain("cartpole"), envs=ENVS)
        agent.enter(view)
        agent.update(agent.collect(STEPS))
        first, collecting, start = int(agent.env_steps), 0.0, time.process_time()
        while int(agent.env_steps) < steps:
            before = time.process_time()
            rollout = agent.collect(STEPS)
            collecting += time.process_time() - before
            agent.update(rollout)
        spent = time.process_time() - start
        agent.leave()
        return Spent(int(agent.env_steps) - first, spent, collecting)

    return run


def in_trainer(network: str | Callable[[], nn.Module] = "auto") -> Run:
    """Return PPO in a Trainer."""

    def make(steps: int, seed: int) -> tuple[Any, Any]:
        agent = _agent(steps, network, seed)
        return agent, agent.view(tlml.domain("cartpole"), envs=ENVS)

    return trained(make)


def trained(make: Callable[..., tuple[Any, Any]]) -> Run:
    """Return an agent in a Trainer with a logger, checkpoints and what else it brings.

    Args:
        make: Makes the agent and its view, of so many steps and by ``seed``.
    """
    seeds = itertools.count()

    def run(steps: int) -> Spent:
        (agent, view), clock = make(steps, seed=next(seeds)), Clock()
        with tempfile.TemporaryDirectory() as folder:
            pl.Trainer(
                max_epochs=-1, accelerator="cpu", devices=1, logger=CSVLogger(folder),
                callbacks=[clock, pl.callbacks.ModelCheckpoint(folder)], limit_val_batches=0,
                num_sanity_val_steps=0, enable_progress_bar=False, enable_model_summary=False,
            ).fit(agent, view)  # fmt: skip
        return Spent(int(agent.env_steps) - clock.first, clock.spent, float("nan"))

    return run


class Clock(pl.Callback):
    """Takes the time from the end of the first batch that learned to that of the last one."""

    start = spent = 0.0
    first = 0

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        """Note the time."""
        if self.start == 0.0 and trainer.global_step:
            self.start, self.first = time.process_time(), int(pl_module.env_steps)
        self.spent = time.process_time() - self.start


def theirs(activation: type[nn.Module] = nn.Tanh) -> Run:
    """Return Stable-Baselines3's PPO, with its episode statistics (`Monitor`)."""
    from stable_baselines3.common.callbacks import BaseCallback

    seeds = itertools.count()

    class Watch(BaseCallback):
        """Takes the time from the first update on, and of collecting."""

        updated, start, collecting, steps = False, 0.0, 0.0, 0

        def _on_rollout_start(self) -> None:
            now = time.process_time()
            if self.num_timesteps and self.start == 0.0:
                self.start, self.steps = now, self.num_timesteps
            self._began = now

        def _on_rollout_end(self) -> None:
            if self.start:
                self.collecting += time.process_time() - self._began

        def _on_step(self) -> bool:
            return True

        def _on_training_end(self) -> None:
            self.spent = time.process_time() - self.start

    def run(steps: int) -> Spent:
        watch = Watch()
        model = peer(next(seeds), activation)
        model.learn(steps, callback=watch)
        return Spent(model.num_timesteps - watch.steps, watch.spent, watch.collecting)

    return run


def peer(seed: int, activation: type[nn.Module] = nn.Tanh, *, falls: bool = True) -> Any:
    """Make Stable-Baselines3's PPO over the same environments.

    Args:
        seed: Of everything.
        activation: Of its perceptrons.
        falls: Whether learning rate and clip fall to 0.
    """
    from stable_baselines3 import PPO as Theirs
    from stable_baselines3.common.monitor import Monitor
    from stable_baselines3.common.vec_env import DummyVecEnv

    task = tlml.domain("cartpole").tasks("source")[0]
    envs = DummyVecEnv([lambda n=n: Monitor(task.make(n)) for n in range(ENVS)])  # type: ignore[misc]

    def schedule(value: float) -> Any:
        return (lambda share: share * value) if falls else value

    return Theirs(
        "MlpPolicy", envs, n_steps=STEPS, batch_size=BATCH, n_epochs=EPOCHS, ent_coef=0.0,
        learning_rate=schedule(LR), clip_range=schedule(CLIP), device="cpu", seed=seed, **SETTINGS,
        policy_kwargs={"activation_fn": activation},
    )  # fmt: skip


def own_module() -> nn.Module:
    """Build an actor and a critic as a user might, with an activation of their own."""

    def body() -> nn.Module:
        return nn.Sequential(nn.Linear(4, 64), nn.GELU(), nn.Linear(64, 64), nn.GELU())

    with torch.random.fork_rng():
        torch.manual_seed(0)
        return ActorCritic(body(), body(), Head((64, 64), 2))


def update_error() -> float:
    """Return how far our first update ends from theirs, from their weights and rollout.

    No episode of so short a rollout is truncated, so that what a reset hides is not needed.
    """
    model = peer(0, falls=False)
    _, callback = model._setup_learn(ENVS * STEPS)
    model.collect_rollouts(model.env, callback, model.rollout_buffer, STEPS)
    agent = _agent(ENVS * STEPS, "auto", 0, lr_schedule="constant", clip_schedule="constant")
    agent.view(tlml.domain("cartpole"), envs=ENVS)
    state = model.policy.state_dict()
    found = {
        f"{own}.{kind}": state[f"{other}.{kind}"].clone()
        for own, other in _PLACES.items() for kind in ("weight", "bias")
    }  # fmt: skip
    agent.built().load_state_dict(found)
    rollout = _rollout(model)
    model.train()
    agent.update(rollout)
    state = model.policy.state_dict()
    return max(
        float(
            (mine - state[f"{_PLACES[name.rpartition('.')[0]]}.{name.rpartition('.')[2]}"])
            .abs()
            .max()
        )
        for name, mine in agent.built().state_dict().items()
    )


def _rollout(model: Any) -> Rollout:
    """Return what the peer collected, as ours."""
    buffer, last = model.rollout_buffer, model._last_episode_starts
    seen = np.concatenate([buffer.observations, model._last_obs[None]])
    over = np.concatenate([buffer.episode_starts[1:], last[None]]).astype(bool)
    never = torch.zeros(STEPS, ENVS, dtype=torch.bool)
    rewards, actions = torch.from_numpy(buffer.rewards.copy()), _actions(buffer.actions)
    return Rollout(torch.from_numpy(seen), actions, rewards, torch.from_numpy(over), never, ~never)


def _actions(actions: Any) -> Tensor:
    return torch.from_numpy(actions.copy()).long().reshape(STEPS, ENVS)


def _agent(steps: int, network: str | Callable[[], nn.Module], seed: int, **options: Any) -> PPO:
    made = network if isinstance(network, str) else network()
    return PPO(
        made, max_env_steps=steps, rollout_steps=STEPS, batch_size=BATCH, epochs=EPOCHS, lr=LR,
        clip=CLIP, seed=seed, **SETTINGS, **options,
    )  # fmt: skip
