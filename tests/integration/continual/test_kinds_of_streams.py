"""Learners that keep something of each class, on streams of every kind."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from refusals import fails, stops
from tiny import MLP, Letters, Tables
from trainers import quiet_trainer

import tlml
from tlml import Retention

LEARNERS: dict[str, dict[str, Any]] = {
    "mer": {"memory_size": 8, "replay": 2, "s": 1},
    "icarl": {"memory_size": 8, "replay": 2},
    "gdumb": {"memory_size": 8, "epochs_on_memory": 3},
    "ncm": {},
    "ranpac": {"projection": 8},
}
STREAMS: dict[str, tuple[Any, dict[str, Any]]] = {
    "classes": (Letters(), {"ways": 2}),
    "tasks that are told": (Letters(), {"ways": 2, "scenario": "task"}),
    "domains": (Tables(classes=3, test=6), {}),
    "joint": (Letters(), {"ways": 2, "joint": True}),
}


def fit(name: str, kind: str, **options: Any) -> Any:
    domain, given = STREAMS[kind]
    learner = tlml.learner(name, **MLP, **LEARNERS[name])
    trainer = quiet_trainer(max_epochs=-1, num_sanity_val_steps=-1, **options)
    trainer.fit(learner, learner.view(domain, batch_size=4, **given))
    return learner, Retention.of(trainer)


@pytest.mark.parametrize("kind", STREAMS)
@pytest.mark.parametrize("name", LEARNERS)
def test_they_learn_every_kind_of_stream(name: str, kind: str) -> None:
    learner, retention = fit(name, kind)
    assert retention.matrix.shape == (1 if kind == "joint" else 3, 3)
    assert bool(np.isfinite(retention.matrix).all())
    if name == "icarl":  # as many of each class as there is room for
        kept = learner.buffer.y[: len(learner.buffer)].bincount()
        assert kept.tolist() == ([2] * 3 if kind == "domains" else [1] * 6)
    if name in ("ncm", "ranpac"):
        assert int(learner.counts.sum()) == len(retention.matrix[0]) * (
            12 if kind == "domains" else 13
        )


@pytest.mark.parametrize("name", LEARNERS)
def test_they_learn_in_sixteen_bits(name: str) -> None:
    _, retention = fit(name, "classes", precision="bf16-mixed")
    assert retention.matrix[0, 0] > 0.5


@pytest.mark.parametrize("name", [name for name in LEARNERS if name != "icarl"])
def test_a_gradient_scaler_is_refused(name: str) -> None:
    learner = tlml.learner(name, **MLP, **LEARNERS[name])
    view = learner.view(Letters(), ways=2)
    learner._trainer = SimpleNamespace(precision_plugin=SimpleNamespace(scaler=object()))
    with fails(
        f"precision: {name} leaves no gradients for the scaler of 16-mixed; take bf16-mixed, or 32"
    ):
        learner.check(view)


@pytest.mark.parametrize("name", [*LEARNERS, "er"])
def test_a_view_is_checked_without_a_trainer_as_suites_do(name: str) -> None:
    options = LEARNERS.get(name, {"memory_size": 8, "replay": 2, "glances": 2})
    learner = tlml.learner(name, **MLP, **options)
    view = learner.view(Letters(), ways=2)
    learner.check(view)
    if "memory_size" in options:
        learner.memory_size = 1000
        with stops("memory_size: 1000 examples are more than the stream's 39"):
            learner.check(view)
