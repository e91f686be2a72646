"""The inner problem of an agent in a task: whole episodes, and the policy gradient of these."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tlml.data import Params, Trials, whole_episodes
from tlml.meta import InnerProblem, LoopPath
from tlml.strategies import Loss
from tlml.views import Environments
from tlml_rl.base.actor import Actor
from tlml_rl.base.experience import Experience, experience

Actions = Callable[[NDArray[Any]], NDArray[Any]]
_BLOCK = 64  # steps whose noise is drawn at once


@dataclass(frozen=True)
class StackedPath(LoopPath):
    """Parameters with a leading dimension of tasks, which one call of the loss serves.

    Args:
        together: How many tasks there are.
    """

    name: ClassVar[str] = "stack"
    together: int = 1

    @property
    def tasks(self) -> int | None:
        """How many tasks share one call of the loss."""
        return self.together


class PolicyProblem(InnerProblem):
    """Make what was good likelier: −mean(A log π(a|s)) over a task's episodes.

    The learner says how actions are drawn (`policy`), what a network is given (`inputs`), the
    `horizon` and the discount rate `gamma`. Parameters are those of one task, or stacked
    ``[T, *shape]`` for all tasks of the trials, by `StackedPath`.
    """

    def adapt(self, params: Params, support: Trials | Environments) -> Params:
        """Return `params` adapted to tasks; what is frozen stays."""
        return super().adapt(params, as_trials(support))

    def steps(
        self, params: Params, support: Trials | Environments, loss: Loss | None = None
    ) -> Iterator[Params]:
        """Yield the parameters after each inner step; what is frozen stays."""
        return super().steps(params, as_trials(support), loss)

    def standard_loss(self, params: Params, batch: Trials | Environments) -> Tensor:
        """Return the loss on the rollout whose turn it is, summed over tasks."""
        known = self.played(params, as_trials(batch))
        return -(known.weights * known.advantages * self.log_probs(params, known)).sum()

    def log_probs(self, params: Params, known: Experience) -> Tensor:
        """Return the log-probabilities ``[T, n]`` of what was done."""
        outputs = self.outputs(params, known.inputs)
        found: Tensor = self.learner.policy.log_prob(outputs, known.actions, self._log_std(params))
        return found

    @torch.no_grad()
    def played(self, params: Params, trials: Trials) -> Experience:
        """Return the experience whose turn it is; where there is none yet, play it now."""
        found: Experience = trials.next(lambda turn: self._play(params, trials, turn))
        return found

    @torch.no_grad()
    def judged(
        self, params: Params, tasks: Sequence[Environments]
    ) -> list[list[tuple[float, int]]]:
        """Play the episodes that judge in each task, without any chance.

        Returns:
            Of each task each episode's return and its steps.
        """

        def choose(seen: NDArray[Any]) -> NDArray[Any]:
            found: NDArray[Any] = self.learner.policy.best(self._seen(params, seen))
            return found.reshape(-1, *found.shape[2:])

        rollout = whole_episodes(
            [place for one in tasks for place in one.judging()], choose, self.learner.performed,
            vectorization=tasks[0].vectorization,
        )  # fmt: skip
        totals = (rollout.rewards.double() * rollout.valid).sum(0).reshape(len(tasks), -1)
        lengths = rollout.valid.sum(0).reshape(len(tasks), -1)
        told = zip(totals.tolist(), lengths.tolist(), strict=True)
        return [list(zip(*each, strict=True)) for each in told]

    def outputs(self, params: Params, x: Tensor) -> Tensor:
        """Return what the policy is made of ``[T, n, size]`` for inputs ``[T, n, ...]``."""
        network = self.adapter.network
        assert isinstance(network, Actor)
        if self.path.tasks is None:
            return self.call(params, x[0])[None]
        return network.stacked({**self.adapter.buffers, **params}, x)

    # Inside

    def _play(self, params: Params, trials: Trials, turn: int) -> Experience:
        tasks: list[Environments] = list(trials.tasks)
        rollout = whole_episodes(
            [place for one in tasks for place in one.places()],
            self._drawing(params, [(self.learner.seed, one.seed, turn) for one in tasks]),
            self.learner.performed,
            vectorization=tasks[0].vectorization,
            episode=turn,
            horizon=self.learner.horizon,
        )
        trials.env_steps += int(rollout.valid.sum())
        known = experience(rollout, len(tasks), self.learner.inputs, self.learner.gamma)
        like = next(iter(params.values()))
        moved = (x.to(like) if x.is_floating_point() else x.to(like.device) for x in known)
        known = Experience(*moved)
        return known._replace(log_probs=self.log_probs(params, known))

    def _drawing(self, params: Params, keys: list[tuple[int, ...]]) -> Actions:
        """Return how to draw actions, with noise keyed by task."""
        policy, log_std = self.learner.policy, self._log_std(params)
        deviation = None if log_std is None else log_std.cpu().numpy()
        generators = [np.random.default_rng(key) for key in keys]
        noise: Iterator[NDArray[Any]] = iter(())

        def choose(seen: NDArray[Any]) -> NDArray[Any]:
            nonlocal noise
            outputs = self._seen(params, seen)
            drawn = next(noise, None)
            if drawn is None:
                noise = iter(self._noise(generators, outputs.shape[1]))
                drawn = next(noise)
            with np.errstate(over="ignore"):  # who asked for these parameters is told
                raw: NDArray[Any] = policy.choose(outputs, drawn, deviation)
            return raw.reshape(-1, *raw.shape[2:])

        return choose

    def _noise(self, generators: list[np.random.Generator], envs: int) -> NDArray[Any]:
        """Draw the noise of some steps ``[steps, T, envs, size]``."""
        rows = [self.learner.policy.noise(rng, _BLOCK * envs) for rng in generators]
        return np.stack([one.reshape(_BLOCK, envs, -1) for one in rows], 1)

    def _seen(self, params: Params, seen: NDArray[Any]) -> NDArray[Any]:
        """Return outputs ``[T, n, size]`` for observations ``[T · n, ...]``."""
        like = next(iter(params.values()))
        x = torch.from_numpy(self.learner.inputs.encode(np.asarray(seen))).to(like)
        outputs = self.outputs(params, x.reshape(self.path.tasks or 1, -1, *x.shape[1:]))
        found: NDArray[Any] = outputs.cpu().numpy()
        return found

    def _log_std(self, params: Params) -> Tensor | None:
        """Return the logarithms of standard deviations ``[T, 1, size]``, if there are any."""
        found = params.get("log_std")
        return None if found is None else found.reshape(self.path.tasks or 1, 1, -1)


def as_trials(tasks: Trials | Environments) -> Trials:
    """Return trials as they are, and environments of one task as trials that begin now."""
    return tasks if isinstance(tasks, Trials) else Trials([tasks])
