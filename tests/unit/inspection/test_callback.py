"""The callback that diagnoses: what it checks before any work."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning as pl
from pytorch_lightning.trainer.states import TrainerFn
from tiny import MLP, Tables

import tlml
from tlml import Diagnose, PairView, TlmlError


def trainer(view: Any, fn: TrainerFn) -> Any:
    return SimpleNamespace(datamodule=view, state=SimpleNamespace(fn=fn), is_global_zero=True)


def test_options_out_of_range_are_refused() -> None:
    with pytest.raises(TlmlError, match=r"^episodes: must be greater than 0, is 0$"):
        Diagnose("somewhere", episodes=0)


def test_the_folder_is_made_before_any_work(tmp_path: Path) -> None:
    learner = tlml.learner("maml", **MLP)
    Diagnose(tmp_path / "new").setup(trainer(None, TrainerFn.FITTING), learner, "fit")
    assert (tmp_path / "new").is_dir()


def test_a_learner_without_inner_steps_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TlmlError):
        Diagnose(tmp_path).setup(trainer(None, TrainerFn.FITTING), pl.LightningModule(), "fit")


def test_a_test_without_episodes_is_refused_and_a_fit_is_not(tmp_path: Path) -> None:
    learner, view = tlml.learner("maml", **MLP), PairView(Tables(classes=2, train=8, test=4))
    callback = Diagnose(tmp_path)
    callback.setup(trainer(view, TrainerFn.FITTING), learner, "fit")
    with pytest.raises(TlmlError, match="PairView"):
        callback.setup(trainer(view, TrainerFn.TESTING), learner, "test")
