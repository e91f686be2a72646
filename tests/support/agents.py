"""Small agents, and environments that live on, for the tests of what all agents share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray
from torch import Tensor

from tlml import Domain
from tlml.data import Rollout, Split, Transitions
from tlml.learners import Learner, NetworkLearner, OffPolicy, OnPolicy

LIMIT = 7  # steps of a line at most


class Line(gymnasium.Env[Any, Any]):
    """Steps to the left or the right from a place that the seed decides; ends at 0 and at `size`.

    Rewards are noise of the environment's own generator, so that nothing but seed and actions can
    lead back to where it was.
    """

    observation_space = Box(-1, 50, (2,), np.float32)
    action_space = Discrete(2)

    def __init__(self, size: int = 5) -> None:
        self.size, self.place, self.steps = size, 0, 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.place, self.steps = int(self.np_random.integers(1, self.size)), 0
        return self.seen(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.place += 1 if int(action) else -1
        self.steps += 1
        ended = self.place in (0, self.size)
        reward = self.np_random.normal() + (self.place == self.size)
        return self.seen(), float(reward), ended, self.steps >= LIMIT, {}

    def seen(self) -> NDArray[np.float32]:
        return np.array([self.place, self.np_random.normal()], np.float32)


class Forgetful(Line):
    """A line whose noise is nobody's: it comes back to nothing."""

    def seen(self) -> NDArray[np.float32]:
        return np.array([self.place, np.random.default_rng().normal()], np.float32)


@dataclass(frozen=True)
class LineTask:
    name: str
    size: int = 5
    kind: Callable[..., gymnasium.Env[Any, Any]] = Line

    def make(self, seed: int) -> gymnasium.Env[Any, Any]:
        return self.kind(self.size)


class Lines(Domain[LineTask]):
    """Lines of some sizes."""

    x, y = Line.observation_space, Line.action_space

    def __init__(self, sizes: Sequence[int] = (5,), forgets: bool = False) -> None:
        self.sizes, self.forgets = tuple(sizes), forgets

    def tasks(self, split: Split) -> Sequence[LineTask]:
        kind = Forgetful if self.forgets else Line
        return [LineTask(f"{split} {size}", size, kind) for size in self.sizes]


def explore(agent: Any, steps: int) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Go anywhere, by noise alone."""
    drawn = iter(agent.noise(steps, lambda rng, n: rng.integers(2, size=n)))
    return lambda observations: next(drawn)


class Summing(OffPolicy, Learner):
    """Adds up what it is rewarded with, by place, and goes where that is more."""

    def __init__(self, max_env_steps: int = 100, block_steps: int = 4, **options: Any) -> None:
        super().__init__(max_env_steps=max_env_steps, block_steps=block_steps, gamma=0.9, **options)

    def prepare(self, spaces: Any) -> None:
        super().prepare(spaces)
        self.register_buffer("sums", torch.zeros(60, dtype=torch.float64))

    def explorer(self, steps: int) -> Callable[[NDArray[Any]], NDArray[Any]]:
        return explore(self, steps)

    def decide(self, observations: NDArray[Any]) -> NDArray[Any]:
        places = torch.from_numpy(observations[:, 0]).long()
        return (self.sums[places + 1] > self.sums[places - 1]).long().numpy()

    def update(self, transitions: Transitions) -> Mapping[str, Any]:
        places = transitions.next_observations[:, 0].long()
        self.sums.index_add_(0, places, transitions.rewards.double())
        return {"sum": self.sums.sum()}

    def configure_optimizers(self) -> list[Any]:
        return []


class Gradients(OnPolicy, NetworkLearner):
    """The plainest policy gradient: each action weighed by its own reward."""

    def __init__(
        self, max_env_steps: int = 100, rollout_steps: int = 5, network: Any = "mlp", **options: Any
    ) -> None:
        super().__init__(
            network, max_env_steps=max_env_steps, rollout_steps=rollout_steps, **options
        )

    def explorer(self, steps: int) -> Callable[[NDArray[Any]], NDArray[Any]]:
        noise = iter(self.noise(steps, lambda rng, n: rng.gumbel(size=(n, 2)).astype(np.float32)))
        return lambda seen: (self.scores(seen) + next(noise)).argmax(-1)

    def decide(self, observations: NDArray[Any]) -> NDArray[Any]:
        return self.scores(observations).argmax(-1)

    def scores(self, observations: NDArray[Any]) -> NDArray[Any]:
        with torch.no_grad():
            return self.built()(torch.from_numpy(observations)).numpy()

    def update(self, rollout: Rollout) -> Mapping[str, Tensor]:
        chosen = self.built()(rollout.observations[:-1].flatten(0, 1)).log_softmax(-1)
        chosen = chosen.gather(1, rollout.actions.flatten()[:, None])[:, 0]
        loss = -(chosen * rollout.rewards.flatten())[rollout.valid.flatten()].mean()
        optimizer: Any = self.optimizers()
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()
        return {"loss": loss.detach()}
