"""A learner of streams: what it retains is measured, it stops in time, and it can be resumed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from gymnasium.spaces import Box, Discrete
from torch import Tensor, nn
from trainers import quiet_trainer

from tlml import Domain, Examples, GradientLearner, Retention, Step, StreamView, View
from tlml.data import SPLITS, Part, Split
from tlml.metrics import forward_transfer
from tlml.networks import Network
from tlml.testing import check_learner


@dataclass(frozen=True)
class Turned:
    """Two clouds of points, seen from an angle: tasks at right angles contradict each other."""

    name: str
    angle: float
    key: tuple[int, int]

    def split(self, part: Part) -> Examples:
        count = {"train": 95, "val": 0, "test": 20}[part]
        rng = np.random.default_rng([*self.key, count])
        y = np.arange(count) % 2
        x = rng.standard_normal((count, 2)) + 3 * np.stack([2 * y - 1, np.zeros(count)], 1)
        turn = np.array([[np.cos(self.angle), np.sin(self.angle)]])
        turn = np.concatenate([turn, turn[:, ::-1] * [-1, 1]])
        return Examples(torch.tensor(x @ turn).float(), torch.tensor(y))


class Turns(Domain[Turned]):
    def __init__(self) -> None:
        self.x, self.y = Box(-np.inf, np.inf, (2,)), Discrete(2)

    def tasks(self, split: Split) -> list[Turned]:
        place = SPLITS.index(split)
        return [Turned(f"{split} {i}", i * np.pi, (place, i)) for i in range(2)]


class Onward(GradientLearner):
    """Learns what comes, and remembers nothing on purpose."""

    view_type: ClassVar[type[View]] = StreamView

    def training_step(self, batch: Step, batch_idx: int) -> Tensor:
        return self.loss(dict(self.built().named_parameters()), batch.batch)

    def predict_now(self, x: Tensor) -> Tensor:
        scores: Tensor = self.built()(x)
        return scores


def learner(**options: Any) -> Onward:
    torch.manual_seed(0)
    network = Network({"hidden": nn.Sequential(nn.Linear(2, 8), nn.Tanh())}, nn.Linear(8, 2))
    return Onward(network, lr=0.2, **options)


def trainer(*callbacks: pl.Callback, **options: Any) -> pl.Trainer:
    chosen = {"max_epochs": 10, "num_sanity_val_steps": -1} | options
    return quiet_trainer(callbacks=list(callbacks), **chosen)


class Rows(pl.Callback):
    """Measures what `Retention` should, from the network and the data alone."""

    def __init__(self, view: StreamView) -> None:
        self.view, self.found = view, []

    def on_fit_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self.found.append(self.row(pl_module))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self.found.append(self.row(pl_module))

    def row(self, module: Any) -> list[float]:
        with torch.no_grad():
            return [accuracy(module, test) for _, test in self.view.stream()]


def accuracy(module: Any, data: Examples) -> float:
    return float((module.network(data.x).argmax(1) == data.y).float().mean())


def view(**options: Any) -> StreamView:
    return StreamView(Turns(), batch_size=10, **options)


def test_what_is_retained_is_measured_and_the_stream_ends_by_itself() -> None:
    made, stream, retention = learner(), view(), Retention()
    rows = Rows(stream)
    run = trainer(retention, rows)
    run.fit(made, stream)
    assert (run.current_epoch, run.global_step) == (2, 2 * 10)  # 95 examples are 10 batches
    before, *after = rows.found
    assert retention.metric == "accuracy"
    assert retention.before == pytest.approx(before)
    assert retention.matrix == pytest.approx(np.array(after))
    assert retention.matrix[0, 0] > 0.9
    assert retention.matrix[1, 1] > 0.9
    assert retention.matrix[1, 0] < 0.5  # the second task contradicts the first
    assert retention.summary() == pytest.approx(
        {
            "RA": np.mean(after[1]),
            "LA": np.mean([after[0][0], after[1][1]]),
            "AIA": np.mean([after[0][0], np.mean(after[1])]),
            "BTI": (after[1][0] - after[0][0]) / 2,
            "BWT": after[1][0] - after[0][0],
            "FWT": forward_transfer(after, before),
            "forgetting": after[0][0] - after[1][0],
        }
    )


class Seen(pl.Callback):
    """Keeps the batches that were trained on."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: Any, batch: Step, batch_idx: int
    ) -> None:
        self.steps.append(batch)


def test_each_example_of_a_task_comes_once_in_its_epoch() -> None:
    seen, stream = Seen(), view()
    trainer(seen).fit(learner(), stream)
    assert [int(step.task[0]) for step in seen.steps] == [0] * 10 + [1] * 10
    for number, (train, _) in enumerate(stream.stream()):
        rows = [row.tolist() for s in seen.steps if s.task[0] == number for row in s.batch.x]
        assert sorted(rows) == sorted(train.x.tolist())


def test_without_a_whole_sanity_check_there_is_no_row_before_training() -> None:
    stream = view(tasks=2)
    for steps, expected in ((0, []), (-1, [pytest.approx(0.5, abs=0.5)] * 2)):
        retention = Retention()
        trainer(retention, num_sanity_val_steps=steps, limit_train_batches=1).fit(learner(), stream)
        assert retention.before == expected
        assert ("FWT" in retention.summary()) == bool(expected)


class Killed(Exception):
    """What ends a run in the middle."""


class Killing(pl.Callback):
    """Saves a checkpoint after some batches, and ends the run."""

    def __init__(self, batches: int, folder: Path) -> None:
        self.batches, self.folder = batches, folder

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.global_step == self.batches:
            trainer.save_checkpoint(self.folder / "part.ckpt")
            raise Killed


@pytest.mark.parametrize("stopped_after", [3, 14])
def test_a_stream_resumed_in_the_middle_equals_the_uninterrupted_one(
    stopped_after: int, tmp_path: Path
) -> None:
    whole, retained = learner(), Retention()
    trainer(retained).fit(whole, view())

    with pytest.raises(Killed):
        trainer(Retention(), Killing(stopped_after, tmp_path)).fit(learner(), view())

    resumed, retention, seen = learner(), Retention(), Seen()
    second = trainer(retention, seen)
    second.fit(resumed, view(), ckpt_path=tmp_path / "part.ckpt", weights_only=True)
    assert len(seen.steps) == 20 - stopped_after
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name
    assert retention.state_dict() == retained.state_dict()


def test_a_task_killed_before_its_row_is_measured_when_the_fit_goes_on(tmp_path: Path) -> None:
    whole = Retention()
    trainer(whole).fit(learner(), view())
    for killed_after in (10, 20):
        with pytest.raises(Killed):
            trainer(Retention(), Killing(killed_after, tmp_path)).fit(learner(), view())
        retention, made = Retention(), learner()
        trainer(retention).fit(made, view(), ckpt_path=tmp_path / "part.ckpt")
        assert retention.state_dict() == whole.state_dict()
        assert made.trainer.global_step == 20


class Interrupting(pl.Callback):
    """Saves a checkpoint in the middle of the first validation after a task, and ends the run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_validation_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if not trainer.sanity_checking:
            trainer.save_checkpoint(self.folder / "part.ckpt")
            raise Killed


def test_a_validation_that_was_cut_is_done_from_its_beginning(tmp_path: Path) -> None:
    whole, retention = Retention(), Retention()
    trainer(whole).fit(learner(), view())
    with pytest.raises(Killed):
        trainer(Retention(), Interrupting(tmp_path)).fit(learner(), view())
    trainer(retention).fit(learner(), view(), ckpt_path=tmp_path / "part.ckpt")
    assert retention.state_dict() == whole.state_dict()


def test_a_task_that_was_not_measured_has_a_row_of_nan() -> None:
    retention = Retention()
    with pytest.warns(UserWarning, match="retention: task 0 was not measured when it ended"):
        trainer(retention, check_val_every_n_epoch=2).fit(learner(), view())
    assert np.isnan(retention.matrix[0]).all()
    assert retention.summary()["RA"] == retention.matrix[1].mean()
    assert np.isnan(retention.summary()["LA"])


def test_rows_are_of_the_last_epoch_of_each_task() -> None:
    retention, stream, seen = Retention(), view(epochs=3), Seen()
    rows = Rows(stream)
    run = trainer(retention, rows, seen)
    run.fit(learner(), stream)
    assert (run.current_epoch, run.global_step) == (stream.length, 6 * 10)
    assert retention.matrix == pytest.approx(np.array([rows.found[3], rows.found[6]]))
    assert [int(step.task[0]) for step in seen.steps] == [0] * 30 + [1] * 30


def test_a_validation_within_an_epoch_writes_no_row() -> None:
    whole, often = Retention(), Retention()
    trainer(whole).fit(learner(), view())
    trainer(often, val_check_interval=0.5).fit(learner(), view())
    assert often.state_dict() == whole.state_dict()


def test_all_tasks_shuffled_into_one_are_measured_when_it_ends() -> None:
    retention, stream, seen = Retention(), view(joint=True, epochs=2), Seen()
    run = trainer(retention, seen)
    run.fit(learner(), stream)
    assert (run.current_epoch, run.global_step) == (2, 2 * 20)
    assert retention.matrix.shape == (1, 2)
    assert retention.summary() == {"RA": retention.matrix.mean()}
    tasks = torch.cat([step.task for step in seen.steps[:20]])
    assert tasks.bincount().tolist() == [95, 95]
    assert all(0 < step.task.float().mean() < 1 for step in seen.steps)


def test_a_learner_of_streams_passes_the_checks() -> None:
    check_learner(Onward, options={"lr": 0.05})
