"""What loggers are told while a stream is learned, and that watching changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers.logger import DummyLogger
from resuming import Stop, equal
from tiny import Letters
from torch import nn
from trainers import quiet_trainer

import tlml
from tlml_continual.base.watch import Watch

EVERY = 2


class Interruption(Exception):
    """What kills a fit."""


class Heard(DummyLogger):
    """Keeps what was logged in training."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[dict[str, float]] = []

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:  # type: ignore[override]
        self.told.append({"step": float(step or 0), **metrics})

    def of(self, name: str) -> list[tuple[float, float]]:
        return [(told["step"], told[name]) for told in self.told if name in told]


def made(name: str, **options: Any) -> Any:
    """A learner whose network draws, and the stream that it learns."""
    torch.manual_seed(3)
    net = nn.Sequential(nn.Flatten(), nn.Linear(2, 6), nn.BatchNorm1d(6), nn.Dropout(0.3),
                        nn.Linear(6, 6))  # fmt: skip
    learner = tlml.learner(name, network=net, **options)
    return learner, learner.view(Letters(), ways=2, batch_size=3, samples=12)


OPTIONS: dict[str, dict[str, Any]] = {
    "naive": {"lr": 0.1},
    "joint": {"lr": 0.1},
    "er": {"lr": 0.1, "memory_size": 6, "replay": 3},
    "gdumb": {"memory_size": 6},
    "lamaml": {"memory_size": 6, "replay": 3, "alpha_init": 0.01, "alpha_lr": 0.01},
}


def fitted(name: str = "er", logger: Any = False, **options: Any) -> Any:
    learner, view = made(name, **OPTIONS.get(name, {}))
    trainer = quiet_trainer(
        max_epochs=-1, logger=logger, log_every_n_steps=EVERY, num_sanity_val_steps=-1, **options
    )
    torch.manual_seed(7)
    trainer.fit(learner, view)
    return learner


def course(learner: Any) -> Any:
    return learner.courses().get("alignment", [])


@pytest.fixture(scope="module")
def heard() -> tuple[Heard, Any]:
    logger = Heard()
    return logger, fitted(logger=logger)


def test_cosines_are_told_from_the_second_task_on(heard: tuple[Heard, Any]) -> None:
    logger, learner = heard
    found = logger.of("alignment")
    steps = learner.trainer.global_step
    in_task = steps // learner.current_view().number_of_tasks
    assert [step for step, _ in found] == [
        step for step in range(in_task, steps) if (step + 1) % EVERY == 0
    ]
    assert all(-1 <= value <= 1 for _, value in found)
    assert course(learner) == [(int(step), pytest.approx(value)) for step, value in found]
    assert len({value for _, value in found}) > 1


def test_speed_is_told_and_rates_of_those_who_have_none_are_not(heard: tuple[Heard, Any]) -> None:
    logger, _ = heard
    assert all(value > 0 for _, value in logger.of("samples_per_second"))
    assert logger.of("samples_per_second")
    assert not any(name.startswith("alpha") for told in logger.told for name in told)


@pytest.mark.parametrize("name", ["er", "naive", "lamaml"])
def test_watching_changes_nothing(name: str, heard: tuple[Heard, Any]) -> None:
    watched, alone = fitted(name, logger=Heard()), fitted(name)
    assert course(watched) and not course(alone)
    assert equal(dict(watched.state_dict()), dict(alone.state_dict()))
    assert equal(tlml.Retention.of(watched.trainer).rows, tlml.Retention.of(alone.trainer).rows)


def test_a_resumed_fit_tells_what_the_uninterrupted_one_tells(
    heard: tuple[Heard, Any], tmp_path: Path
) -> None:
    _, whole = heard
    learner, view = made("er", **OPTIONS["er"])
    stop = Stop(whole.trainer.global_step - 2, stop=_killed)
    saved = ModelCheckpoint(tmp_path, save_last=True, every_n_train_steps=1)
    options = {"max_epochs": -1, "log_every_n_steps": EVERY, "num_sanity_val_steps": -1}
    first = quiet_trainer(
        **options, logger=Heard(), callbacks=[stop, saved], enable_checkpointing=True
    )
    with pytest.raises(Interruption):
        first.fit(learner, view)
    again, view = made("er", **OPTIONS["er"])
    saved = ModelCheckpoint(tmp_path, save_last=True, every_n_train_steps=1)
    second = quiet_trainer(**options, logger=Heard(), callbacks=[saved], enable_checkpointing=True)
    second.fit(again, view, ckpt_path=tmp_path / "last.ckpt", weights_only=True)
    assert len(course(learner)) < len(course(again))
    assert course(again) == course(whole)
    assert equal(dict(again.state_dict()), dict(whole.state_dict()))


def test_all_tasks_at_once_have_no_old_ones() -> None:
    logger = Heard()
    learner = fitted("joint", logger=logger)
    assert not course(learner) and not logger.of("alignment")
    assert logger.of("samples_per_second")


def test_a_callback_that_is_there_is_not_brought_twice_and_begins_anew() -> None:
    watch = Watch()
    first = fitted("naive", logger=Heard(), callbacks=[watch])
    courses = [list(course(first))]
    assert [one for one in first.trainer.callbacks if isinstance(one, Watch)] == [watch]
    courses.append(course(fitted("naive", logger=Heard(), callbacks=[watch])))
    assert courses[0] == courses[1] != []


@pytest.mark.parametrize(("name", "memory"), [("naive", 0), ("er", 6), ("joint", 36)])
def test_what_is_kept_is_told_as_a_cost(name: str, memory: int) -> None:
    learner = fitted(name)
    assert learner.costs() == {"memory_examples": memory}


def _killed() -> None:
    raise Interruption


def test_learned_rates_are_told_by_layer() -> None:
    logger = Heard()
    learner = fitted("lamaml", logger=logger)
    assert {name for told in logger.told for name in told if name.startswith("alpha")} == {
        "alpha/frozen",
        *(
            f"alpha/{name}/{word}"
            for name in learner.alpha
            for word in ("mean", "q10", "q50", "q90")
        ),
    }
    assert all(0 <= share <= 1 for _, share in logger.of("alpha/frozen"))
    assert logger.of("alpha/4.weight/mean")[0][1] == pytest.approx(0.01, abs=0.01)
    assert course(learner)


@pytest.mark.parametrize("name", ["ncm", "ranpac", "gdumb"])
def test_who_steps_down_no_gradient_of_batches_is_aligned_with_nothing(name: str) -> None:
    logger = Heard()
    learner = fitted(name, logger=logger)
    assert not course(learner) and logger.of("samples_per_second")
