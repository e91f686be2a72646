"""Networks that align their features: tlml's Trainer loop, and skada's on skorch."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

import tlml
from benchmarks.transfer.arrays import Arrays, Labels, printed_and_handwritten
from benchmarks.transfer.sides import Side

EPOCHS, STEPS, BATCH, RATE = 30, 10, 64, 1e-3
FEATURES = 64


class Convolutions(nn.Module):
    """Three blocks of convolution on 8 x 8 images, and a head; `sample_weight` is skada's."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.body = nn.Sequential(
                *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
                *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
                *(nn.Conv2d(32, FEATURES, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
                nn.Flatten(),
            )
            self.head = nn.Linear(FEATURES, 10)

    def forward(self, x: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        """Map images ``[n, 1, 8, 8]`` to scores ``[n, 10]``."""
        scores: Tensor = self.head(self.body(x))
        return scores


def our_network(name: str, **options: Any) -> Side:
    """Return the learner `supervised` with a strategy that aligns."""

    def learn(arrays: Arrays, seed: int) -> nn.Module:
        network = Convolutions(seed)
        learner = tlml.learner(
            "supervised", network=network, strategy=tlml.strategy(name, **options), lr=RATE
        )
        view = learner.view(printed_and_handwritten(), batch_size=BATCH, unlabelled=True, seed=seed)
        trainer = pl.Trainer(
            max_epochs=EPOCHS, limit_train_batches=STEPS, limit_val_batches=0, logger=False,
            enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
            accelerator="cpu", devices=1,
        )  # fmt: skip
        trainer.fit(learner, view)
        return network

    return Side(learn, _answer)


def their_network(make: Any, **options: Any) -> Side:
    """Return a network of skada; `make` is its function, such as ``DeepCoral``."""

    def learn(arrays: Arrays, seed: int) -> nn.Module:
        labels = np.concatenate([arrays.source_y, np.full(len(arrays.target_x), -1)])
        network = Convolutions(seed)
        torch.manual_seed(seed)  # its loader draws from the global generator
        made = make(
            network, layer_name="body", batch_size=BATCH, max_epochs=EPOCHS, lr=RATE,
            optimizer=torch.optim.Adam, train_split=None, verbose=0,
            iterator_train__max_samples="source", **options,
        )  # fmt: skip
        made.fit(_images(arrays.both).numpy(), labels, arrays.domains)
        trained: nn.Module = made.module_.base_module_
        return trained

    return Side(learn, _answer)


def quiet() -> None:
    """Keep Lightning's advice out of the table."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"(pytorch_)?lightning.*")
    warnings.filterwarnings("ignore", message=r".*isinstance\(treespec, LeafSpec\).*")


def _answer(network: nn.Module, arrays: Arrays) -> Labels:
    with torch.no_grad():
        found: Labels = network.eval()(_images(arrays.query_x)).argmax(1).numpy()
    return found


def _images(rows: Any) -> Tensor:
    return torch.from_numpy(rows).float().unflatten(1, (1, 8, 8))
