"""GDumb (Prabhu, Torr & Dokania 2020, ECCV): a balanced memory, and training from scratch on it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from tlml import Step, Strategy, StreamView, TlmlError
from tlml.data import Batch
from tlml.errors import check_not_negative, check_positive
from tlml.networks import fresh_parameters, frozen_parameters
from tlml.strategies import make_optimizer
from tlml.views import ViewSpaces
from tlml_continual.base.features import class_count
from tlml_continual.base.in_place import InPlaceLearner
from tlml_continual.base.stream_learner import MemoryLearner
from tlml_continual.memories.balanced import BalancedMemory


class GDumb(InPlaceLearner, MemoryLearner[BalancedMemory]):
    """Keep a balanced memory; when a task ends, train a new network on the memory and nothing else.

    While batches come, nothing is learned but which examples are kept (algorithm 1, the greedy
    balancing sampler). At the end of each task the network begins anew, from weights drawn by the
    seed, and learns from the memory for `epochs_on_memory` epochs, with a rate that falls from
    `lr` to `lr_min` by half a cosine (the dumb learner). The authors restart the cosine with
    doubled periods, and mix images by CutMix. Once each class has its share of the memory, only
    rarer ones are let in: where all classes come with each task, it stays with the first task.

    What it costs: T tasks take T · `epochs_on_memory` · `memory_size` / `batch_on_memory` steps of
    the optimiser, none of which the Trainer counts, and whose time does not depend on the length of
    the stream; a fit that is killed within them repeats those of that task. A network that was
    trained before is not made use of.

    Args:
        network: ``auto`` (by the inputs), a registered network, a class path, or a module.
        strategy: What adapts to a task after the stream, unless a test names another.
        lr: Rate of the first epoch on the memory.
        lr_min: Rate that the last one comes near to.
        optimizer: ``sgd``, ``adam`` or ``adamw``.
        momentum: Momentum of ``sgd``.
        weight_decay: Weight decay.
        clip: Norm that gradients are clipped to.
        memory_size: Examples that are kept, of all tasks together.
        epochs_on_memory: Passes over the memory at the end of each task.
        batch_on_memory: Examples of the memory in a step.
        **options: Those of `StreamLearner`, but for ``glances``.

    Raises:
        TlmlError: An option is out of range, targets are values, or the network does not fit.
    """

    aligns: ClassVar[bool] = False  # the network changes at the ends of tasks alone
    unused = ("glances",)

    def __init__(
        self,
        network: str | nn.Module = "auto",
        strategy: Strategy | str | dict[str, Any] | None = "full",
        *,
        lr: float = 0.05,
        lr_min: float = 0.0005,
        optimizer: Literal["adam", "adamw", "sgd"] = "sgd",
        momentum: float = 0.9,
        weight_decay: float = 1e-6,
        clip: float = 10.0,
        memory_size: int = 200,
        epochs_on_memory: int = 50,
        batch_on_memory: int = 16,
        **options: Any,
    ) -> None:
        check_not_negative(lr_min=lr_min)
        check_positive(
            clip=clip, epochs_on_memory=epochs_on_memory, batch_on_memory=batch_on_memory
        )
        if lr_min > lr:
            raise TlmlError(f"lr_min: {lr_min} is above lr ({lr}), and rates fall; lower it")
        self.lr_min, self.clip = lr_min, clip
        self.epochs_on_memory, self.batch_on_memory = epochs_on_memory, batch_on_memory
        super().__init__(
            network, strategy, lr=lr, optimizer=optimizer, momentum=momentum,
            weight_decay=weight_decay, memory_size=memory_size, **options,
        )  # fmt: skip

    def new_memory(self, spaces: ViewSpaces) -> BalancedMemory:
        """Return room for examples that are balanced by class."""
        return BalancedMemory(self.memory_size, spaces, class_count(self, spaces))

    def remarks(self, view: StreamView) -> Iterator[str]:
        """Yield nothing: it is the memory that is trained on, in many epochs."""
        yield from ()

    def update(self, step: Step) -> None:
        """Show the examples to the memory."""
        self.kept_examples().push(step.batch, step.task)

    def consolidate(self, task: int) -> None:
        """Train the network anew, on the memory alone."""
        network = self.built()
        start_anew(network, self.seed)
        learned = [p for p in network.parameters() if p.requires_grad]
        optimizer = make_optimizer(self, [{"params": learned}])
        network.train()
        for epoch in range(self.epochs_on_memory):
            for group in optimizer.param_groups:
                group["lr"] = self.rate(epoch)
            for batch in self._batches():
                optimizer.zero_grad()
                loss = self._checked(self.glance_loss(batch))
                loss.backward()  # type: ignore[no-untyped-call]
                nn.utils.clip_grad_norm_(learned, self.clip)
                optimizer.step()
        optimizer.zero_grad()
        network.eval()

    def rate(self, epoch: int) -> float:
        """Return the rate of an epoch on the memory."""
        share = (1 + math.cos(math.pi * epoch / self.epochs_on_memory)) / 2
        return self.lr_min + (self.lr - self.lr_min) * share

    def _batches(self) -> Iterator[Step]:
        """Yield all of the memory in a drawn order, in nearly equal parts."""
        memory = self.kept_examples()
        order = torch.randperm(len(memory)).to(memory.x.device)
        for places in order.tensor_split(math.ceil(len(order) / self.batch_on_memory)):
            x, y = memory.at(places)
            yield Step(Batch(self._like(x), y), memory.task[places])


def start_anew(network: nn.Module, seed: int) -> None:
    """Draw the parameters of a network anew, a function of the seed; frozen ones stay.

    Raises:
        TlmlError: A module that owns parameters has no ``reset_parameters``.
    """
    frozen = frozen_parameters(network)
    fresh: dict[str, Tensor] = fresh_parameters(network, seed)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name not in frozen:
                parameter.copy_(fresh[name])
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._NormBase):
            module.reset_running_stats()
