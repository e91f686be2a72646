"""What loggers are told about a run: the whole configuration, nested."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.trainer.states import TrainerFn

from tlml.recorded import Recorded, describe_object

if TYPE_CHECKING:
    from tlml.views.base import View


class LogConfiguration(Callback):
    """Sends learner, strategy, view and domain with their options to the loggers, at each start.

    Every learner brings it. The view of a fit is called ``view``, that of a test ``test_view``.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Log once, on rank zero."""
        learner: Any = pl_module
        if trainer.is_global_zero and trainer.loggers:
            known = configuration(learner, learner.current_view(), TrainerFn(stage).value)
            for logger in trainer.loggers:
                logger.log_hyperparams(known)


def configuration(learner: Recorded, view: View | None, stage: str = "fit") -> dict[str, Any]:
    """Return a learner and its view as plain data: names, options, and theirs in turn."""
    found = {"learner": describe_object(learner)}
    if view is not None:
        found["view" if stage == "fit" else f"{stage}_view"] = describe_object(view)
    return found
