"""REINFORCE with an inner loop that collects its rollouts anew, and a policy for it."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from tlml import EnvView, GradientLearner, View
from tlml.data import Params
from tlml.networks import Network
from tlml.testing.toys import Descent
from tlml.views import Environments

HORIZON = 9  # steps of a walk


class Reinforce(GradientLearner):
    """MAML's outer loop over policy gradients; `loss` walks with the parameters it is given.

    Args:
        strategy: The inner loop.
        network: A policy: observations to scores of actions.
        lr: Rate of the outer loop.
        seed: The key of the initialisation.
        spaces: Input and target space, as checkpoints hold them.
    """

    view_type: ClassVar[type[View]] = EnvView

    def __init__(
        self,
        strategy: Any = None,
        network: str | nn.Module = "mlp",
        *,
        lr: float = 0.01,
        seed: int = 0,
        spaces: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(
            network, strategy or Descent(lr=0.5, steps=1), lr=lr, seed=seed, spaces=spaces
        )
        self.rollouts: list[tuple[int, list[float]]] = []

    def training_step(self, batch: list[Environments], batch_idx: int) -> Tensor:
        losses = [self.loss(self.adapted(environments), environments) for environments in batch]
        return torch.stack(losses).mean()

    def loss(self, params: Params, batch: Environments) -> Tensor:
        """Return -mean(log probability · return to go), on a rollout of its own."""
        number = sum(index == batch.index for index, _ in self.rollouts)
        # tolist() reads values also where torch.func.grad has wrapped them.
        self.rollouts.append((batch.index, params["head.bias"].tolist()))
        seen, actions, rewards = self.walk(params, batch, number)
        to_go = rewards.flip(0).cumsum(0).flip(0)
        advantage = to_go - to_go.mean(1, keepdim=True)  # of the walks at the same step
        chosen = self.scores(params, seen.flatten(0, 1)).log_softmax(-1)
        chosen = chosen.gather(1, actions.flatten()[:, None]).view_as(advantage)
        return -(chosen * advantage).mean()

    def walk(
        self, params: Params, batch: Environments, number: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return observations ``[steps, envs, 2]``, actions and rewards ``[steps, envs]``."""
        envs = batch.make(number)
        rng = np.random.default_rng([batch.seed, batch.index, number])
        observation, _ = envs.reset()  # seeded by make()
        seen, actions, rewards = [], [], []
        for _ in range(HORIZON):
            seen.append(torch.as_tensor(observation).float())
            chances = np.array(self.scores(params, seen[-1]).softmax(-1).tolist())
            actions.append((chances.cumsum(1) < rng.random((len(chances), 1))).sum(1).clip(max=4))
            observation, reward, *_ = envs.step(actions[-1])
            rewards.append(reward)
        envs.close()
        return (
            torch.stack(seen),
            torch.as_tensor(np.array(actions)),
            torch.as_tensor(np.array(rewards)).float(),
        )

    def played(self, environments: Environments) -> list[tuple[float, int]]:
        """Return the return of each walk after adapting, and its steps."""
        params = self.adapted(environments)
        number = sum(index == environments.index for index, _ in self.rollouts)
        with torch.no_grad():
            returns = self.walk(params, environments, number)[2].sum(0)
        return [(float(one), HORIZON) for one in returns]


def policy() -> Network:
    torch.manual_seed(0)
    return Network({"hidden": nn.Sequential(nn.Linear(2, 16), nn.Tanh())}, nn.Linear(16, 5))
