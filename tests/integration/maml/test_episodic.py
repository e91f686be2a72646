"""Learners whose head is computed from the support: training and what is loaded afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from heads import HEADS, LETTERS, learner_of, task
from tiny import Letters
from trainers import quiet_trainer

import tlml
from tlml import EpisodeView


@pytest.mark.parametrize("name", HEADS)
def test_training_helps_and_a_checkpoint_predicts_the_same(name, tmp_path: Path):
    learner = learner_of(name, lr=0.01)
    trainer = quiet_trainer(max_epochs=4, limit_val_batches=0)
    test = EpisodeView(LETTERS, ways=3, shots=1, queries=5, episodes=20)
    if name == "baseline_pp":
        view = learner.view(LETTERS, batch_size=16, shots=0)
    else:
        view = learner.view(LETTERS, ways=5, shots=1, queries=3, episodes=40)
    before = {key: value.clone() for key, value in learner.state_dict().items()}
    trainer.fit(learner, view)
    assert any(not torch.equal(before[key], value) for key, value in learner.state_dict().items())
    (result,) = quiet_trainer().test(learner, test, verbose=False)
    assert result["test_accuracy"] > 0.6  # chance is a third
    assert all(record["gradient_steps"] == 0 for record in learner.records)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    again = tlml.load(tmp_path / "a.ckpt")
    support, query = task()
    torch.testing.assert_close(again.predict(support, query.x), learner.predict(support, query.x))
    (loaded,) = quiet_trainer().test(again, test, verbose=False)
    assert loaded["test_accuracy"] == pytest.approx(result["test_accuracy"])


def test_the_context_of_a_named_network_is_there_before_training_and_loaded(tmp_path: Path):
    learner = learner_of("matching", full_context=True, lr=0.01)
    view = learner.view(LETTERS, ways=5, shots=1, queries=3, episodes=8)
    first = {n: p.clone() for n, p in learner.context.named_parameters()}
    trainer = quiet_trainer(max_epochs=1, limit_val_batches=0)
    trainer.fit(learner, view)
    assert not any(torch.equal(first[n], p) for n, p in learner.context.named_parameters())
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    support, query = task()
    found = tlml.load(tmp_path / "a.ckpt").predict(support, query.x)
    torch.testing.assert_close(found, learner.predict(support, query.x))


def test_relation_trains_on_maps():
    letters = Letters({"source": [20] * 8, "validation": [12] * 5, "target": [12] * 7}, (1, 8, 8))
    options = {"channels": 8, "blocks": 2}
    learner = tlml.learner("relation", network="conv4", network_options=options, lr=0.01)
    view = learner.view(letters, ways=5, shots=1, queries=3, episodes=40)
    quiet_trainer(max_epochs=4, limit_val_batches=0).fit(learner, view)
    assert bool(learner.relation[1].running_mean.any())
    test = EpisodeView(letters, ways=3, shots=1, queries=5, episodes=20)
    (result,) = quiet_trainer().test(learner, test, verbose=False)
    assert result["test_accuracy"] > 0.6
