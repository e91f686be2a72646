"""The sides of `benchmarks.speed.replay`: agents of both, with equal settings."""

from __future__ import annotations

import itertools
import time
from typing import Any

import torch

import tlml
from benchmarks.speed.rl_sides import Run, Spent
from tlml import EnvView
from tlml.data import Transitions
from tlml_rl.dqn import DQN
from tlml_rl.sac import SAC

COMPARED = 16  # gradient steps after which both must be at the same place
_PLACES = {"body.1": "q_net.0", "body.3": "q_net.2", "head.action": "q_net.4"}
_KINDS = ("weight", "bias")


def dqn(steps: int = 50_000, **options: Any) -> tuple[DQN, EnvView]:
    """Make DQN on CartPole, with rl-zoo's settings."""
    agent = DQN(max_env_steps=steps, **options)
    return agent, agent.view(tlml.domain("cartpole"), envs=1)  # type: ignore[return-value]


def sac(steps: int = 20_000, **options: Any) -> tuple[SAC, EnvView]:
    """Make SAC on Pendulum, with rl-zoo's settings."""
    agent = SAC(max_env_steps=steps, lr=1e-3, **options)
    return agent, agent.view(tlml.domain("pendulum"), envs=1)  # type: ignore[return-value]


def ours(make: Any = dqn) -> Run:
    """Return an agent in a bare loop of turns, from the first one that learns on."""
    seeds = itertools.count()

    def run(steps: int) -> Spent:
        agent, view = make(steps, seed=next(seeds))
        agent.enter(view)
        while not agent.ready():
            agent.turn()
        first, start = int(agent.env_steps), time.process_time()
        while int(agent.env_steps) < steps:
            agent.turn()
        spent = time.process_time() - start
        agent.leave()
        return Spent(int(agent.env_steps) - first, spent, float("nan"))

    return run


def theirs(make: Any = None) -> Run:
    """Return an agent of Stable-Baselines3, with its episode statistics (`Monitor`)."""
    from stable_baselines3.common.callbacks import BaseCallback

    seeds = itertools.count()

    class Watch(BaseCallback):
        """Takes the time from the end of the first update on."""

        start, steps = 0.0, 0

        def _on_rollout_start(self) -> None:
            if self.start == 0.0 and self.model._n_updates:
                self.start, self.steps = time.process_time(), self.num_timesteps

        def _on_step(self) -> bool:
            return True

        def _on_training_end(self) -> None:
            self.spent = time.process_time() - self.start

    def run(steps: int) -> Spent:
        watch, model = Watch(), (make or peer)(next(seeds))
        model.learn(steps, callback=watch)
        return Spent(model.num_timesteps - watch.steps, watch.spent, float("nan"))

    return run


def peer(seed: int) -> Any:
    """Make Stable-Baselines3's DQN over the same environment, with our defaults."""
    from stable_baselines3 import DQN as Theirs
    from stable_baselines3.common.monitor import Monitor
    from stable_baselines3.common.vec_env import DummyVecEnv

    task, own = tlml.domain("cartpole").tasks("source")[0], DQN()
    return Theirs(
        "MlpPolicy", DummyVecEnv([lambda: Monitor(task.make(0))]), learning_rate=own.lr,
        buffer_size=own.buffer_size, learning_starts=own.learning_starts,
        batch_size=own.batch_size, gamma=own.gamma, train_freq=own.train_every,
        gradient_steps=own.gradient_steps, target_update_interval=own.target_every,
        exploration_fraction=own.epsilon_share, exploration_final_eps=own.epsilon_end,
        max_grad_norm=own.clip_norm, policy_kwargs={"net_arch": [256, 256]}, device="cpu",
        seed=seed,
    )  # fmt: skip


def peer_sac(seed: int) -> Any:
    """Make Stable-Baselines3's SAC over the same environment, with our settings."""
    from stable_baselines3 import SAC as Theirs
    from stable_baselines3.common.monitor import Monitor
    from stable_baselines3.common.vec_env import DummyVecEnv

    task, (own, _) = tlml.domain("pendulum").tasks("source")[0], sac()
    return Theirs(
        "MlpPolicy", DummyVecEnv([lambda: Monitor(task.make(0))]), learning_rate=own.lr,
        buffer_size=own.buffer_size, learning_starts=own.learning_starts,
        batch_size=own.batch_size, tau=own.tau, gamma=own.gamma, train_freq=own.train_every,
        gradient_steps=own.gradient_steps, policy_kwargs={"net_arch": [256, 256]}, device="cpu",
        seed=seed,
    )  # fmt: skip


def update_error() -> float:
    """Return how far our first update ends from theirs, from their weights and minibatches."""
    model = peer(0)
    model.learn(model.learning_starts // 2)  # random steps alone, and no update
    agent = DQN(gradient_steps=COMPARED)
    agent.view(tlml.domain("cartpole"), envs=1)
    agent.built().load_state_dict(_as_ours(model))
    agent.target.follow(agent.built())
    drawn: list[Any] = []
    sample = model.replay_buffer.sample

    def watched(*args: Any, **options: Any) -> Any:
        drawn.append(sample(*args, **options))
        return drawn[-1]

    model.replay_buffer.sample = watched
    model.train(COMPARED, model.batch_size)
    agent.update(_transitions(drawn, agent.gamma))
    wanted, found = _as_ours(model), agent.built().state_dict()
    return max(float((found[name] - wanted[name]).abs().max()) for name in found)


def _as_ours(model: Any) -> dict[str, torch.Tensor]:
    """Return the peer's weights by our names."""
    state = model.q_net.state_dict()
    return {
        f"{own}.{kind}": state[f"{other}.{kind}"].clone()
        for own, other in _PLACES.items() for kind in _KINDS
    }  # fmt: skip


def _transitions(drawn: list[Any], gamma: float) -> Transitions:
    """Return the peer's minibatches, as ours."""
    rewards = torch.stack([one.rewards[:, 0] for one in drawn])
    return Transitions(
        torch.stack([one.observations for one in drawn]),
        torch.stack([one.actions[:, 0] for one in drawn]),
        rewards,
        torch.stack([one.next_observations for one in drawn]),
        torch.stack([one.dones[:, 0] for one in drawn]).bool(),
        torch.full_like(rewards, gamma),
        rows=torch.arange(rewards.numel()).reshape(rewards.shape),
    )
