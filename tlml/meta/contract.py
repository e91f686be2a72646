"""What gradients through adaptations ask of a learner, of an inner problem and of what adapts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, Protocol

from torch import Tensor, nn

from tlml.data.tasks import Batch, Params
from tlml.networks.batchnorm import Policy
from tlml.strategies.gradients import Loss
from tlml.strategies.strategy import Strategy

Vectorize = Literal["auto", "vmap", "stack", "loop"]
Memory = Literal["normal", "low"]
VECTORIZE: tuple[Vectorize, ...] = ("auto", "vmap", "stack", "loop")
MEMORY: tuple[Memory, ...] = ("normal", "low")

Slopes = dict[str, Tensor]


class Adapter(Protocol):
    """What adapts to a task: a strategy, and the network that it adapts."""

    @property
    def strategy(self) -> Strategy:
        """The strategy."""

    @property
    def network(self) -> nn.Module:
        """The network."""

    @property
    def buffers(self) -> Params:
        """What replaces the network's buffers, by name."""

    @property
    def frozen(self) -> frozenset[str]:
        """The parameters that stay as they are, by name."""

    @property
    def first_order(self) -> bool:
        """Whether nothing differentiates its inner steps any further."""

    def start(self, tasks: int | None) -> dict[str, Tensor]:
        """Return where it starts, by name; for some `tasks` at once ``[T, *shape]``."""

    def inner_loss(self, problem: Problem) -> Loss:
        """Return the loss that its inner steps go down, with the way to take its slopes."""

    def count(self) -> None:
        """Note that the loss was asked for."""


class Problem(Protocol):
    """The inner problem of a task, as paths run it."""

    @property
    def learner(self) -> MetaLearner:
        """Whose problem it is."""

    @property
    def adapter(self) -> Adapter:
        """What adapts."""

    @property
    def policy(self) -> Policy:
        """The statistics that BatchNorm uses."""

    def call(self, params: Params, x: Tensor) -> Tensor:
        """Run the network once, with parameters of one task."""

    def scores(self, params: Params, x: Tensor) -> Tensor:
        """Return the network's scores."""

    def loss(self, params: Params, batch: Any) -> Tensor:
        """Return the loss."""

    def task_loss(self, support: Batch, query: Batch) -> Tensor:
        """Return the query loss after adapting to the support."""

    def task_slopes(self, support: Batch, query: Batch) -> tuple[Tensor, Slopes]:
        """Return that loss, and its gradient by the parameters that are trained."""

    def constants(self) -> tuple[Any, ...]:
        """Return all that the loss depends on beside tensors."""


class MetaLearner(Protocol):
    """A learner whose network is adapted by gradients: what runs its tasks reads this of it."""

    strategy: Strategy
    vectorize: Vectorize
    chunk_size: int | None
    memory: Memory
    channels_last: bool | None
    criterion: str | None
    batchnorm: Policy
    seed: int
    stacks_calls: bool | None

    @property
    def first_order(self) -> bool:
        """Whether inner steps are taken as linear by the outer step."""

    @property
    def compiled(self) -> Any:
        """What compiles the outer step, if it is to be."""

    @property
    def loss_scale(self) -> float:
        """What the Trainer's gradient scaler multiplies a loss by; else 1."""

    @property
    def problem_type(self) -> Any:
        """The class of its inner problems."""

    def built(self) -> nn.Module:
        """Return the network."""

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Yield the parameters of network and strategy, by name."""

    def problem(self, adapter: Any = None, path: Any = None) -> Any:
        """Return the inner problem of a task; in training where no adapter is given."""

    def own_loss(self) -> Loss | None:
        """Return the loss that the learner computes in a way of its own, if it does."""


def trained_parameters(learner: MetaLearner) -> Slopes:
    """Return the parameters that an outer step changes, by name."""
    return {name: value for name, value in learner.named_parameters() if value.requires_grad}


def unscale(slopes: Slopes, scale: float) -> Slopes:
    """Return gradients of a loss, given those of `scale` times it."""
    return slopes if scale == 1 else {name: slope / scale for name, slope in slopes.items()}
