"""Torch's own draws, such as dropout's, as functions of a key: they don't depend on the past."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from pytorch_lightning import Callback, LightningModule, Trainer


@contextmanager
def keyed_draws(key: tuple[int, ...], device: torch.device) -> Iterator[None]:
    """Draw from torch's generators as seeded by `key`; on leaving they are as they were.

    Holds for the CPU's generator and that of `device`.
    """
    seed = int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> 1)
    accelerators = [device] if device.type not in ("cpu", "meta") else []
    kind = device.type if accelerators else "cuda"
    with torch.random.fork_rng(devices=accelerators, device_type=kind):
        torch.default_generator.manual_seed(seed)
        if accelerators:
            getattr(torch, kind).manual_seed(seed)
        yield


class KeyedDraws(Callback):
    """Keys what a training step draws by seed, epoch, batch and rank.

    Checkpoints hold no random state, and that of one rank would not serve the others: with this
    callback a network with dropout is resumed exactly. Every learner brings it.
    """

    def __init__(self) -> None:
        self._open = ExitStack()

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Begin the draws of this batch."""
        seed = int(getattr(pl_module, "seed", 0))
        key = (seed, trainer.current_epoch, batch_idx, trainer.global_rank)
        self._open.enter_context(keyed_draws(key, pl_module.device))

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Put the generators back."""
        self._open.close()

    def on_exception(self, trainer: Trainer, *_: Any) -> None:
        """Put the generators back."""
        self._open.close()
