"""Views that know their Trainer."""

from __future__ import annotations

import pytest
import pytorch_lightning as pl
from tiny import Letters

from tlml import EpisodeView, TlmlError
from tlml.views.base import ResumableLoader


def test_only_a_loader_that_knows_its_trainer_claims_to_resume_exactly():
    view = EpisodeView(Letters(), episodes=2)
    assert not isinstance(view.train_dataloader(), ResumableLoader)
    assert not hasattr(view.train_dataloader(), "load_state_dict")
    view.trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    loader = view.train_dataloader()
    assert loader.state_dict() == {}
    loader.load_state_dict({})
    assert not isinstance(view.val_dataloader(), ResumableLoader)


def test_a_fit_without_validation_needs_no_validation_tasks():
    class NoValidation(Letters):
        def classes(self, split):
            return {} if split == "validation" else super().classes(split)

    view = EpisodeView(NoValidation(), ways=3, shots=2, queries=2, episodes=4)
    with pytest.raises(TlmlError, match="ways: 3"):
        view.setup("fit")
    view.trainer = pl.Trainer(limit_val_batches=0, accelerator="cpu", logger=False)
    view.setup("fit")
    assert len(view.train_dataloader()) == 1
