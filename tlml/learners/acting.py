"""Agents: learners that act in environments, and learn from what comes of it."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
import torch.distributed
from numpy.typing import NDArray
from pytorch_lightning.utilities import rank_zero_info
from torch import Tensor

from tlml.data.env_stream import EnvStream, Finished, as_rollout, joined_states, state_at
from tlml.data.rollouts import Rollout, Transitions
from tlml.data.sampling import processes
from tlml.data.tasks import MDP, Batch
from tlml.errors import TlmlError
from tlml.learners.evaluation import from_all_ranks
from tlml.learners.fit_resources import FitResources
from tlml.learners.learner import Learner
from tlml.learners.playing import play_through
from tlml.views.base import View, ViewSpaces
from tlml.views.env import Environments, EnvView

Explorer = Callable[[NDArray[Any]], NDArray[Any]]

_RECENT = 100  # episodes that the return shown in training is a mean of
_LEFT = "environments"  # what a checkpoint says of where they were left


class Acting(Learner):
    """A learner that acts: it owns the environments that live on from batch to batch of a fit.

    A subclass says how it acts (`explorer` in training, `decide` else) and learns in
    ``training_step``; `OnPolicy` and `OffPolicy` do that for what learns from rollouts and from
    single steps. It names Acting, or one of these, before its other base.

    A checkpoint holds where the environments were left: the number of each one's episode and what
    was done in it, so that a resumed fit goes on within the episode.

    Attributes:
        max_env_steps: Steps in environments, of all processes, after which a fit ends.
        env_steps: Steps taken so far, a registered buffer; steps that only reset one don't count.
        rollouts: How often environments were acted in for some steps, a registered buffer.
        finished: The last episodes that ended in training.
    """

    view_type: ClassVar[type[View]] = EnvView
    equal_buffers: ClassVar[bool] = True  # all processes count the steps of all
    max_env_steps: int
    env_steps: Tensor
    rollouts: Tensor
    _entered: EnvStream | None = None
    _left: dict[str, Tensor] | None = None  # where to go on
    _last: dict[str, Tensor] | None = None  # where the latest fit ended
    _told: tuple[float, int] | None = None  # when steps were logged, and how many there were

    @abstractmethod
    def explorer(self, steps: int) -> Explorer:
        """Return how to act in a rollout of so many steps: observations to actions ``[N, ...]``.

        What is drawn should be drawn from `noise`, all at once.
        """

    @abstractmethod
    def decide(self, observations: NDArray[Any]) -> NDArray[Any]:
        """Return the action for each observation ``[n, ...]`` without any chance."""

    def decide_among(
        self, observations: NDArray[Any], allowed: NDArray[np.bool_] | None
    ) -> NDArray[Any]:
        """Return actions as `decide`, of those that are allowed ``[n, ...]``; None: of all.

        An agent that can't leave actions out takes no notice.
        """
        return self.decide(observations)

    def performed(self, actions: NDArray[Any]) -> NDArray[Any]:
        """Return actions as environments take them; mostly as they are."""
        return actions

    def act(self, observation: Any, allowed: NDArray[np.bool_] | None = None) -> NDArray[Any]:
        """Return the agent's action for each observation, without any chance.

        Args:
            observation: A batch of observations ``[n, ...]``, a tensor or an array.
            allowed: Which actions may be chosen ``[n, ...]``; None: all.

        Returns:
            Actions ``[n, ...]``, as environments take them.
        """
        seen = (
            observation.detach().cpu().numpy() if isinstance(observation, Tensor) else observation
        )
        with torch.no_grad():
            return self.performed(self.decide_among(np.asarray(seen), allowed))

    # Environments

    def prepare(self, spaces: ViewSpaces) -> None:
        """Make the counts of steps and rollouts."""
        super().prepare(spaces)
        self.register_buffer("env_steps", torch.zeros((), dtype=torch.int64))
        self.register_buffer("rollouts", torch.zeros((), dtype=torch.int64))
        self.finished: deque[Finished] = deque(maxlen=_RECENT)

    @property
    def environments(self) -> EnvStream:
        """The environments of this process.

        Raises:
            TlmlError: There is no fit.
        """
        if self._entered is None:
            raise TlmlError(
                f"{type(self).__name__}: it has environments of its own in a fit only; call "
                "enter(view) to act without a Trainer, and leave() in the end"
            )
        return self._entered

    def enter(self, view: EnvView) -> None:
        """Make the environments of a view, where a checkpoint left them if it tells."""
        self.leave()
        places = view.places()
        left = None if self._left is None else state_at(self._left, places)
        self._entered = EnvStream(places, view.vectorization, left)
        self._left = self._last = None
        if self._entered.restarted:
            numbers = ", ".join(map(str, self._entered.restarted))
            rank_zero_info(
                f"{type(self).__name__}: environments {numbers} don't come back to where they "
                "were left; their next episode begins"
            )

    def leave(self) -> None:
        """Close the environments, if there are any."""
        stream, self._entered = self._entered, None
        if stream is not None:
            self._last = stream.state()
            stream.close()

    def noise(self, steps: int, draw: Callable[[np.random.Generator, int], NDArray[Any]]) -> Any:
        """Draw for a rollout ``[steps, N, ...]``, keyed by environment and number of the rollout.

        Args:
            steps: Of the rollout.
            draw: Draws so many of one environment from a generator: ``[steps, ...]``.
        """
        number = int(self.rollouts)
        keys = [(self.seed, place.number, number) for place in self.environments.places]
        return np.stack([draw(np.random.default_rng(key), steps) for key in keys], axis=1)

    def collect(self, steps: int) -> Rollout:
        """Act for so many steps in all environments and return what came of it."""
        stream, explore = self.environments, self.explorer(steps)
        seen = np.asarray(stream.observations)
        observations = np.empty((steps + 1, *seen.shape), seen.dtype)
        observations[0] = seen
        rewards = np.empty((steps, len(stream)), np.float32)
        terminated, truncated = (np.empty((steps, len(stream)), bool) for _ in range(2))
        chosen, done, led_to, allowed = [], [], [], []
        for t in range(steps):
            allowed.append(stream.allowed())
            chosen.append(explore(observations[t]))
            done.append(self.performed(chosen[t]))
            observations[t + 1], rewards[t], terminated[t], truncated[t], followed = stream.step(
                done[t]
            )
            led_to.append(followed)
        over = terminated | truncated
        valid = stream.valid(over)
        self._check_finite(observations, rewards)
        self.finished += stream.follow(np.array(done), rewards, over, valid)
        self._count(int(valid.sum()))
        return as_rollout(
            observations, np.array(chosen), rewards, terminated, truncated, valid,
            _successors(observations, led_to), _masks(allowed),
        )  # fmt: skip

    def interact(self, steps: int, gamma: float) -> Iterator[Transitions]:
        """Act for so many steps, and yield what came of each in all environments, one by one.

        Each action is chosen after what was yielded before has been learned from. Steps that only
        reset an environment are left out.

        Args:
            steps: How many.
            gamma: What the value of what follows is discounted by.
        """
        stream, explore = self.environments, self.explorer(steps)
        chosen, done = [], []
        rewards = np.empty((steps, len(stream)), np.float32)
        over = np.zeros((steps, len(stream)), bool)
        for t in range(steps):
            seen = np.array(stream.observations)
            chosen.append(explore(seen))
            done.append(self.performed(chosen[t]))
            now, rewards[t], terminated, truncated, followed = stream.step(done[t])
            over[t] = terminated | truncated
            kept = stream.valid(over[: t + 1])[t]
            after = np.array(now if followed is None else followed)
            yield _transitions(seen, chosen[t], rewards[t], after, terminated, gamma, kept)
        valid = stream.valid(over)
        self.finished += stream.follow(np.array(done), rewards, over, valid)
        self._count(int(valid.sum()))

    def begin_anew(self, max_env_steps: int) -> None:
        """Count steps from 0 again, as for a fit on other tasks; what was learned stays."""
        self.max_env_steps = max_env_steps
        self.hparams["max_env_steps"] = max_env_steps
        self.env_steps.zero_()
        self._left = self._last = None

    def costs(self) -> dict[str, float]:
        """Return how many steps in environments a fit took."""
        return {**super().costs(), "env_steps": int(self.env_steps)}

    def walked(self, task: MDP) -> dict[str, Any] | None:
        """Return what was learned of each cell where a task is a maze; suites draw it.

        Returns:
            ``cells``, ``actions`` and ``values``, row by row; None where there is nothing to show.
        """
        return None

    # Being judged

    def predict(self, support: Batch, x: Tensor) -> Tensor:
        """Raise: an agent acts."""
        raise TlmlError(f"{type(self).__name__} acts; ask act(observations), or test on an EnvView")

    def played(self, environments: Environments) -> list[Finished]:
        """Act in environments of a task without any chance, one episode in each."""
        return play_through(self.act, environments.judging())

    # Lightning's hooks

    def check(self, view: View) -> None:
        """Raise where the view has no environments to stay in."""
        super().check(view)
        if not isinstance(view, EnvView):
            raise TlmlError(f"{type(self).__name__} acts in environments; give it an EnvView")

    def configure_model(self) -> None:
        """Raise where a test, too, is in environments that it can't observe or act in."""
        super().configure_model()
        view = self.current_view()
        if isinstance(view, EnvView):
            self.check_spaces(view.spaces)

    def configure_callbacks(self) -> list[Any]:
        """Bring what opens and closes environments around a fit."""
        callbacks: list[Any] = self.trainer.callbacks  # type: ignore[attr-defined]
        has = any(isinstance(one, FitResources) for one in callbacks)
        return [*super().configure_callbacks(), *([] if has else [FitResources()])]

    def on_train_start(self) -> None:
        """Don't begin where all steps were taken before."""
        super().on_train_start()
        self._stop_in_time()

    def on_validation_epoch_end(self) -> None:
        """Let loggers count steps in environments here, too."""
        super().on_validation_epoch_end()
        if self.trainer.state.fn == "fit":
            self.log("step", float(self.env_steps))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Write down where the environments of all processes were left."""
        super().on_save_checkpoint(checkpoint)
        left = self._last if self._entered is None else self._entered.state()
        if left is not None:
            checkpoint["tlml"][_LEFT] = joined_states(from_all_ranks([left]))

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep where the environments were left, until a fit goes on."""
        super().on_load_checkpoint(checkpoint)
        self._left = checkpoint["tlml"].get(_LEFT)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the environments out: they can't be pickled."""
        return {**self.__dict__, "_entered": None}

    # Inside

    def log_progress(self, values: Mapping[str, Any]) -> None:
        """Log what was learned over steps in environments, every `log_every_n_steps` batches."""
        trainer = self._trainer
        if trainer is None or not trainer._logger_connector.should_update_logs:
            return
        now, steps = time.perf_counter(), int(self.env_steps)
        (since, before), self._told = self._told or (now, steps), (now, steps)
        shown = {"env_steps": float(steps)}
        if now > since:
            shown["steps_per_second"] = (steps - before) / (now - since)
        if self.finished:
            shown |= {
                "train_return": float(np.mean([one.total for one in self.finished])),
                "train_length": float(np.mean([one.length for one in self.finished])),
            }
        self.log_dict({k: float(v) for k, v in shown.items()}, prog_bar=True, batch_size=1)
        told = {f"train_{name}": float(value) for name, value in values.items()}
        self.log_dict({**told, "step": float(self.env_steps)}, batch_size=1)

    def _count(self, steps: int) -> None:
        """Add the steps that were taken in all processes."""
        if processes() > 1:
            taken = torch.tensor(steps, device=self.device)
            torch.distributed.all_reduce(taken)
            steps = int(taken)
        self.env_steps.add_(steps)
        self.rollouts.add_(1)

    def _stop_in_time(self) -> None:
        if self._trainer is not None and int(self.env_steps) >= self.max_env_steps:
            self.trainer.should_stop = True

    def _check_finite(self, observations: NDArray[Any], rewards: NDArray[Any]) -> None:
        for name, values in (("observation", observations), ("reward", rewards)):
            if values.dtype.kind == "f" and not np.isfinite(values.sum()):
                bad = np.argwhere(~np.isfinite(values.reshape(*values.shape[:2], -1).sum(-1)))
                if len(bad):
                    place = self.environments.places[bad[0][1]]
                    raise TlmlError(
                        f"{place}: its {name} is NaN or infinite after {int(self.env_steps)} steps "
                        "in all environments"
                    )


def _successors(
    observations: NDArray[Any], led_to: Sequence[NDArray[Any] | None]
) -> NDArray[Any] | None:
    """Return what followed each step; None where that is always what was seen next."""
    if all(one is None for one in led_to):
        return None
    seen = zip(led_to, observations[1:], strict=True)
    return np.stack([then if one is None else one for one, then in seen])


def _masks(allowed: Sequence[NDArray[np.bool_] | None]) -> NDArray[np.bool_] | None:
    """Return which actions could be chosen at each step; None where no step told."""
    told = [own for own in allowed if own is not None]
    if not told:
        return None
    every = np.ones_like(told[0])  # at a step that told nothing
    return np.stack([every if own is None else own for own in allowed])


def _transitions(
    seen: NDArray[Any], actions: NDArray[Any], rewards: NDArray[Any], after: NDArray[Any],
    terminated: NDArray[Any], gamma: float, kept: NDArray[Any],
) -> Transitions:  # fmt: skip
    discount = np.full(len(rewards), gamma, np.float32)
    told = (seen, actions, rewards, after, terminated, discount)
    return Transitions(*(torch.from_numpy(np.asarray(one)[kept]) for one in told))
