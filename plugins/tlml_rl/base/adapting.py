"""Agents that adapt to each task by whole episodes in it: how they act, and what they go down."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tlml import GradientLearner, Strategy, TlmlError
from tlml.data import Params
from tlml.errors import check_choice, check_positive
from tlml.learners import Acting
from tlml.meta import InnerProblem, LoopPath, Path
from tlml.views import Environments, EnvView, ViewSpaces
from tlml_rl.base.actor import Actor, actor_over, named_actor
from tlml_rl.base.observing import Choosing
from tlml_rl.base.policy_learner import BOXES
from tlml_rl.base.policy_problem import PolicyProblem

Vectorize = Literal["auto", "stack", "loop"]
_VECTORIZE = ("auto", "stack", "loop")


class AdaptingAgent(Acting, Choosing, GradientLearner):
    """An agent whose policy a strategy adapts to a task, by rollouts in the task.

    Each inner step plays whole episodes, `envs` of each task, with the parameters that it is at,
    and goes down −mean(A log π(a|s)): the policy gradient (REINFORCE), where A is what came less a
    baseline that is linear in observation and time and fitted to each task's episodes. Which
    episodes these are is a function of the seed, the task and the number of the step.

    Args:
        network: ``auto`` (a perceptron), a registered network, or a module, over whose features a
            head of its own is put.
        strategy: What adapts to a task.
        network_options: Of ``auto``: ``hidden`` and ``activation``; else of the named network.
        max_env_steps: Steps in environments, of all processes, after which a fit ends.
        horizon: After how many steps an episode that is learned from is cut.
        gamma: The discount rate γ.
        lr: Learning rate of training.
        optimizer: Optimiser of training: ``adam``, ``adamw`` or ``sgd``.
        weight_decay: Weight decay of training.
        momentum: Momentum of ``sgd``.
        fused: Step all parameters by one operation, which is quicker and changes last digits.
        clip_norm: The largest norm of a gradient; None clips nothing.
        boxes: How actions in a Box are drawn: ``gaussian``, kept within it, or ``squashed`` to it.
        log_std: Where the logarithms of their standard deviations start.
        vectorize: Tasks of a batch together, on stacked parameters (``stack``), or one by one
            (``loop``); ``auto`` stacks where the strategy can.
        seed: The key of initialisation and actions.
        spaces: Observations and actions as plain data, as checkpoints hold them.

    Raises:
        TlmlError: An option is out of range, or the network does not fit.
    """

    problem_type: ClassVar[type[InnerProblem]] = PolicyProblem

    def __init__(
        self,
        network: str | nn.Module = "auto",
        strategy: Strategy | str | dict[str, Any] | None = None,
        *,
        max_env_steps: int,
        network_options: dict[str, Any] | None = None,
        horizon: int = 200,
        gamma: float = 0.95,
        lr: float = 1e-3,
        optimizer: Literal["adam", "adamw", "sgd"] = "adam",
        weight_decay: float = 0.0,
        momentum: float = 0.9,
        fused: bool = False,
        clip_norm: float | None = None,
        boxes: Literal["gaussian", "squashed"] = "gaussian",
        log_std: float = 0.0,
        vectorize: Vectorize = "auto",
        seed: int = 0,
        spaces: dict[str, Any] | None = None,
    ) -> None:
        check_positive(max_env_steps=max_env_steps, horizon=horizon, clip_norm=clip_norm)
        if not 0 <= gamma <= 1:
            raise TlmlError(f"gamma: must be from 0 to 1, is {gamma}")
        check_choice("boxes", boxes, BOXES)
        check_choice("vectorize", vectorize, _VECTORIZE)
        self.max_env_steps, self.horizon, self.gamma = max_env_steps, horizon, gamma
        self.clip_norm, self.boxes, self.log_std = clip_norm, boxes, log_std
        super().__init__(
            network, strategy, network_options=network_options, lr=lr, optimizer=optimizer,
            weight_decay=weight_decay, momentum=momentum, fused=fused, vectorize=vectorize,
            seed=seed, spaces=spaces,
        )  # fmt: skip
        self.automatic_optimization = False

    def problem(self, adapter: Any = None, path: Path | None = None) -> PolicyProblem:
        """Return the inner problem of a task; its loss acts, which no transform can run through."""
        found = super().problem(adapter, path or LoopPath())
        assert isinstance(found, PolicyProblem)
        return found

    # Acting

    def played_with(
        self, problem: InnerProblem, params: Params, environments: Environments
    ) -> list[tuple[float, int]]:
        """Act in the environments of one task with other parameters, without any chance."""
        assert isinstance(problem, PolicyProblem)
        return problem.judged(params, [environments])[0]

    def decide(self, observations: NDArray[Any]) -> NDArray[Any]:
        """Return the likeliest action for each observation, by the policy before any adaptation."""
        network = self.built()
        x = torch.from_numpy(self.inputs.encode(np.asarray(observations)))
        return self.policy.best(network(x.to(network.head.weight)).cpu().numpy())

    def performed(self, actions: NDArray[Any]) -> NDArray[Any]:
        """Return actions as environments take them."""
        return self.policy.to_env(actions)

    def explorer(self, steps: int) -> NoReturn:
        """Raise: whole episodes of many tasks are learned from."""
        raise TlmlError(
            f"{type(self).__name__} learns from whole episodes of each task, and not in "
            "environments that live on; ask meta_loss(list of Environments)"
        )

    def enter(self, view: EnvView) -> None:
        """Make nothing: environments are made for each rollout."""

    def built(self) -> Actor:
        """Return the network."""
        network = super().built()
        assert isinstance(network, Actor)
        return network

    # Inside

    def _made(self, spaces: ViewSpaces) -> nn.Module:
        assert self._named is not None
        options, log_std = self._network_options or {}, self._first_log_std()
        return named_actor(
            self._named, self.inputs.space, self.policy.size, options, log_std, self.seed
        )

    def _completed(self, network: nn.Module) -> nn.Module:
        return actor_over(network, self.policy.size, self._first_log_std(), self.seed)

    def _check_outputs(self, spaces: ViewSpaces) -> None:
        network = self.built()
        with torch.no_grad():
            found = network(torch.zeros((2, *self.inputs.space.shape)).to(network.head.weight))
        if found.shape != (2, self.policy.size):
            raise TlmlError(
                f"{type(self).__name__}: the network gives {list(found.shape)} for 2 "
                f"observations; actions in {spaces.y} need {self.policy.size} outputs each"
            )
