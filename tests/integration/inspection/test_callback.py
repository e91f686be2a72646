"""The callback in scripts and on Lightning's command line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.cli import LightningCLI
from pytorch_lightning.loggers import CSVLogger
from tiny import Letters, Tables
from torch import Tensor
from trainers import quiet_trainer

import tlml
from tlml import Batch, Diagnose, EpisodeView, GradientLearner, Learner, TlmlError
from tlml.cli import main
from tlml.registry import default_registry

FILES = ["curve.csv", "curve.png", "gradients.png", "layers.csv", "layers.png", "summary.csv"]


class Waves(EpisodeView):
    """Episodes as a script's own data module has them."""

    def __init__(self, shots: int = 3) -> None:
        super().__init__(tlml.domain("sinusoid"), shots=shots, queries=4, episodes=2)


class Estimating(Learner):
    """A learner without a network."""

    view_type = EpisodeView

    def predict(self, support: Batch, x: Tensor) -> Tensor:
        return torch.zeros(len(x), 1)


def trainer_of(*callbacks: pl.Callback, **options: Any) -> pl.Trainer:
    return quiet_trainer(callbacks=list(callbacks), **options)


def learner_and_view(**options: Any) -> tuple[GradientLearner, EpisodeView]:
    learner = tlml.learner(
        "maml", network="conv4", network_options={"channels": 2, "blocks": 2},
        strategy=tlml.strategy("sgd", lr=0.1, steps=2),
    )  # fmt: skip
    view = learner.view(
        Letters(shape=(1, 6, 6)),
        **{"ways": 3, "shots": 2, "queries": 3, "episodes": 4, "tasks_per_batch": 2, **options},
    )
    assert isinstance(learner, GradientLearner)
    assert isinstance(view, EpisodeView)
    return learner, view


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_fit_and_test_leave_files_and_scalars(tmp_path: Path) -> None:
    learner, view = learner_and_view()
    logger = CSVLogger(tmp_path / "logs")
    trainer = trainer_of(Diagnose(tmp_path / "out", episodes=3), logger=logger, max_epochs=2,
                         log_every_n_steps=1)  # fmt: skip
    trainer.fit(learner, view)
    assert names_in(tmp_path / "out") == ["validation"]
    assert names_in(tmp_path / "out/validation") == FILES
    results = trainer.test(learner, view, verbose=False)[0]
    assert names_in(tmp_path / "out/test") == FILES
    logged = pd.read_csv(Path(logger.log_dir) / "metrics.csv")
    assert logged["diagnosis/query_loss_after"].notna().sum() == 3  # two validations and a test
    found = tlml.diagnose(learner, view, 3)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "out/test/curve.csv"), found.curve)
    expected = {f"diagnosis/{name}": value for name, value in found.scalars().items()}
    assert {name for name in results if name.startswith("diagnosis/")} == set(expected)
    assert results == {**results, **{n: pytest.approx(v, rel=1e-5) for n, v in expected.items()}}
    assert {"diagnosis/cka/conv1", "diagnosis/support_accuracy_before"} <= set(results)


def test_it_changes_no_result(tmp_path: Path) -> None:
    weights, records = [], []
    for callbacks in ([], [Diagnose(tmp_path, episodes=2)]):
        learner, view = learner_and_view()
        trainer = trainer_of(*callbacks, max_epochs=1)
        trainer.fit(learner, view)
        weights.append(torch.cat([p.detach().flatten() for p in learner.parameters()]))
        trainer.test(learner, view, verbose=False)
        records.append(pd.DataFrame(learner.records).drop(columns=["seconds", "cpu_seconds"]))
    assert torch.equal(*weights)
    assert records[0].equals(records[1])


def test_validation_looks_at_validation_episodes(tmp_path: Path) -> None:
    learner, view = learner_and_view()
    trainer_of(Diagnose(tmp_path, episodes=2)).validate(learner, view, verbose=False)
    found = pd.read_csv(tmp_path / "validation/curve.csv")
    pd.testing.assert_frame_equal(found, tlml.diagnose(learner, view, 2, split="validation").curve)


def test_the_sanity_check_is_passed_over(tmp_path: Path) -> None:
    learner, view = learner_and_view()
    seen: list[bool] = []

    class Watching(pl.Callback):
        def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            seen.append((tmp_path / "validation").exists())

    trainer_of(Diagnose(tmp_path, 2), Watching(), max_epochs=1).fit(learner, view)
    assert seen == [False]
    assert names_in(tmp_path / "validation") == FILES


def test_a_view_as_loaders_is_found_too(tmp_path: Path) -> None:
    learner, view = learner_and_view()
    trainer = trainer_of(Diagnose(tmp_path, 2))
    trainer.test(learner, view.test_dataloader(), verbose=False)
    assert names_in(tmp_path / "test") == FILES


def test_a_fit_without_episodes_is_passed_over_and_a_test_is_refused(tmp_path: Path) -> None:
    learner = tlml.learner("supervised")
    view = learner.view(Tables(3, train=60), batch_size=8)
    trainer = trainer_of(Diagnose(tmp_path, 2), max_epochs=1)
    trainer.fit(learner, view)
    assert names_in(tmp_path) == []
    with pytest.raises(TlmlError, match=r"needs an EpisodeView, .* and this is a PairView"):
        trainer.test(learner, view, verbose=False)
    trainer.test(learner, EpisodeView(Tables(3, train=60), shots=2, episodes=2), verbose=False)
    assert names_in(tmp_path / "test") == FILES


def test_other_processes_than_the_first_write_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner, view = learner_and_view()
    trainer = trainer_of(Diagnose(tmp_path / "out", 2))
    monkeypatch.setattr(type(trainer), "is_global_zero", False)
    results = trainer.test(learner, view, verbose=False)[0]
    assert not (tmp_path / "out").exists()
    assert not [name for name in results if name.startswith("diagnosis/")]


def test_what_cannot_be_done_is_said_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(TlmlError, match="episodes: must be greater than 0, is 0"):
        Diagnose(tmp_path, episodes=0)
    learner, view = learner_and_view()
    with pytest.raises(TlmlError, match="Estimating adapts by no inner steps"):
        trainer_of(Diagnose(tmp_path)).test(Estimating(), view, verbose=False)
    (tmp_path / "file").write_text("")
    trainer = trainer_of(Diagnose(tmp_path / "file"), max_epochs=1)
    with pytest.raises(TlmlError, match="file: cannot be written"):
        trainer.fit(learner, view)
    assert trainer.global_step == 0


def test_lightning_cli_takes_it_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JSONARGPARSE_DEPRECATION_WARNINGS", "off")  # of what Lightning calls
    words = (
        "script test --trainer.accelerator cpu --trainer.logger false "
        "--trainer.enable_checkpointing false --trainer.enable_progress_bar false "
        "--trainer.enable_model_summary false --trainer.callbacks+=tlml.Diagnose "
        "--trainer.callbacks.folder=out --trainer.callbacks.episodes=2"
    ).split()
    monkeypatch.setattr(sys, "argv", words)
    learner = default_registry().resolve("learner", "maml")
    LightningCLI(learner, Waves, save_config_callback=None, seed_everything_default=False)
    assert names_in(tmp_path / "out/test") == FILES
    assert pd.read_csv(tmp_path / "out/test/curve.csv")["episode"].unique().tolist() == [0, 1]


def test_our_command_line_takes_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = (
        "test --model maml --data.domain sinusoid --data.episodes 2 --data.shots 3 "
        "--trainer.accelerator cpu --trainer.enable_progress_bar false "
        "--trainer.callbacks tlml.Diagnose --trainer.callbacks.folder out"
    ).split()
    assert main(words) == 0
    assert names_in(tmp_path / "out/test") == FILES
