"""What measuring asks of a learner, and what it gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

from torch import Tensor

from tlml.data.domains import Domain
from tlml.data.tasks import Batch, Episode
from tlml.metrics.losses import criterion
from tlml.metrics.tasks import measure_predictions

# What of a record does not measure its predictions.
BESIDE_METRICS = (
    "episode", "seconds", "cpu_seconds", "gradient_steps", "blocks", "resampled", "returns",
    "length", "env_steps", "return_by_step", "adapt_env_steps",
)  # fmt: skip


class Place(NamedTuple):
    """Where an evaluation is: its stage (``val`` or ``test``), the batch and the loader."""

    stage: str
    batch: int
    loader: int


class Measurement(NamedTuple):
    """What was measured of a batch, or of a part of it.

    Args:
        values: By metric.
        size: How many examples, tasks or episodes they are means of.
        records: What a test keeps of each task, beside the means.
        of_loader: Whether logs tell the loaders apart, as tasks of a stream are.
    """

    values: Mapping[str, Any]
    size: int
    records: Sequence[dict[str, Any]] = ()
    of_loader: bool = False


class Played(NamedTuple):
    """How a task was played, before an adaptation or after one of its steps.

    Args:
        episodes: The return and the steps of each.
        env_steps: Steps in environments that were learned from until then.
        gradient_steps: Steps of the adaptation until then.
    """

    episodes: Sequence[tuple[float, int]]
    env_steps: int = 0
    gradient_steps: int = 0


class Measurable(Protocol):
    """A learner, as views measure it."""

    def target_space(self) -> Any:
        """Return the space of the targets that it predicts."""

    def loss_name(self) -> str | None:
        """Return the name of the loss that its predictions are judged by; None: by the targets."""

    def predict_now(self, x: Tensor) -> Tensor:
        """Predict without adapting."""

    def on_source(self) -> AbstractContextManager[None]:
        """Let it be as it is for source examples, inside the block."""

    def check_labels(self, view: Any) -> None:
        """Raise where the view's target labels are not those that it learned."""

    def adapt_to(self, tasks: Sequence[Episode], place: Place) -> list[dict[str, Any]]:
        """Adapt to each task and return a record of each: metrics, and what it cost."""

    def plays(self, environments: Any) -> Iterable[Played]:
        """Act in the environments of one task, also after each step where it is adapted to."""


def judge(
    scores: Tensor, batch: Batch, domain: Domain[Any] | None, space: Any, loss: str | None
) -> dict[str, Tensor]:
    """Return the loss and the metrics of scores.

    Args:
        scores: Class scores ``[n, classes]`` or values ``[n, d]``.
        batch: The inputs and the targets.
        domain: Whose metrics; None: those of the targets' kind.
        space: The targets' space.
        loss: The name of the loss; None: by the targets.
    """
    y = batch.y.to(scores.dtype) if batch.y.is_floating_point() else batch.y
    found = {"loss": criterion(scores, y, loss)}
    return found | measure_predictions(domain, space, batch, scores)


def measure_examples(
    learner: Measurable, batch: Batch, domain: Domain[Any] | None, scores: Tensor | None = None
) -> Measurement:
    """Measure predictions without adaptation; of given scores, where a view changed them."""
    if scores is None:
        scores = learner.predict_now(batch.x)
    found = judge(scores, batch, domain, learner.target_space(), learner.loss_name())
    return Measurement(found, len(batch.x))
