"""Meta-experience replay (Riemer et al. 2019, arXiv 1810.11910), algorithm 1."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from tlml import Batch, Step, Strategy, TlmlError, View
from tlml.errors import check_choice, check_positive
from tlml.networks import evaluating, has_batchnorm, statistics
from tlml_continual.base.in_place import InPlaceLearner
from tlml_continual.base.stream_learner import RehearsingLearner
from tlml_continual.memories.memory import zeros


class Mer(InPlaceLearner, RehearsingLearner):
    """Reptile over single examples, new and old: twice, within batches and across them.

    For each example that comes, s batches B₁ … B_s are drawn, each of the example and of `replay`
    (k - 1 in the paper) examples of the memory. Each batch is gone through example by example by
    plain steps of rate α, and θ is put a part β of the way to where that leads; after all s batches
    it is put a part γ of the way that they went. To first order, both let gradients of old and
    new examples align. An example costs s·k gradients, one after the other: the authors take
    s = 5 and more.

    Args:
        network: ``auto`` (by the inputs), a registered network, a class path, or a module.
        strategy: What adapts to a task after the stream, unless a test names another.
        lr: Rate α of the steps on single examples.
        s: Batches for each example that comes.
        beta: Rate β of the meta-update within a batch.
        gamma: Rate γ of the meta-update across batches.
        memory_size: Examples that are kept, of all tasks together.
        replay: Examples of the memory in each batch, drawn with replacement.
        current: Where in its batches the example that comes stands: ``last``, or ``first``, as in
            the authors' code.
        **options: Those of `StreamLearner`, but for what says how an optimiser steps.

    Raises:
        TlmlError: An option is out of range, or the network does not fit the view.
    """

    unused: ClassVar[tuple[str, ...]] = (*InPlaceLearner.unused, "weight_decay")

    def __init__(
        self,
        network: str | nn.Module = "auto",
        strategy: Strategy | str | dict[str, Any] | None = "full",
        *,
        lr: float = 0.03,
        s: int = 5,
        beta: float = 0.03,
        gamma: float = 1.0,
        memory_size: int = 200,
        replay: int = 10,
        current: Literal["first", "last"] = "last",
        **options: Any,
    ) -> None:
        check_positive(s=s, beta=beta, gamma=gamma)
        check_choice("current", current, ("first", "last"))
        self.s, self.beta, self.gamma, self.current = s, beta, gamma, current
        super().__init__(
            network, strategy, lr=lr, memory_size=memory_size, replay=replay, **options
        )

    def check(self, view: View) -> None:
        """Raise where BatchNorm can't take statistics of single examples.

        Raises:
            TlmlError: It can't.
        """
        super().check(view)
        network, x = self.built(), self._like(zeros(1, view.spaces.x).to(self.device))
        if not has_batchnorm(network):
            return
        try:
            with torch.no_grad(), evaluating(network), statistics(network, "batch"):
                network(x)
        except ValueError as error:
            raise TlmlError(
                "mer: it steps on single examples, and BatchNorm can't take statistics of one "
                f"({error}); take a network without BatchNorm"
            ) from error

    def update(self, step: Step) -> Tensor:
        """Learn from the examples of a batch, one after the other; return their mean loss."""
        x, y = self._like(step.batch.x), step.batch.y
        losses = []
        for row in range(len(x)):
            one = slice(row, row + 1)
            losses.append(self.meta_update(Step(Batch(x[one], y[one]), step.task[one])))
            self.kept_examples().push(Batch(x[one], y[one]), step.task[one])  # M ← M ∪ (x, y)
        return self._checked(torch.stack(losses).mean())

    def meta_update(self, example: Step) -> Tensor:
        """Change the network by one example that comes; return its loss in the first batch."""
        parameters = [p for p in self.built().parameters() if p.requires_grad]
        batches = [self._with_old(example) for _ in range(self.s)]  # B_1 … B_s
        first = None
        across = _copied(parameters)  # θ^A_0
        for batch in batches:
            within = _copied(parameters)  # θ^W_i,0
            losses = [self._step(parameters, batch, row) for row in range(len(batch.task))]
            _reach(parameters, within, self.beta)  # θ ← θ^W_i,0 + β (θ^W_i,k - θ^W_i,0)
            first = losses[0 if self.current == "first" else -1] if first is None else first
        _reach(parameters, across, self.gamma)  # θ ← θ^A_0 + γ (θ^A_s - θ^A_0)
        assert first is not None
        return first

    def _with_old(self, example: Step) -> Step:
        drawn = self.rehearsed(example, self.replay)
        if self.current == "first":
            return drawn
        x, y = drawn.batch
        return Step(Batch(x.roll(-1, 0), y.roll(-1, 0)), drawn.task.roll(-1, 0))

    def _step(self, parameters: list[nn.Parameter], batch: Step, row: int) -> Tensor:
        """Step down the loss of one example of a batch, with rate α."""
        x, y, one = *batch.batch, slice(row, row + 1)
        loss = self.loss_of(self.built()(x[one]), y[one], batch.task[one])
        slopes = torch.autograd.grad(loss, parameters, allow_unused=True)
        with torch.no_grad():
            for parameter, slope in zip(parameters, slopes, strict=True):
                if slope is not None:
                    parameter.sub_(slope, alpha=self.lr)
        return loss.detach()


def _copied(parameters: list[nn.Parameter]) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in parameters]


def _reach(parameters: list[nn.Parameter], start: list[Tensor], share: float) -> None:
    """Put parameters a share of the way from where they started to where they are."""
    with torch.no_grad():
        for parameter, origin in zip(parameters, start, strict=True):
            parameter.copy_(torch.lerp(origin, parameter, share))
