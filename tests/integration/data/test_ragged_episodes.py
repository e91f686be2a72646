"""Episodes of ranges in fits and suites."""

from __future__ import annotations

import gc
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import yaml
from tiny import MLP, Letters, Lines, Tables
from trainers import quiet_trainer

import tlml
from tlml import EpisodeView, TlmlError
from tlml.registry import default_registry
from tlml.suites import load_suite, plan, run_suite


@pytest.mark.parametrize("domain", ["letters", "tables", "lines"])
@pytest.mark.parametrize("name", ["maml", "supervised"])
def test_learners_train_and_test_on_ragged_episodes(name: str, domain: str) -> None:
    made = {"letters": Letters(), "tables": Tables(classes=4, train=40), "lines": Lines()}[domain]
    options: Any = {"shots": [1, 3], "queries": [2, 4], "episodes": 6, "tasks_per_batch": 3}
    options |= {} if domain == "lines" else {"ways": [2, 4]}
    learner = tlml.learner(name, **MLP)
    trainer = quiet_trainer(max_epochs=1)
    view = EpisodeView(made, **options, adapt=tlml.strategy("full", steps=2))
    if name == "maml":
        trainer.fit(learner, datamodule=view)
    else:
        learner.meet(view.test_spaces)
    logged = trainer.test(learner, datamodule=view, verbose=False)[0]
    metric = "test_mse" if domain == "lines" else "test_accuracy"
    assert [record["episode"] for record in learner.records] == list(range(6))
    mean = sum(record[metric[5:]] for record in learner.records) / 6
    assert logged[metric] == pytest.approx(mean)


def test_a_batch_of_one_task_each_has_the_same_records() -> None:
    options: Any = {"ways": [2, 4], "shots": [1, 3], "queries": 3, "episodes": 6}
    learner = tlml.learner("maml", **MLP)
    found = []
    for size in (1, 3):
        view = EpisodeView(Letters(), **options, tasks_per_batch=size)
        learner.meet(view.test_spaces)
        quiet_trainer().test(learner, datamodule=view, verbose=False)
        found.append([(r["episode"], r["accuracy"], r["loss"]) for r in learner.records])
    assert found[0] == found[1]


def test_a_suite_takes_ranges_for_all_that_it_trains(tmp_path: Path) -> None:
    made: dict[str, Any] = {
        "name": "ragged", "seeds": 1, "episodes": 2, "trainer": {"max_steps": 1},
        "domains": {"sinusoid": {"shots": [1, 2], "learner": {"network": "mlp"},
                                 "view": {"queries": [1, 4]}}},
        "fits": {"maml": {"learner": "maml", "view": {"shots": [1, 2], "episodes": 4}},
                 "pretrained": {"learner": "supervised", "view": {"batch_size": 8}}},
        "methods": {"maml": {"fit": "maml"}, "full": {"fit": "pretrained", "strategy": "full"}},
    }  # fmt: skip
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump(made))
    whole = plan(load_suite(tmp_path / "suite.yaml"), default_registry())
    assert run_suite(whole, tmp_path / "out", jobs=1) == []
    made["domains"]["glyphs"] = {"shots": [1], "view": {"ways": [3, 5], "queries": [1, 4]}}
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump(made))
    assert len(load_suite(tmp_path / "suite.yaml").domains) == 2
    made["domains"]["glyphs"]["view"] = {"ways": [3, 5], "batch_size": [3, 5]}
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump(made))
    with pytest.raises(TlmlError, match=r"option 'batch_size' must be int, is \[3, 5\] \(list\)$"):
        load_suite(tmp_path / "suite.yaml")


def test_drawing_thousands_of_episodes_keeps_no_memory() -> None:
    view = EpisodeView(Letters(), ways=2, shots=[1, 2], queries=1, episodes=1800)
    batches = iter(view.train_dataloader())
    tracemalloc.start()
    try:
        for _ in range(50):
            next(batches)
        gc.collect()  # whatever is in a cycle isn't kept
        before = tracemalloc.get_traced_memory()[0]
        assert sum(1 for _ in batches) == 400
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 52_800  # 33 bytes for each of 1,600 episodes
