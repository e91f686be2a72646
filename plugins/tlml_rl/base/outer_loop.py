"""The outer loop of agents that adapt: act once, then step some epochs on what was seen."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from tlml import Domain, Strategy, TlmlError, View
from tlml.data import Params, Trials
from tlml.errors import DivergedError, check_positive
from tlml.meta import LoopPath
from tlml.registry import default_registry
from tlml.views import Environments
from tlml_rl.base.adapting import AdaptingAgent
from tlml_rl.base.experience import Experience
from tlml_rl.base.policy_problem import PolicyProblem, StackedPath

_TASKS = 20  # of a batch


class Chunk(NamedTuple):
    """Tasks that are run together.

    Args:
        problem: Their inner problem.
        trials: The tasks, with the rollouts that were collected in them.
    """

    problem: PolicyProblem
    trials: Trials


class OuterLoop(AdaptingAgent):
    """An agent that learns by PPO-clip on the last rollout in each task of a batch.

    A batch of a fit is a list of tasks. They are acted in once, and the parameters take `epochs`
    steps on what was seen there. A subclass says which parameters play the last rollout
    (`carried`).

    Args:
        network: ``auto`` (a perceptron), a registered network, or a module, over whose features a
            head of its own is put.
        strategy: What adapts to a task.
        max_env_steps: Steps in environments after which a fit ends, those of inner steps among
            them.
        epochs: Steps of the optimiser on each batch.
        clip: ε of PPO's equation 7.
        **options: Those of `AdaptingAgent`.

    Raises:
        TlmlError: An option is out of range.
    """

    def __init__(
        self,
        network: str | nn.Module = "auto",
        # Written out, for suites read it without importing; nobody changes it.
        strategy: Strategy | str | dict[str, Any] = {  # noqa: B006
            "name": "sgd",
            "options": {"lr": 0.1, "steps": 1},
        },
        *,
        max_env_steps: int = 2_000_000,
        epochs: int = 5,
        clip: float = 0.2,
        **options: Any,
    ) -> None:
        check_positive(epochs=epochs, clip=clip)
        self.epochs, self.clip = epochs, clip
        super().__init__(network, strategy, max_env_steps=max_env_steps, **options)

    def view(self, domain: Domain[Any], **options: Any) -> View:
        """Return the view of a domain, with 20 tasks in a batch unless told otherwise."""
        return super().view(domain, **{"tasks_per_batch": _TASKS, **options})

    @abstractmethod
    def carried(self, chunk: Chunk) -> Params:
        """Return the parameters that play the last rollout, a function of the learner's own."""

    def meta_loss(self, episode: Sequence[Environments]) -> Tensor:  # type: ignore[override]
        """Act in tasks, and return the mean loss of the last rollouts, to be differentiated.

        It is the surrogate −mean(A π(a|s) / π_old(a|s)) at π = π_old, whose gradient is the policy
        gradient; through inner steps it goes on the rollouts that they collected, which are taken
        as given.

        Args:
            episode: The environments of each task.
        """
        return self.objective(self.collected(episode))

    def training_step(self, batch: Sequence[Environments], batch_idx: int) -> None:
        """Act in tasks, and step down the loss of what was seen."""
        chunks = self.collected(batch)
        losses = [self._step(chunks, batch) for _ in range(self.epochs)]
        self.log_progress(self._course(chunks, losses))
        self._stop_in_time()

    def collected(self, tasks: Sequence[Environments]) -> list[Chunk]:
        """Act in tasks: in each inner step, and with the parameters that come of them."""
        if not tasks or not all(isinstance(one, Environments) for one in tasks):
            raise TlmlError(
                f"{type(self).__name__}: a batch is a list of Environments, as an EnvView has "
                f"them; this is {type(tasks).__name__}"
            )
        chunks = self._chunks(tasks)
        with torch.no_grad():
            for chunk in chunks:
                self._final(chunk)
        self._count(sum(chunk.trials.env_steps for chunk in chunks))
        return chunks

    def objective(self, chunks: Sequence[Chunk]) -> Tensor:
        """Return the clipped surrogate of the last rollouts, the mean over tasks.

        The inner steps are taken again from the parameters of now, on the same rollouts.
        """
        losses = []
        for chunk in chunks:
            chunk.trials.rewind()
            params, known = self._final(chunk)
            ratio = (chunk.problem.log_probs(params, known) - known.log_probs).exp()
            clipped = ratio.clamp(1 - self.clip, 1 + self.clip)
            worth = torch.minimum(ratio * known.advantages, clipped * known.advantages)
            losses.append(-(known.weights * worth).sum())
        loss = torch.stack(losses).sum() / sum(len(chunk.trials.tasks) for chunk in chunks)
        if torch.is_grad_enabled() and not loss.requires_grad:
            raise TlmlError(
                f"strategy {type(self.strategy).__name__}: its steps can't be differentiated, so "
                f"{type(self).__name__} can't learn through them; take one that can, such as sgd"
            )
        return loss

    def check(self, view: View) -> None:
        """Raise where tasks can't be run as `vectorize` says."""
        super().check(view)
        self._stacks()

    # Inside

    def _final(self, chunk: Chunk) -> tuple[Params, Experience]:
        params = self.carried(chunk)
        return params, chunk.problem.played(params, chunk.trials)

    def _chunks(self, tasks: Sequence[Environments]) -> list[Chunk]:
        if self._stacks():
            path = StackedPath(together=len(tasks))
            return [Chunk(self.problem(path=path), Trials(tasks))]
        return [Chunk(self.problem(path=LoopPath()), Trials([one])) for one in tasks]

    def _stacks(self) -> bool:
        batched = bool(getattr(self.strategy, "batched", False))
        if self.vectorize == "stack" and not batched:
            raise TlmlError(
                f"vectorize: 'stack' does not go with strategy {type(self.strategy).__name__}, "
                "which does not say that it is batched; take 'loop' or 'auto'"
            )
        return batched and self.vectorize != "loop"

    def _step(self, chunks: Sequence[Chunk], batch: Sequence[Environments]) -> float:
        loss, optimizer = self.objective(chunks), self.optimizers()
        if "adapt" in vars(self):  # the terms of a strategy, by tlml.Adapt
            loss = loss + vars(self)["adapt"](batch)
        if not bool(torch.isfinite(loss)):
            name = default_registry().name_of(type(self))
            raise DivergedError(
                f"{name}: the loss is {float(loss.detach())} after {int(self.env_steps)} steps; "
                f"lower the strategy's lr ({self.strategy.lr}) or the learner's ({self.lr})"
            )
        optimizer.zero_grad()  # type: ignore[union-attr]
        self.manual_backward(loss)
        if self.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.parameters(), self.clip_norm)
        optimizer.step()  # type: ignore[union-attr]
        return float(loss.detach())

    def _course(self, chunks: Sequence[Chunk], losses: Sequence[float]) -> dict[str, float]:
        """Return the mean returns of the rollouts, in their order, and the last loss."""
        found = {"policy_loss": losses[-1]}
        turns = len(chunks[0].trials.taken)
        for turn in range(turns):
            own = [float(chunk.trials.taken[turn].returns.mean()) for chunk in chunks]
            found["return_after" if turn == turns - 1 else f"return_{turn}"] = float(np.mean(own))
        return found
