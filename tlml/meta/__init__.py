"""Gradients through adaptations, over tasks, on each path of execution."""

from tlml.meta.outer_gradient import first_divergence, mean_over_tasks, one_task
from tlml.meta.paths import Execution

__all__ = ["Execution", "first_divergence", "mean_over_tasks", "one_task"]
