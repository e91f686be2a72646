"""What cells cost: seconds by the clock, and of the processor."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from tlml.metrics.seconds import now
from tlml.suites.inside.ingredients import result_of

OF_FITS = ("fit_seconds", "fit_cpu_seconds")
NO_FIT: Mapping[str, float] = MappingProxyType({**dict.fromkeys(OF_FITS, 0.0), "steps": 0})


def costs_of_fits(checkpoints: Sequence[Path]) -> dict[str, float]:
    """Return the seconds of fits together; those that not all tell are left out."""
    return summed([result_of(path)["cost"] for path in checkpoints], OF_FITS)


def summed(costs: Sequence[Mapping[str, float]], names: Sequence[str]) -> dict[str, float]:
    """Return the sums of what all costs tell; earlier versions told less."""
    told = [name for name in names if all(name in each for each in costs)]
    return {name: round(sum(each[name] for each in costs), 3) for name in told}


def costs_of_adapting(records: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the seconds that all episodes of a test took, as far as all their records tell."""
    found = summed(records, ("seconds", "cpu_seconds"))
    return {f"adapt_{name}": seconds for name, seconds in found.items()}


class ProcessorTimer(Callback):
    """What Lightning's Timer is by the clock, of the processor: over all parts of a training."""

    def __init__(self) -> None:
        self._before, self._since = 0.0, math.nan

    @property
    def elapsed(self) -> float:
        """Seconds of the processor since the training began, in all threads of this process."""
        return self._before if math.isnan(self._since) else self._before + now().cpu - self._since

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start."""
        self._since = now().cpu

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop."""
        self._before, self._since = self.elapsed, math.nan

    def state_dict(self) -> dict[str, Any]:
        """Return what was spent."""
        return {"elapsed": self.elapsed}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what was spent before a checkpoint."""
        self._before = state_dict["elapsed"]
