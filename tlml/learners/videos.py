"""Videos of an agent, as it was when it was judged."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import gymnasium
import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from tlml.data.env_places import EnvPlace
from tlml.data.env_stream import Finished
from tlml.errors import TlmlError, check_positive
from tlml.learners.acting import Acting
from tlml.learners.playing import play_through
from tlml.views.env import EnvView


class RecordVideos(Callback):
    """Records an episode after each validation, in an environment of its own.

    Videos are written as ``FOLDER/env-steps-N/agent-episode-0.mp4``, by gymnasium (``pip install
    tlml[rl]`` brings what it needs)::

        pl.Trainer(max_epochs=-1, callbacks=[tlml.learners.RecordVideos("videos")])

    Args:
        folder: Where to.
        every: Validations from one video to the next.
        task: The number of the validation task to act in.

    Raises:
        TlmlError: An option is out of range, or the task's environment can't be drawn.
    """

    def __init__(self, folder: str, every: int = 1, task: int = 0) -> None:
        check_positive(every=every)
        self.folder, self.every, self.task = folder, every, task
        self._validations = 0

    def state_dict(self) -> dict[str, Any]:
        """Return how many validations there were."""
        return {"validations": self._validations}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on counting."""
        self._validations = state_dict["validations"]

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Record, on the first process, unless this was the check before training."""
        if trainer.sanity_checking or not trainer.is_global_zero:
            return
        self._validations += 1
        if (self._validations - 1) % self.every == 0:
            self.record(pl_module, trainer)

    def record(self, module: LightningModule, trainer: Trainer) -> Finished:
        """Record an episode, and return what came of it."""
        view = trainer.datamodule  # type: ignore[attr-defined]
        if not isinstance(module, Acting) or not isinstance(view, EnvView):
            raise TlmlError("RecordVideos: needs an agent, and its EnvView as datamodule")
        task = view.dataset("validation", 1)[self.task].task
        if "render_mode" not in inspect.signature(task.make).parameters:
            raise TlmlError(
                f"RecordVideos: task {task.name} can't be drawn: its make() has no render_mode"
            )
        drawn = _Drawn(task, Path(self.folder, f"env-steps-{int(module.env_steps)}"))
        place = EnvPlace(drawn, "validation", self.task, 0, view.judging_seed, judges=True)
        with torch.inference_mode(False):
            (played,) = play_through(module.act, [place])
        return played


class _Drawn:
    """A task whose environments are recorded."""

    def __init__(self, task: Any, folder: Path) -> None:
        self.task, self.name, self.folder = task, task.name, folder

    def make(self, seed: int) -> gymnasium.Env[Any, Any]:
        """Make the environment, so that what happens in it is written."""
        env = self.task.make(seed, render_mode="rgb_array")
        return gymnasium.wrappers.RecordVideo(
            env, str(self.folder), episode_trigger=lambda number: True, name_prefix="agent",
            disable_logger=True,
        )  # fmt: skip
