"""Steps of streams, compared."""

from __future__ import annotations

from typing import Any

from tiny import keys

from tlml import StreamView


def epoch_of(view: StreamView, epoch: int) -> list[Any]:
    loader = view.train_dataloader()
    loader.sampler.set_epoch(epoch)
    return list(loader)


def shown(steps: list[Any]) -> list[tuple[float, ...]]:
    return [x for step in steps for x in keys(step.batch.x)]
