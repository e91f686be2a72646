"""Losses, metrics of tasks and of streams, and statistics; without torch until tensors come."""

from tlml.metrics.blocks import drawn_blocks
from tlml.metrics.intervals import (
    Difference,
    bootstrap_interval,
    drawn_interval,
    interquartile_mean,
    paired_difference,
)
from tlml.metrics.losses import (
    LOSSES,
    Criterion,
    criterion,
    loss_for,
    mean_entropy,
    summed_criterion,
)
from tlml.metrics.streams import (
    average_incremental_accuracy,
    backward_transfer,
    backward_transfer_and_interference,
    forgetting,
    forward_transfer,
    learning_accuracy,
    retained_accuracy,
)
from tlml.metrics.targets import primary
from tlml.metrics.tasks import measure_predictions, task_metrics

__all__ = [
    "LOSSES",
    "Criterion",
    "Difference",
    "average_incremental_accuracy",
    "backward_transfer",
    "backward_transfer_and_interference",
    "bootstrap_interval",
    "criterion",
    "drawn_blocks",
    "drawn_interval",
    "forgetting",
    "forward_transfer",
    "interquartile_mean",
    "learning_accuracy",
    "loss_for",
    "mean_entropy",
    "measure_predictions",
    "paired_difference",
    "primary",
    "retained_accuracy",
    "summed_criterion",
    "task_metrics",
]
