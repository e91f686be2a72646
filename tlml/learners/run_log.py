"""What loggers are told about a run: the whole configuration, nested."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.trainer.states import TrainerFn

from tlml.recorded import Recorded, describe_object

if TYPE_CHECKING:
    from tlml.views.base import View
    from tlml.views.contract import Measurement


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


def log_measured(module: LightningModule, stage: str, measured: Measurement) -> None:
    """Log what was measured of a batch, over all processes, as ``STAGE_METRIC``."""
    # In the same order on all ranks: their sums are matched by it.
    for name, value in measured.values.items():
        module.log(
            f"{stage}_{name}", value, on_step=False, on_epoch=True, batch_size=measured.size,
            prog_bar=name != "loss", sync_dist=module.trainer.world_size > 1,
            add_dataloader_idx=measured.of_loader,
        )  # fmt: skip


def configuration(learner: Recorded, view: View | None, stage: str = "fit") -> dict[str, Any]:
    """Return a learner and its view as plain data: names, options, and theirs in turn."""
    found = {"learner": describe_object(learner)}
    if view is not None:
        found["view" if stage == "fit" else f"{stage}_view"] = describe_object(view)
    return found
