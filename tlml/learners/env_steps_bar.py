"""A progress bar for agents, whose way is counted in steps of environments."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import TQDMProgressBar

_TOLD_BY_THE_BAR = ("env_steps", "steps_per_second", "train_return", "train_length", "v_num")
_BETWEEN = 0.1  # seconds between two looks of the bar: rollouts are shorter


class EnvStepsBar(TQDMProgressBar):
    """Shows how many of `max_env_steps` an agent took, how many a second, and its return.

    Lightning's own bar counts the batches of an epoch, and a fit of an agent has neither a fixed
    number of batches nor epochs that mean anything. The return is the mean of the last episodes
    that ended in training. ``tlml fit`` takes this bar for agents; a script gives it to its
    Trainer, ``callbacks=[EnvStepsBar()]``.
    """

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Begin at the steps that were taken before."""
        super().on_train_start(trainer, pl_module)
        self._shown = time.monotonic()
        bar, agent = self.train_progress_bar, _agent(pl_module)
        bar.total, bar.unit, bar.unit_scale = agent.max_env_steps, " steps", True
        bar.bar_format = None  # Lightning's says batches where tqdm's says the unit
        bar.n = bar.initial = int(agent.env_steps)
        bar.set_description("Training", refresh=False)

    def on_train_epoch_start(self, trainer: Trainer, *_: Any) -> None:
        """Go on: an epoch is nothing to an agent."""

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Show the steps of now, a few times a second."""
        if time.monotonic() - self._shown >= _BETWEEN:
            self._show(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the end, and leave it there."""
        self._show(trainer, pl_module)
        super().on_train_end(trainer, pl_module)

    def get_metrics(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """Return what is shown beside the bar: the return first."""
        found = super().get_metrics(trainer, pl_module)
        kept = {name: value for name, value in found.items() if name not in _TOLD_BY_THE_BAR}
        ended = getattr(pl_module, "finished", ())
        return {"return": float(np.mean([one.total for one in ended])), **kept} if ended else kept

    def _show(self, trainer: Trainer, pl_module: LightningModule) -> None:
        bar, self._shown = self.train_progress_bar, time.monotonic()
        if not bar.disable:
            bar.n = min(int(_agent(pl_module).env_steps), bar.total)
            bar.set_postfix(self.get_metrics(trainer, pl_module))


def _agent(module: LightningModule) -> Any:
    """Return the module, which has `env_steps` and `max_env_steps`."""
    return module
