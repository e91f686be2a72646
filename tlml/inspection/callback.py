"""A diagnosis at the end of each validation and test."""

from __future__ import annotations

from pathlib import Path

import pytorch_lightning as pl
from pytorch_lightning.trainer.states import TrainerFn

from tlml.data.tasks import Split
from tlml.errors import check_positive
from tlml.files import make_folder
from tlml.inspection.diagnosis import check_adapts, check_episodes, diagnose
from tlml.learners.gradient_learner import GradientLearner
from tlml.views.episode import EpisodeView


class Diagnose(pl.Callback):
    """Diagnoses a learner on the Trainer's view at the end of each validation and test.

    The files are in the folder's ``validation`` and ``test``, the latest in place of those before;
    loggers get the means as ``diagnosis/...``. In a fit, validations on a view without episodes and
    the sanity check are passed over. Of several processes the first one does it.

    Args:
        folder: Where tables and pictures are written.
        episodes: How many episodes are looked at.

    Raises:
        TlmlError: An option is out of range, the folder can't be written to, or the learner adapts
            by no inner steps.
    """

    def __init__(self, folder: str | Path, episodes: int = 20) -> None:
        check_positive(episodes=episodes)
        self.folder, self.episodes = Path(folder), episodes

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Check learner, view and folder before any work."""
        check_adapts(pl_module)
        view = getattr(trainer, "datamodule", None)
        if view is not None and trainer.state.fn != TrainerFn.FITTING:
            check_episodes(view)
        if trainer.is_global_zero:
            make_folder(self.folder)

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Diagnose on the validation episodes."""
        if not trainer.sanity_checking:
            self._diagnose(trainer, pl_module, "validation")

    def on_test_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Diagnose on the episodes that the view's split tests."""
        self._diagnose(trainer, pl_module, None)

    def _diagnose(
        self, trainer: pl.Trainer, learner: pl.LightningModule, split: Split | None
    ) -> None:
        assert isinstance(learner, GradientLearner)
        view = learner.current_view()
        if not isinstance(view, EpisodeView) and trainer.state.fn == TrainerFn.FITTING:
            return
        check_episodes(view)
        assert isinstance(view, EpisodeView)
        scalars: dict[str, float] = {}
        if trainer.is_global_zero:
            found = diagnose(learner, view, self.episodes, split=split)
            found.write(self.folder / (split or "test"))
            scalars = {f"diagnosis/{name}": value for name, value in found.scalars().items()}
        scalars = trainer.strategy.broadcast(scalars)
        learner.log_dict(scalars, sync_dist=True, batch_size=self.episodes)
