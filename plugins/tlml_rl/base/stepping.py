"""Steps of flat optimisers, which the Trainer counts."""

from __future__ import annotations

from typing import Any

from pytorch_lightning.plugins import Precision
from pytorch_lightning.utilities.model_helpers import is_overridden

from tlml.learners import Learner
from tlml_rl.base.flat import FlatAdam


class Stepping(Learner):
    """A learner that steps its optimisers itself, many times in a batch of the fit."""

    _watched = True  # whether anything is to be told before a step

    def on_train_start(self) -> None:
        """Look whether anything is to be told before a step."""
        super().on_train_start()
        callbacks: list[Any] = self.trainer.callbacks  # type: ignore[attr-defined]
        self._watched = type(self.trainer.precision_plugin) is not Precision or any(
            is_overridden("on_before_optimizer_step", each) for each in (*callbacks, self)
        )

    def add_terms(self, batch: Any) -> None:
        """Add the gradients of a strategy's own terms, where it brings some (by tlml.Adapt)."""
        if "adapt" in vars(self):
            extra = vars(self)["adapt"](batch)
            if extra.requires_grad:
                extra.backward()

    def step(self, optimizer: FlatAdam) -> None:
        """Step an optimiser by the gradients there are, and let the Trainer count it."""
        counted = self._counted(optimizer)
        # A step takes about as long as what torch and the Trainer ask hooks around it.
        if counted is None:
            optimizer.step() if optimizer.hooked_on else optimizer.advance()
        elif self._watched or optimizer.hooked_on:
            counted.step()
        else:
            counted._on_before_step()
            optimizer.advance()
            counted._on_after_step()

    def _counted(self, optimizer: FlatAdam) -> Any:
        """Return the Trainer's wrapper of an optimiser; None where there is none."""
        if self._trainer is None or not self.trainer.optimizers:
            return None
        found: Any = self.optimizers()
        wrappers = found if isinstance(found, list) else [found]
        return next((one for one in wrappers if one.optimizer is optimizer), None)
