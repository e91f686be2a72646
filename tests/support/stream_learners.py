"""A stranger's plugin: learners of streams, one that remembers nothing and one that rehearses."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from tlml import GradientLearner, Spec, Step, StreamView, View, hookimpl
from tlml.data import Batch
from tlml.views import ViewSpaces


class Naive(GradientLearner):
    """Learns what comes.

    Args:
        network: What learns.
        lr: Rate of training.
        options: Of any learner with a network.
    """

    view_type: ClassVar[type[View]] = StreamView

    def __init__(self, network: str = "mlp", *, lr: float = 0.01, **options: Any) -> None:
        super().__init__(network, lr=lr, **options)

    def training_step(self, batch: Step, batch_idx: int) -> Tensor:
        """Return the loss on the batch."""
        return self.loss(dict(self.built().named_parameters()), batch.batch)

    def predict_now(self, x: Tensor) -> Tensor:
        """Predict as the network does."""
        scores: Tensor = self.built()(x)
        return scores


class Replay(Naive):
    """Learns what comes beside as many examples of what came.

    Args:
        network: What learns.
        lr: Rate of training.
        capacity: Examples that are kept: the first of each batch, in the place of the oldest.
        options: Of any learner with a network.
    """

    def __init__(
        self, network: str = "mlp", *, lr: float = 0.01, capacity: int = 30, **options: Any
    ) -> None:
        self.capacity = capacity
        super().__init__(network, lr=lr, **options)

    def prepare(self, spaces: ViewSpaces) -> None:
        """Make room for examples of a view."""
        super().prepare(spaces)
        self.register_buffer("kept_x", torch.zeros(self.capacity, *(spaces.x.shape or ())))
        self.register_buffer("kept_y", torch.zeros(self.capacity).long())
        self.register_buffer("seen", torch.zeros((), dtype=torch.long))

    def costs(self) -> dict[str, float]:
        """Return how much is kept."""
        return {"memory_examples": self.capacity}

    def courses(self) -> dict[str, list[tuple[int, float]]]:
        """Return how many had been kept by when."""
        return {"kept": [(0, 0.0), (self.global_step, float(self.seen))]}

    def training_step(self, batch: Step, batch_idx: int) -> Tensor:
        """Return the loss on the batch and on kept examples."""
        (x, y), seen = batch.batch, int(self.seen)
        if seen:
            rows = torch.randint(min(seen, self.capacity), (len(x),))
            x, y = torch.cat([x, self.kept_x[rows]]), torch.cat([y, self.kept_y[rows]])
        places = torch.arange(seen, seen + 3) % self.capacity
        self.kept_x[places], self.kept_y[places] = batch.batch.x[:3], batch.batch.y[:3]
        self.seen += 3
        return self.loss(dict(self.built().named_parameters()), Batch(x, y))


@hookimpl
def tlml_learners() -> list[Spec]:
    """Both learners."""
    gives, needs = frozenset({"loss", "features"}), ("stream", "regression|classification")
    return [
        Spec("naive_cl", "stream_learners:Naive", "what comes", gives=gives, needs=needs),
        Spec("replay_cl", "stream_learners:Replay", "and what came", gives=gives, needs=needs),
    ]
