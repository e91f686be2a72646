"""What agents need around a fit: environments that are closed again, and one thread."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from threadpoolctl import threadpool_limits


class FitResources(Callback):
    """Opens an agent's environments when a fit starts, and closes them whatever happens.

    Rollouts and updates of small networks are many short operations, which several threads make
    slower: a fit on the CPU has one, and gives the others back.
    """

    def __init__(self) -> None:
        self._held = ExitStack()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Make the environments."""
        learner: Any = pl_module
        self._held.callback(learner.leave)
        learner.enter(learner.current_view())
        if learner.device.type == "cpu":
            self._held.callback(torch.set_num_threads, torch.get_num_threads())
            torch.set_num_threads(1)
            self._held.enter_context(threadpool_limits(1, user_api="blas"))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close them."""
        self._held.close()

    def on_exception(self, trainer: Trainer, *_: Any) -> None:
        """Close them."""
        self._held.close()
