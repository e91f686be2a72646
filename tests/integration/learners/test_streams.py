"""What a Trainer makes of a stream: when tasks are made, and what is measured of them."""

from __future__ import annotations

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from late_tasks import LateFamily
from tiny import Letters, Plain
from trainers import QUIET

from tlml import Retention, StreamView


@pytest.mark.parametrize("test", [6, 0])
def test_a_fit_makes_tasks_when_they_come_and_lets_them_go(test):
    domain = LateFamily(number=6, test=test)
    learner = Plain(network="mlp", network_options={"hidden": [3]})
    view = learner.view(domain, batch_size=4, epochs=2)
    assert (view.number_of_tasks, view.length, view.spaces.y.n) == (6, 12, 3)
    assert domain.watched.calls == []
    view.setup("fit")
    both = [(task, part) for task in range(6) for part in ("train", "test")]
    assert domain.watched.calls == both
    assert domain.watched.most == 1
    domain.watched.calls.clear()
    pl.Trainer(**QUIET, max_epochs=-1, num_sanity_val_steps=0).fit(learner, view)
    validation = [(task, "test" if test else "train") for task in range(6)]
    # The train part once for both epochs, then what each task is judged by after each epoch.
    expected = []
    for task in range(6):
        expected += [(task, "train"), *validation, *validation]
    assert domain.watched.calls == expected
    assert domain.watched.most == 2


@pytest.mark.parametrize("scenario", ["task", None])
def test_measurements_mask_scores_and_predictions_do_not_know_the_task(scenario):
    class First(Plain):
        """Gives a class the higher a score, the lower its number."""

        def predict_now(self, x):
            return -torch.arange(6.0).expand(len(x), 6)

    learner = First(network="mlp")
    view = learner.view(Letters(), ways=2, scenario=scenario)
    found = pl.Trainer(**QUIET).validate(learner, view, verbose=False)
    for task, (_, test) in enumerate(view.stream()):
        first = 2 * task if scenario else 0
        expected = float((test.y == first).float().mean())
        assert found[task][f"val_accuracy/dataloader_idx_{task}"] == pytest.approx(expected)
        assert np.isfinite(found[task][f"val_loss/dataloader_idx_{task}"])


def test_loaders_in_the_place_of_a_view_bring_retention_and_end_as_well():
    learner = Plain(network="mlp", network_options={"hidden": [3]})
    view = StreamView(Letters(), ways=2)
    learner.meet(view.spaces)
    trainer = pl.Trainer(**QUIET, max_epochs=9, num_sanity_val_steps=-1)
    trainer.fit(learner, view.train_dataloader(), view.val_dataloader())
    assert trainer.current_epoch == 3
    assert Retention.of(trainer).matrix.shape == (3, 3)
    assert len(Retention.of(trainer).before) == 3
