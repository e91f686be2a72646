"""Plain Trainer scripts: nothing of tlml is between a user and Lightning."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
import yaml
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger, WandbLogger
from tiny import Dropping, Letters, Tables
from trainers import quiet_trainer

import tlml

VIEW = {"ways": 3, "shots": 2, "queries": 3, "episodes": 8, "tasks_per_batch": 2, "seed": 4}


@dataclass
class Script:
    """What a script leaves behind."""

    folder: Path
    trainer: pl.Trainer
    learner: tlml.Learner
    best: ModelCheckpoint
    stopping: EarlyStopping
    validated: dict[str, float]
    tested: dict[str, float]


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory, clean_environment: None) -> Script:
    """Run fit, validate and test with the callbacks and loggers that people use."""
    folder = tmp_path_factory.mktemp("script")
    domain = Letters()
    learner = tlml.learner(
        "maml", network="mlp", network_options={"hidden": [8]}, lr=0.01,
        strategy=tlml.strategy("sgd", lr=0.05, steps=2),
    )  # fmt: skip
    view = learner.view(domain, **VIEW)
    best = ModelCheckpoint(folder, monitor="val_loss", save_last=True)
    stopping = EarlyStopping("val_loss", patience=50)
    wandb = WandbLogger(project="tlml", name="script", save_dir=folder, offline=True)
    trainer = pl.Trainer(
        accelerator="cpu", max_epochs=3, log_every_n_steps=2, callbacks=[best, stopping],
        logger=[CSVLogger(folder / "csv", name="", version=""), wandb],
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(learner, datamodule=view)
    validated = trainer.validate(learner, datamodule=view, verbose=False)[0]
    target = tlml.EpisodeView(domain, **VIEW, adapt=tlml.strategy("full", steps=3))
    tested = trainer.test(learner, datamodule=target, verbose=False)[0]
    wandb.experiment.finish()
    return Script(folder, trainer, learner, best, stopping, dict(validated), dict(tested))


def test_checkpoint_and_early_stopping_see_the_validation(script: Script):
    assert script.trainer.current_epoch == 3
    assert script.stopping.best_score == script.best.best_model_score
    assert script.stopping.stopped_epoch == 0
    best = float(script.best.best_model_score)
    at = {name: float(value) for name, value in script.trainer.callback_metrics.items()}
    assert best > 0
    assert {"val_loss", "val_accuracy"} <= script.validated.keys()
    assert {"test_loss", "test_accuracy", "test_accuracy_ci95"} <= at.keys()


def test_the_best_checkpoint_validates_at_its_score(script: Script):
    again = type(script.learner).load_from_checkpoint(
        script.best.best_model_path, weights_only=True
    )
    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_progress_bar=False,
                         enable_model_summary=False)  # fmt: skip
    logged = trainer.validate(again, datamodule=again.view(Letters(), **VIEW), verbose=False)[0]
    assert logged["val_loss"] == pytest.approx(float(script.best.best_model_score), rel=1e-6)


def test_the_fit_learned_something(script: Script):
    with (script.folder / "csv" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    losses = [float(row["val_loss"]) for row in rows if row["val_loss"]]
    trained = [float(row["train_loss"]) for row in rows if row.get("train_loss")]
    assert len(losses) >= 3
    assert losses[2] < losses[0]
    assert len(trained) == 6  # 12 steps, every second of them
    assert len(script.learner.records) == 8


CONFIGURATION: dict[str, Any] = {
    "learner": {
        "name": "maml",
        "options": {
            "network": "mlp",
            "network_options": {"hidden": [8]},
            "lr": 0.01,
            "first_order": False,
            "strategy": {"name": "sgd", "options": {"lr": 0.05, "steps": 2, "batchnorm": None}},
        },
    },
    "view": {
        "name": "tlml.views.episode.EpisodeView",
        "options": {
            "shots": 2,
            "ways": 3,
            "seed": 4,
            "adapt": None,
            "domain": {
                "name": "tiny.Letters",
                "options": {"sizes": None, "shape": [2]},
            },
        },
    },
    "test_view": {
        "options": {
            "shots": 2,
            "split": "target",
            "adapt": {"name": "full", "options": {"steps": 3, "lr": 0.003}},
            "domain": {"name": "tiny.Letters"},
        }
    },
}


def holds(found: Any, expected: Any, where: str = "") -> None:
    """Assert that a nested dict holds another one."""
    if not isinstance(expected, dict):
        assert found == expected, where
        return
    for key, value in expected.items():
        assert key in found, f"{where}.{key}"
        holds(found[key], value, f"{where}.{key}")


def test_the_csv_logger_has_the_whole_nested_configuration(script: Script):
    holds(yaml.safe_load((script.folder / "csv" / "hparams.yaml").read_text()), CONFIGURATION)


# What Weights & Biases keeps offline


def log_records(path: Path) -> Iterator[bytes]:
    """Yield the records of a ``.wandb`` file: LevelDB's log format, after a header of 7 bytes."""
    data, block, header = path.read_bytes(), 32768, 7
    assert data[:4] == b":W&B"
    place, parts = header, b""
    while place + header <= len(data):
        if block - place % block < header:  # the end of a block is filled with zeros
            place += block - place % block
            continue
        size, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
        parts += data[place + header : place + header + size]
        place += header + size
        if kind in (1, 4):  # whole, or the last piece
            yield parts
            parts = b""


def items(updates: Any) -> dict[str, Any]:
    """Return what wandb writes as keys (or paths of keys) and JSON."""
    found: dict[str, Any] = {}
    for item in updates:
        path = list(item.nested_key) or [item.key]
        at = found
        for key in path[:-1]:
            at = at.setdefault(key, {})
        at[path[-1]] = json.loads(item.value_json)
    return found


@pytest.fixture(scope="module")
def run(script: Script) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the configuration and the history of the offline run, read from its file."""
    from wandb.proto.wandb_internal_pb2 import Record

    (path,) = script.folder.glob("wandb/offline-run-*/run-*.wandb")
    config, history = {}, []
    for content in log_records(path):
        record = Record.FromString(content)
        kind = record.WhichOneof("record_type")
        if kind == "run":
            config |= items(record.run.config.update)
        elif kind == "config":
            config |= items(record.config.update)
        elif kind == "history":
            history.append(items(record.history.item))
    return config, history


def test_the_offline_run_holds_the_whole_nested_configuration(run):
    holds(run[0], CONFIGURATION)


def test_the_offline_run_holds_the_metrics(run, script: Script):
    history = run[1]
    values = {name: [row[name] for row in history if name in row] for name in
              ("train_loss", "val_loss", "val_accuracy", "test_loss", "test_accuracy",
               "test_accuracy_ci95")}  # fmt: skip
    with (script.folder / "csv" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    for name, found in values.items():
        expected = [float(row[name]) for row in rows if row.get(name)]
        assert found
        assert found == pytest.approx(expected, rel=1e-6)
    assert values["test_accuracy"][-1] == pytest.approx(script.tested["test_accuracy"])
    steps = [row["trainer/global_step"] for row in history if "train_loss" in row]
    assert steps == [1, 3, 5, 7, 9, 11]


def test_a_fit_stops_early():
    learner = tlml.learner("supervised", network="mlp", lr=1e-9)
    view = learner.view(Tables(classes=2), batch_size=16)
    trainer = quiet_trainer(
        max_epochs=50, callbacks=[EarlyStopping("val_loss", patience=2, min_delta=0.1)]
    )
    trainer.fit(learner, datamodule=view)
    assert trainer.current_epoch == 3


def test_the_same_trainer_and_callbacks_serve_another_run():
    learner = tlml.learner("supervised", network="mlp")
    view = learner.view(Tables(classes=2), batch_size=16)
    trainer = quiet_trainer(max_epochs=1)
    trainer.fit(learner, datamodule=view)
    count = len(trainer.callbacks)
    before = trainer.validate(learner, datamodule=view, verbose=False)[0]
    trainer.fit_loop.max_epochs = 2
    trainer.fit(learner, datamodule=view)
    after = trainer.validate(learner, datamodule=view, verbose=False)[0]
    assert len(trainer.callbacks) == count
    assert trainer.current_epoch == 2
    assert after["val_loss"] < before["val_loss"]


def test_a_fit_draws_nothing_from_the_global_generator_in_its_steps():
    seen = []

    class Watching(pl.Callback):
        def on_train_batch_start(self, *args):
            seen.append(torch.get_rng_state())

        def on_before_zero_grad(self, *args):
            torch.rand(3)

        def on_train_epoch_end(self, *args):
            seen.append(torch.get_rng_state())

    learner = tlml.learner("supervised", network=Dropping(2, 2))
    trainer = quiet_trainer(max_epochs=1, limit_val_batches=0, callbacks=[Watching()])
    trainer.fit(learner, datamodule=learner.view(Tables(classes=2), batch_size=16))
    assert len(seen) == 4
    assert all(torch.equal(state, seen[0]) for state in seen)


@pytest.mark.parametrize("name", ["supervised", "maml"])
def test_new_data_is_predicted_by_the_trainer(name: str) -> None:
    learner, x = tlml.learner(name), torch.linspace(-1, 1, 30)[:, None]
    view = learner.view(tlml.domain("sinusoid"))
    trainer = quiet_trainer(max_epochs=1, limit_train_batches=1, limit_val_batches=0)
    trainer.fit(learner, view)
    found = trainer.predict(learner, torch.utils.data.DataLoader(x, batch_size=10))
    torch.testing.assert_close(torch.cat(found), learner.network(x).detach())


@pytest.mark.parametrize("name", ["supervised", "maml"])
def test_overfit_batches_is_refused_before_training(name: str) -> None:
    learner = tlml.learner(name)
    view = learner.view(tlml.domain("sinusoid"))
    text = (
        "^overfit_batches: the batches of a view are functions of their number, and Lightning "
        "would number them anew; take limit_train_batches, 2 here$"
    )
    with pytest.raises(tlml.TlmlError, match=text):
        quiet_trainer(max_epochs=1, overfit_batches=2).fit(learner, view)
