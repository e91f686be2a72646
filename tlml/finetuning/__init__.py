"""Fine-tuning in a Trainer: of any module, and of a learner on one target task."""

from tlml.finetuning.callback import Adapt, param_groups, total_steps
from tlml.finetuning.module import Adaptation

__all__ = ["Adapt", "Adaptation", "param_groups", "total_steps"]
