"""What all learners of streams share: a batch comes once, and is looked at some times."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar, Generic, Literal, TypeVar

import pytorch_lightning as pl
import torch
from pytorch_lightning import Callback
from pytorch_lightning.utilities import rank_zero_info
from torch import Tensor, nn

from tlml import GradientLearner, Step, Strategy, StreamView, TlmlError, View
from tlml.data import Batch, outputs
from tlml.errors import DivergedError, check_positive
from tlml.metrics import criterion
from tlml.networks import has_batchnorm
from tlml.registry import default_registry
from tlml.views import ViewSpaces
from tlml_continual.base.watch import Watch
from tlml_continual.memories.memory import Memory
from tlml_continual.memories.reservoir import ReservoirBuffer

M = TypeVar("M", bound=Memory)


class StreamLearner(GradientLearner):
    """Learns from a stream of tasks, batch by batch, by gradient steps.

    An algorithm writes `glance_loss`, the loss of one look at a batch; where it keeps something of
    the batch, `remember`; where it changes gradients, Lightning's `on_before_optimizer_step`.
    All looks but the last are steps of the optimiser within the training step, so that the
    Trainer's steps count batches of the stream.

    Args:
        network: ``auto`` (by the inputs), a registered network, a class path, or a module.
        strategy: What adapts to a task after the stream, unless a test names another.
        lr: Learning rate.
        optimizer: ``sgd``, ``adam`` or ``adamw``.
        momentum: Momentum of ``sgd``; it carries gradients of old batches into new tasks.
        glances: Steps on each batch, one after the other.
        batchnorm: Statistics that BatchNorm uses on a task after the stream: as ``stored`` in
            training, or the ``batch``'s.
        **options: Those of `tlml.GradientLearner`.

    Raises:
        TlmlError: An option is out of range, or the network does not fit the view.
    """

    view_type: ClassVar[type[View]] = StreamView
    # Whether it steps down gradients of batches, so that comparing these says something of it.
    aligns: ClassVar[bool] = True
    steers: ClassVar[tuple[str, ...]] = ("lr",)  # options too large a value of which diverges

    def __init__(
        self,
        network: str | nn.Module = "auto",
        strategy: Strategy | str | dict[str, Any] | None = "full",
        *,
        lr: float = 0.03,
        optimizer: Literal["adam", "adamw", "sgd"] = "sgd",
        momentum: float = 0.0,
        glances: int = 1,
        batchnorm: Literal["batch", "stored"] = "stored",
        **options: Any,
    ) -> None:
        check_positive(glances=glances)
        self.glances = glances
        super().__init__(
            network, strategy, lr=lr, optimizer=optimizer, momentum=momentum, batchnorm=batchnorm,
            **options,
        )  # fmt: skip

    def glance_loss(self, step: Step) -> Tensor:
        """Return the loss of one look at a batch: mostly that on its examples."""
        return self.loss_of(self.scores_of(step.batch.x), step.batch.y, step.task)

    def remember(self, step: Step) -> None:
        """Keep something of a batch; called once, with the last look."""

    def on_train_start(self) -> None:
        """Say in the log what a stream makes of momentum and of BatchNorm."""
        super().on_train_start()
        view, name = self.current_view(), default_registry().name_of(type(self))
        if isinstance(view, StreamView) and not view.joint:
            for remark in self.remarks(view):
                rank_zero_info(f"{name}: {remark}")

    def remarks(self, view: StreamView) -> Iterator[str]:
        """Yield what a user should know of options and network, before tasks come one by one."""
        if self.optimizer == "sgd" and self.momentum and view.epochs == 1:
            yield (
                f"each batch comes once, and momentum={self.momentum} carries gradients of old "
                "batches into new tasks; recipes of single passes have momentum=0"
            )
        if has_batchnorm(self.built()):
            yield (
                "the network has BatchNorm, so R measures it with the statistics stored in "
                "training, which are those of the last tasks; GroupNorm stores none"
            )

    def training_step(self, batch: Step, batch_idx: int) -> Tensor:
        """Look at a batch some times, and return the loss of the last look."""
        for _ in range(self.glances - 1):
            self._step_down(self._checked(self.glance_loss(batch)))
        loss = self._checked(self.glance_loss(batch))
        self.remember(batch)
        self.log_sparsely({"train_loss": loss.detach()}, batch_size=len(batch.task))
        return loss

    def scores_of(self, x: Tensor) -> Tensor:
        """Return what the network gives, as it is."""
        scores: Tensor = self.built()(self._like(x))
        return scores

    def loss_of(self, scores: Tensor, y: Tensor, task: Tensor | int) -> Tensor:
        """Return the mean loss of scores; classes of other tasks don't count where it is told."""
        view = self.current_view()
        if isinstance(view, StreamView):
            scores = view.masked(scores, task)
        return criterion(scores, self._like(y), self.criterion)

    def predict_now(self, x: Tensor) -> Tensor:
        """Predict with the network as it is."""
        return self.scores_of(x)

    def configure_callbacks(self) -> list[Callback]:
        """Bring what watches a stream, beside what every learner brings."""
        brought = super().configure_callbacks()
        # Also for tests: Lightning warns where the callbacks of a checkpoint are not there.
        return [*brought, Watch()] if self._watch() is None else brought

    def costs(self) -> dict[str, float]:
        """Return how many examples are kept, of all tasks together: none."""
        return {**super().costs(), "memory_examples": 0}

    def courses(self) -> dict[str, list[tuple[int, float]]]:
        """Return the alignment of gradients over the stream."""
        watch = self._watch()
        return {"alignment": watch.course} if watch is not None and watch.course else {}

    def check(self, view: View) -> None:
        """Raise where two memories would be filled, or glances can't be taken.

        Raises:
            TlmlError: One of both.
        """
        super().check(view)
        name = default_registry().name_of(type(self))
        memories = [part for part in self.modules() if isinstance(part, Memory)]
        if len(memories) > 1:
            raise TlmlError(
                f"{name}: it owns {len(memories)} memories; a learner has one, which all its parts "
                "share, or the second would be filled unseen"
            )
        if self.glances > 1:
            self._check_glances()

    def _watch(self) -> Watch | None:
        callbacks: list[Callback] = self.trainer.callbacks  # type: ignore[attr-defined]
        return next((one for one in callbacks if isinstance(one, Watch)), None)

    def _check_glances(self) -> None:
        """Raise where Lightning does something in a step that steps within a step would lack."""
        trainer = self._trainer
        if trainer is None:  # a suite asks before there is one
            return
        several = trainer.world_size > 1
        if several or scales_losses(trainer):
            what = "devices=1" if several else "precision bf16-mixed"
            raise TlmlError(
                "glances: steps within a training step have no gradient scaler and are not shared "
                f"among processes; take glances=1, or {what}"
            )

    def _step_down(self, loss: Tensor) -> None:
        """Take a step as Lightning takes the last one, with its hooks."""
        optimizer: Any = self.optimizers(use_pl_optimizer=False)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.on_before_optimizer_step(optimizer)
        trainer = self.trainer
        self.configure_gradient_clipping(
            optimizer, trainer.gradient_clip_val, trainer.gradient_clip_algorithm
        )
        optimizer.step()

    def _checked(self, loss: Tensor) -> Tensor:
        """Return a loss that is finite.

        Raises:
            DivergedError: It isn't.
        """
        if not math.isfinite(loss.item()):
            lower = " or ".join(f"{name} ({getattr(self, name)})" for name in self.steers)
            raise DivergedError(
                f"{default_registry().name_of(type(self))}: the loss is {loss.item()} in step "
                f"{self.global_step}{self._in_task()}; lower {lower}"
            )
        return loss

    def _in_task(self) -> str:
        view = self.current_view()
        if not isinstance(view, StreamView) or view.joint:
            return ""
        return f", in task {view.task_of(self.current_epoch)}"


def scales_losses(trainer: pl.Trainer) -> bool:
    """Say whether a Trainer scales losses and gradients, as for 16-mixed."""
    return getattr(trainer.precision_plugin, "scaler", None) is not None


class MemoryLearner(StreamLearner, Generic[M]):
    """Keeps examples of the stream in a memory of a kind.

    Args:
        network: ``auto`` (by the inputs), a registered network, a class path, or a module.
        strategy: What adapts to a task after the stream, unless a test names another.
        memory_size: Examples that are kept, of all tasks together.
        **options: Those of `StreamLearner`.

    Attributes:
        buffer: The memory; None until the spaces are known.

    Raises:
        TlmlError: An option is out of range, or the network does not fit the view.
    """

    buffer: M | None

    def __init__(
        self,
        network: str | nn.Module = "auto",
        strategy: Strategy | str | dict[str, Any] | None = "full",
        *,
        memory_size: int = 200,
        **options: Any,
    ) -> None:
        check_positive(memory_size=memory_size)
        self.memory_size = memory_size
        super().__init__(network, strategy, **options)
        self.buffer = None

    @abstractmethod
    def new_memory(self, spaces: ViewSpaces) -> M:
        """Return room for examples of a view."""

    def prepare(self, spaces: ViewSpaces) -> None:
        """Make room for examples of a view."""
        super().prepare(spaces)
        self.buffer = self.new_memory(spaces)

    def kept_examples(self) -> M:
        """Return the memory.

        Raises:
            TlmlError: No view told its sizes yet.
        """
        if self.buffer is None:
            raise TlmlError(
                f"{type(self).__name__}: there is no memory yet; call learner.view(...)"
            )
        return self.buffer

    def costs(self) -> dict[str, float]:
        """Return how many examples are kept, of all tasks together."""
        return {**super().costs(), "memory_examples": self.memory_size}

    def rehearsed(self, step: Step, n: int) -> Step:
        """Return a batch with `n` examples of the memory behind it, drawn with replacement."""
        memory = self.kept_examples()
        if not len(memory):
            return step
        places = memory.draw(n)
        old = memory.at(places)
        x = torch.cat([self._like(step.batch.x), self._like(old.x)])
        y = torch.cat([step.batch.y, old.y])
        return Step(Batch(x, y), torch.cat([step.task, memory.task[places]]))

    def check(self, view: View) -> None:
        """Raise where the memory is larger than the stream.

        Raises:
            TlmlError: It is.
        """
        super().check(view)
        if isinstance(view, StreamView) and self.memory_size > view.number_of_examples:
            raise TlmlError(
                f"memory_size: {self.memory_size} examples are more than the stream's "
                f"{view.number_of_examples}, so that nothing could be forgotten; lower it"
            )


def check_replay(replay: int, memory_size: int) -> None:
    """Raise where more examples are to be replayed than there are.

    Raises:
        TlmlError: They are, or one of both is not above 0.
    """
    check_positive(memory_size=memory_size, replay=replay)
    if replay > memory_size:
        raise TlmlError(
            f"replay: {replay} examples of a memory of {memory_size} can't be drawn; lower "
            "replay, or raise memory_size"
        )


class RehearsingLearner(MemoryLearner[ReservoirBuffer]):
    """Keeps a uniform sample of the stream in a memory, and learns from it again.

    Args:
        network: ``auto`` (by the inputs), a registered network, a class path, or a module.
        strategy: What adapts to a task after the stream, unless a test names another.
        memory_size: Examples that are kept, of all tasks together.
        replay: Examples of the memory in each look, drawn with replacement.
        **options: Those of `StreamLearner`.

    Attributes:
        buffer: The memory; None until the spaces are known.

    Raises:
        TlmlError: An option is out of range, or the network does not fit the view.
    """

    kept_scores: ClassVar[bool] = False  # whether the memory keeps what the network gave

    def __init__(
        self,
        network: str | nn.Module = "auto",
        strategy: Strategy | str | dict[str, Any] | None = "full",
        *,
        memory_size: int = 200,
        replay: int = 10,
        **options: Any,
    ) -> None:
        check_replay(replay, memory_size)
        self.replay = replay
        super().__init__(network, strategy, memory_size=memory_size, **options)

    def new_memory(self, spaces: ViewSpaces) -> ReservoirBuffer:
        """Return room for a uniform sample of a view's examples."""
        scores = outputs(spaces.y) if self.kept_scores else 0
        return ReservoirBuffer(self.memory_size, spaces, scores)

    def remember(self, step: Step) -> None:
        """Show the examples to the memory."""
        self.kept_examples().push(step.batch, step.task)
