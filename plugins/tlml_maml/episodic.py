"""Learners whose head is computed from the support's features, not found by inner steps."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Literal

import torch
from torch import Tensor, nn

from tlml import Batch, Episode, Episodes, GradientLearner, Network, TlmlError
from tlml.data import tasks_of
from tlml.learners import TargetAdapter
from tlml.metrics import criterion
from tlml.networks import evaluating, flat, statistics
from tlml.views import ViewSpaces
from tlml_maml.outer import outer_step


class Episodic(GradientLearner):
    """A network that embeds, and a head that a support's features determine.

    It is trained by the query loss of episodes, in one forward pass for all examples of a batch,
    by whose statistics BatchNorm normalises and which it stores. Any number of ways may be tested.
    A `tlml.Network`, or another module with a method ``features``, embeds by that; of any other
    module the output is the embedding. A network built by name has no head of its own.

    Args:
        network: ``auto`` (by the inputs), a registered network, a class path, or a module.
        network_options: Options of the named network.
        lr: Learning rate of training.
        optimizer: Optimiser of training: ``adam``, ``adamw`` or ``sgd``.
        weight_decay: Weight decay of training.
        momentum: Momentum of ``sgd``.
        fused: Step all parameters by one operation, which is quicker and changes last digits.
        batchnorm: Statistics that BatchNorm uses on a target task: as ``stored`` in training
            (inductive), or of its ``batch`` of support and query (transductive).
        seed: The key of the initialisation.
        spaces: Input and target space as plain data, as checkpoints hold them.

    Raises:
        TlmlError: An option is out of range.
    """

    def __init__(
        self,
        network: str | nn.Module = "auto",
        *,
        network_options: dict[str, Any] | None = None,
        lr: float = 1e-3,
        optimizer: Literal["adam", "adamw", "sgd"] = "adam",
        weight_decay: float = 0.0,
        momentum: float = 0.9,
        fused: bool = False,
        batchnorm: Literal["batch", "stored"] = "stored",
        seed: int = 0,
        spaces: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(
            network,
            network_options=network_options,
            lr=lr,
            optimizer=optimizer,
            weight_decay=weight_decay,
            momentum=momentum,
            fused=fused,
            batchnorm=batchnorm,
            seed=seed,
            spaces=spaces,
        )

    @abstractmethod
    def class_scores(self, support: Tensor, labels: Tensor, query: Tensor, ways: int) -> Tensor:
        """Return the scores ``[n, ways]`` of one task.

        Args:
            support: Features ``[K, d]``.
            labels: Classes ``[K]``; each of ``0 … ways − 1`` occurs.
            query: Features ``[n, d]``.
            ways: How many classes there are.
        """

    def score_loss(self, scores: Tensor, y: Tensor) -> Tensor:
        """Return the loss of the scores of one task's query."""
        return criterion(scores, y)

    # Training

    def training_step(self, batch: Episode | Episodes, batch_idx: int) -> Tensor:
        """Return the mean query loss of a batch of tasks."""
        return outer_step(self, batch)

    def meta_loss(self, episode: Episode | Episodes) -> Tensor:
        """Return the mean query loss over the batch's tasks."""
        tasks = tasks_of(episode)
        sides = [side for task in tasks for side in task]
        features = self.embed(torch.cat([side.x for side in sides]))
        self.grow(features.shape[1:], None)
        parts = torch.split(features, [len(side.x) for side in sides])
        losses = []
        for (known, asked), support, query in zip(tasks, parts[::2], parts[1::2], strict=True):
            ways = int(known.y.max()) + 1
            check_support(known, ways)
            scores = self.class_scores(support, known.y, query, ways)
            losses.append(self.score_loss(scores, asked.y))
        return torch.stack(losses).mean() + self._unread()

    def embed(self, x: Tensor) -> Tensor:
        """Return the features ``[n, d]`` of inputs ``[n, ...]``."""
        return flat(self.raw_features(x))

    def raw_features(self, x: Tensor) -> Tensor:
        """Return the features of inputs as they come: ``[n, C, h, w]`` where they are maps."""
        network, x = self.built(), self._like(x)
        features: Any
        if isinstance(network, Network):  # whose `features` flattens
            features = nn.Sequential(*network.blocks.values())
            x = x.to(next(network.parameters()).dtype)
        else:
            features = getattr(network, "features", network)
        found: Tensor = features(x)
        return found

    # Predicting

    def predict(self, support: Batch, x: Tensor) -> Tensor:
        """Return the class scores ``[n, ways]`` of ``x``, given a support that has every class.

        Raises:
            TlmlError: A class has no example.
        """
        ways = int(support.y.max()) + 1 if len(support.y) else 0
        return self.classified(support, x, ways, self.seed)

    def predict_by(self, adapter: TargetAdapter, support: Batch, x: Tensor) -> Tensor:
        """Return the class scores ``[n, ways]`` of ``x``, with the ways of the test's tasks.

        Raises:
            TlmlError: A class has no example, or another strategy is to adapt.
        """
        if adapter.strategy is not self.strategy:
            raise TlmlError(
                f"adapt: {type(self).__name__} adapts by the head that it computes and takes no "
                f"{type(adapter.strategy).__name__}; leave adapt out"
            )
        ways = getattr(adapter.space, "n", None)
        if ways is None:
            return self.predict(support, x)
        return self.classified(support, x, int(ways), adapter.seed)

    def classified(self, support: Batch, x: Tensor, ways: int, seed: int) -> Tensor:
        """Return the scores ``[n, ways]`` of one task; `seed` keys what a head draws."""
        check_support(support, ways)
        with torch.no_grad(), statistics(self.built(), self.batchnorm):
            both = self.embed(torch.cat([support.x, x]))
        self.grow(both.shape[1:], None)
        known, new = torch.split(both, [len(support.x), len(x)])
        with torch.no_grad(), statistics(self, self.batchnorm):
            return self.class_scores(known, support.y, new, ways)

    # Building

    def grow(self, shape: torch.Size, spaces: ViewSpaces | None) -> None:
        """Make what is learned beside the network, once the shape of one's features is known.

        It is called again and again; `spaces` is None where no view is known.
        """

    def _made(self, spaces: ViewSpaces) -> nn.Module:
        network = super()._made(spaces)
        if isinstance(network, Network):
            network.head = nn.Identity()
        return network

    def _build(self, network: nn.Module) -> None:
        super()._build(network)
        if self.view_spaces is not None:
            self._check_outputs(self.view_spaces)

    def _check_outputs(self, spaces: ViewSpaces) -> None:
        # Any features will do; their number is what there is to find out.
        shape = (2, *(spaces.x.shape or ()))
        parameter = next(self.built().parameters(), torch.empty(0))
        with torch.no_grad(), evaluating(self.built()), statistics(self.built(), "batch"):
            found = self.embed(torch.zeros(shape, device=parameter.device))
        self.grow(found.shape[1:], spaces)

    def _like(self, values: Tensor) -> Tensor:
        parameter = next(self.built().parameters(), None)
        if not values.is_floating_point() or parameter is None:
            return values
        return values.to(parameter.dtype)

    def _unread(self) -> Tensor | float:
        """Return 0, with a gradient of 0 for the head of a network that was given with one."""
        network = self.network
        if not isinstance(network, Network):
            return 0.0
        return sum((0 * p.sum() for p in network.head.parameters()), 0.0)


def check_support(support: Batch, ways: int) -> None:
    """Raise where a class of a task has no example in the support."""
    missing = sorted({*range(ways)} - {*support.y.tolist()})
    if missing or not ways:
        lacks = f"class {missing[0]} of {ways} has" if missing else "it has"
        raise TlmlError(
            f"support without a class: {lacks} no example; give each class one, or leave classes "
            "without examples out and number the others from 0"
        )
