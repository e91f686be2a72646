"""Learners whose network's parameters share one memory, on which one optimiser steps."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Literal

from pytorch_lightning.utilities import rank_zero_info

import tlml
from tlml.learners import NetworkLearner
from tlml.registry import default_registry
from tlml_rl.base.flat import FlatAdam, FlatParameters
from tlml_rl.base.stepping import Stepping

Schedule = Literal["linear", "constant"]
SCHEDULES = ("linear", "constant")


class FlatLearner(Stepping, NetworkLearner):
    """A learner with flat parameters, whose network is computed in the fastest way that is right.

    It is named before the learner that acts. A subclass says which way (`choose_path`), and the log
    names it.

    Attributes:
        eps: ε of Adam.
        clip_norm: The largest norm of a gradient; None clips nothing.
        lr_schedule: Whether the learning rate falls to 0 at the end (``linear``).
    """

    eps: float
    clip_norm: float | None
    lr_schedule: Schedule
    computed: str  # what is computed, for the log
    _path: Any = None
    _flat: FlatParameters | None = None
    _own_optimizer: FlatAdam | None = None

    @abstractmethod
    def choose_path(self, flat: FlatParameters) -> tuple[Any, str]:
        """Return how to compute with the network, which has a `name`, and why so."""

    @abstractmethod
    def remaining(self) -> float:
        """Return the share of steps in environments that is left."""

    def path(self) -> Any:
        """Return how the network is computed in training."""
        if self._path is None or self._flat is None or not self._flat.intact():
            self._flat = FlatParameters(self.built().parameters())
            self._path, why = self.choose_path(self._flat)
            name = default_registry().name_of(type(self))
            how = self._path.name if self._path.name.startswith("by") else f"by {self._path.name}"
            rank_zero_info(f"{name}: {self.computed} computed {how}: {why}")
        return self._path

    def is_flat(self) -> bool:
        """Say whether a path is chosen that still holds."""
        return self._path is not None and self._flat is not None and self._flat.intact()

    def follow_schedule(self) -> None:
        """Set the learning rate for what comes next."""
        rate = self.lr * (self.remaining() if self.lr_schedule == "linear" else 1.0)
        for group in self.flat_optimizer().param_groups:
            group["lr"] = rate

    # Optimising

    def configure_optimizers(self) -> FlatAdam:
        """Let parameters share one memory, and make Adam on it."""
        return self._made_optimizer()

    def flat_optimizer(self) -> FlatAdam:
        """Return the optimiser; without a Trainer, one of its own."""
        if self._own_optimizer is None or not self._own_optimizer.flat.intact():
            self._made_optimizer()
        assert self._own_optimizer is not None
        return self._own_optimizer

    def on_train_start(self) -> None:
        """Choose how to compute, now that everything is where it will be."""
        super().on_train_start()
        self.path()

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what shares memory: a copy makes its own."""
        left_out = dict.fromkeys(("_path", "_flat", "_own_optimizer"))
        return {**super().__getstate__(), **left_out}

    def _made_optimizer(self) -> FlatAdam:
        self.path()
        assert self._flat is not None
        groups = tlml.param_groups(self.built(), self.strategy) if self.strategy.max_steps else None
        made = FlatAdam(self._flat, groups, lr=self.lr, eps=self.eps, clip_norm=self.clip_norm)
        for group in made.param_groups:
            group["lr"] = self.lr
        self._own_optimizer = made
        return made
