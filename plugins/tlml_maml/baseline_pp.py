"""Baseline++ (Chen, Liu, Kira, Wang & Huang 2019, arXiv 1904.04232): a cosine classifier."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from gymnasium.spaces import Discrete
from torch import Tensor, nn
from torch.nn import functional as F

from tlml import Batch, Pair, PairView, TlmlError, View
from tlml.errors import DivergedError, check_positive
from tlml.metrics import criterion
from tlml.networks import seeded_draws, statistics
from tlml.views import ViewSpaces
from tlml_maml.episodic import Episodic, check_support

# The classifier of a task, as in https://github.com/wyharveychen/CloserLookFewShot.
_LR, _MOMENTUM, _DAMPENING, _DECAY = 0.01, 0.9, 0.9, 0.001


class BaselinePlusPlus(Episodic):
    """Pretrain on all source classes with a cosine classifier; on a task, learn a new one.

    The new classifier is learned on the support's features, which stay: by SGD with rate 0.01,
    momentum and dampening 0.9 and weight decay 0.001.

    Args:
        network: ``auto`` (by the inputs), a registered network, a class path, or a module.
        scale: What cosines are multiplied by, in training and on a task.
        epochs: Passes over the support of a task.
        batch_size: Examples of each step of them.
        **options: Those of `Episodic`.

    Raises:
        TlmlError: An option is out of range, or the source has no classes.
    """

    view_type: ClassVar[type[View]] = PairView
    directions: nn.Parameter

    def __init__(
        self,
        network: str | nn.Module = "auto",
        *,
        scale: float = 10.0,
        epochs: int = 100,
        batch_size: int = 4,
        **options: Any,
    ) -> None:
        super().__init__(network, **options)
        check_positive(scale=scale, epochs=epochs, batch_size=batch_size)
        self.scale, self.epochs, self.batch_size = scale, epochs, batch_size

    def grow(self, shape: torch.Size, spaces: ViewSpaces | None) -> None:
        """Make the directions ``[classes, d]`` of the source's classes."""
        if "directions" in self._parameters or spaces is None:
            return
        if not isinstance(spaces.y, Discrete):
            raise TlmlError("baseline_pp: it needs classes, the source's targets are values")
        like = next(self.built().parameters(), torch.empty(0))
        with seeded_draws(self.seed):
            made = nn.init.kaiming_uniform_(torch.empty(int(spaces.y.n), shape.numel()))
        self.directions = nn.Parameter(made.to(like))

    def training_step(self, batch: Pair, batch_idx: int) -> Tensor:  # type: ignore[override]
        """Return the loss of the cosine classifier on a batch of source examples."""
        if not len(batch.source.x):
            raise DivergedError("baseline_pp: it learns from the source; give the view source=True")
        loss = criterion(self.predict_now(batch.source.x), batch.source.y) + self._unread()
        if not bool(torch.isfinite(loss)):
            raise DivergedError(
                f"baseline_pp: the loss is {loss.item()} in step {self.global_step}; lower lr "
                f"({self.lr})"
            )
        self.log_sparsely({"train_loss": loss.detach()}, batch_size=len(batch.source.x))
        return loss

    def predict_now(self, x: Tensor) -> Tensor:
        """Return the scores of the source's classes."""
        return self.scale * cosines(self.embed(x), self.directions)

    def classified(self, support: Batch, x: Tensor, ways: int, seed: int) -> Tensor:
        """Learn a classifier on the support's features and return the scores of ``x``."""
        check_support(support, ways)
        with torch.inference_mode(False), torch.no_grad():
            with statistics(self.built(), self.batchnorm):
                both = self.embed(torch.cat([support.x, x]).clone())
            known, new = torch.split(both, [len(support.x), len(x)])
            rng = torch.Generator().manual_seed(seed)
            return self._learned(known, support.y.clone(), new, ways, rng)

    def class_scores(self, support: Tensor, labels: Tensor, query: Tensor, ways: int) -> Tensor:
        """Return the scores of a classifier learned on the support."""
        rng = torch.Generator().manual_seed(self.seed)
        return self._learned(support, labels, query, ways, rng)

    def _learned(
        self, support: Tensor, labels: Tensor, query: Tensor, ways: int, rng: torch.Generator
    ) -> Tensor:
        first = torch.empty(ways, support.shape[1])
        nn.init.kaiming_uniform_(first, generator=rng)
        directions = first.to(support).requires_grad_()
        optimizer = torch.optim.SGD(
            [directions], _LR, momentum=_MOMENTUM, dampening=_DAMPENING, weight_decay=_DECAY
        )
        for _ in range(self.epochs):
            order = torch.randperm(len(support), generator=rng).to(labels.device)
            for part in torch.split(order, self.batch_size):
                with torch.enable_grad():
                    scores = self.scale * cosines(support[part].detach(), directions)
                    loss = criterion(scores, labels[part])
                (directions.grad,) = torch.autograd.grad(loss, [directions])
                optimizer.step()
        return self.scale * cosines(query, directions.detach())


def cosines(features: Tensor, directions: Tensor) -> Tensor:
    """Return the cosines ``[n, classes]`` of features with the classes' directions."""
    return F.normalize(features, dim=1) @ F.normalize(directions, dim=1).T
