"""What the tests of strategies that adapt share: a learner at work on one task, and long runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from gymnasium.spaces import Discrete
from pytorch_lightning import LightningModule
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import Tensor, nn
from trainers import fitting_trainer

import tlml
from tlml import PairView, Strategy
from tlml.finetuning import Adaptation
from tlml.learners.adapter import TargetAdapter
from tlml.meta import InnerProblem


def problem_of(net: nn.Module, strategy: Strategy, query: Tensor | None = None) -> InnerProblem:
    """Return the problem of a strategy that adapts a network to one task, as in a test."""
    learner = tlml.learner("supervised", network=net).eval()
    adapter = TargetAdapter(strategy.claim(net), net, Discrete(3)).turned_to((0,), query)
    return learner.problem(adapter)


def adapted(net: nn.Module, strategy: Strategy, view: PairView, **options: Any) -> nn.Module:
    """Adapt a network at length, in place."""
    adaptation = Adaptation(tlml.learner("supervised", network=net), strategy)
    fitting_trainer(**({"max_epochs": 4} | options)).fit(adaptation, datamodule=view)
    return net


def interrupted(
    folder: Path, make: Callable[[], LightningModule], data: Any, callbacks: Callable[[], list[Any]]
) -> list[dict[str, Tensor]]:
    """Return the states after four epochs at once, and after going on from the second."""
    states = []
    for path in (None, folder / "epoch=1.ckpt"):
        keep = ModelCheckpoint(folder, save_top_k=-1, filename="{epoch}")
        options = {"enable_checkpointing": True, "callbacks": [keep, *callbacks()]}
        module = make()
        torch.manual_seed(5 if path is None else 6)
        fitting_trainer(max_epochs=4, **options).fit(
            module, data, ckpt_path=path, weights_only=True
        )
        states.append(
            {name: v.clone() for name, v in module.state_dict().items() if isinstance(v, Tensor)}
        )
    return states
