"""How the tasks of a batch are run, in a Trainer."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from trainers import quiet_trainer

import tlml


def test_a_fit_says_which_path_it_takes(caplog):
    import logging

    learner = tlml.learner("maml", network="mlp", network_options={"hidden": [4]})
    view = learner.view(tlml.domain("sinusoid"), shots=2, queries=2, episodes=4, val_episodes=2)
    trainer = quiet_trainer(max_epochs=1)
    with caplog.at_level(logging.INFO):
        trainer.fit(learner, view)
    assert "Maml: tasks of a batch are run by stack (every layer is known" in caplog.text


def fitted(**options: Any) -> tuple[dict[str, Tensor], int]:
    """Return the parameters after two optimiser's steps, and their number."""

    tasks = options.pop("tasks_per_batch", 4)
    learner = tlml.learner("maml", network="mlp", network_options={"hidden": [4]})
    view = learner.view(
        tlml.domain("sinusoid"), shots=2, queries=2, episodes=8, tasks_per_batch=tasks
    )
    trainer = quiet_trainer(max_epochs=1, limit_val_batches=0, **options)
    trainer.fit(learner, view)
    return {n: p.detach().clone() for n, p in learner.named_parameters()}, trainer.global_step


def test_gradients_accumulate_over_tasks():
    whole, steps = fitted()
    parts, same_steps = fitted(tasks_per_batch=2, accumulate_grad_batches=2)
    assert steps == same_steps == 2
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, rtol=1e-4, atol=1e-6)


def test_a_fit_in_bfloat16_is_close_to_one_in_single_precision():
    whole, _ = fitted()
    rough, _ = fitted(precision="bf16-mixed")
    for name, value in whole.items():
        assert rough[name].dtype == torch.float32
        torch.testing.assert_close(rough[name], value, rtol=0, atol=5e-3)
