"""Learners that change what they keep within the training step, and leave no gradient."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from tlml import Step, Strategy, TlmlError, View
from tlml.registry import default_registry
from tlml_continual.base.stream_learner import StreamLearner, scales_losses


class InPlaceLearner(StreamLearner):
    """Learns from a batch by `update`, which changes parameters and buffers itself.

    Lightning counts a step of its optimiser for each batch, so that the Trainer's steps are batches
    of the stream; the optimiser finds no gradient there, and changes nothing.

    Args:
        network: ``auto`` (by the inputs), a registered network, a class path, or a module.
        strategy: What adapts to a task after the stream, unless a test names another.
        **options: Those of `StreamLearner`, but for what says how an optimiser steps.

    Raises:
        TlmlError: As of `StreamLearner`, or an option is given that says something of steps which
            are not taken.
    """

    unused: ClassVar[tuple[str, ...]] = ("optimizer", "momentum", "fused", "glances")

    def __init__(
        self,
        network: str | nn.Module = "auto",
        strategy: Strategy | str | dict[str, Any] | None = "full",
        **options: Any,
    ) -> None:
        refuse_unused(default_registry().name_of(type(self)), self.unused, options)
        super().__init__(network, strategy, **options)

    @abstractmethod
    def update(self, step: Step) -> Tensor | None:
        """Learn from a batch, and return its loss where one was computed."""

    def training_step(self, batch: Step, batch_idx: int) -> Tensor:
        """Learn from a batch; nothing is left to be differentiated."""
        loss = self.update(batch)
        if loss is None:
            return torch.zeros((), device=self.device)
        self.log_sparsely({"train_loss": loss.detach()}, batch_size=len(batch.task))
        return loss.detach()

    def backward(self, loss: Tensor, *arguments: Any, **options: Any) -> None:
        """Differentiate nothing: the batch has been learned from."""

    def check(self, view: View) -> None:
        """Raise where Lightning wants gradients in a step.

        Raises:
            TlmlError: Its gradient scaler does.
        """
        super().check(view)
        # A suite asks before there is a Trainer.
        if self._trainer is not None and scales_losses(self._trainer):
            raise TlmlError(
                f"precision: {default_registry().name_of(type(self))} leaves no gradients for the "
                "scaler of 16-mixed; take bf16-mixed, or 32"
            )


def refuse_unused(name: str, unused: Iterable[str], options: Mapping[str, Any]) -> None:
    """Raise where an option that has no meaning here is not as it is by itself.

    The command line passes every option, so that those as they are by themselves must pass.

    Raises:
        TlmlError: One is.
    """
    for option in unused:
        if option in options and options[option] != _default_of(option):
            raise TlmlError(f"{option}: {name} takes no steps that it could be of; leave it out")


def _default_of(option: str) -> Any:
    """Return what an option of learners of streams is where nobody says it."""
    signatures = (inspect.signature(cls) for cls in StreamLearner.__mro__[:-1])
    return next(s.parameters[option].default for s in signatures if option in s.parameters)
