"""What the code of La-MAML's authors retains of the rotations in `recipes/lamaml_rotations.yaml`.

    TLML_DATA=FOLDER python -m benchmarks.authors CHECKOUT --seeds 3

gives their network the first weights that `lamaml` begins with in the recipe, and the batches that
it gets, and measures R as for it. Orders within a batch and what is replayed are drawn by their
own code. CHECKOUT is one of https://github.com/montrealrobotics/La-MAML.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

import tlml
from benchmarks.speed.continual_sides import authors_net, authors_options
from tlml import Step
from tlml_continual.naive import Naive

OPTIONS: dict[str, Any] = {"alpha_init": 0.15, "opt_lr": 0.3, "glances": 5}  # their script's
STREAM: dict[str, Any] = {"tasks": 20, "samples": 1000, "batch_size": 10}


class Authors(Naive):
    """Their network, which learns by itself.

    Args:
        checkout: Where their code lies.
        theirs: Their options beside those of `authors_options`.
        **options: Those of `Naive`.
    """

    def __init__(self, *, checkout: str, theirs: dict[str, Any], **options: Any) -> None:
        super().__init__(**options)
        self.checkout, self.theirs = checkout, theirs
        self.net: Any = None

    def prepare(self, spaces: Any) -> None:
        """Make their network with our first weights."""
        super().prepare(spaces)
        kind, inputs = authors_net(self.checkout), spaces.x.shape
        chosen = authors_options(**self.theirs)
        self.net = kind(torch.Size(inputs).numel(), int(spaces.y.n), STREAM["tasks"], chosen)
        with torch.no_grad():
            for to, value in zip(self.net.net.parameters(), self.built().parameters(), strict=True):
                to.copy_(value)

    def training_step(self, batch: Step, batch_idx: int) -> Tensor:
        """Show them a batch."""
        x, y = batch.batch
        loss = self.net.observe(x.flatten(1), y, int(batch.task[0]))
        return torch.tensor(loss, requires_grad=True)

    def scores_of(self, x: Tensor) -> Tensor:
        """Return what their network gives."""
        scores: Tensor = self.net.net.forward(x.flatten(1))
        return scores

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return one that steps nothing of theirs."""
        return torch.optim.SGD([nn.Parameter(torch.zeros(()))], lr=1.0)


def retained(
    checkout: str, seed: int, domain: Any, network: dict[str, Any], **stream: Any
) -> tlml.Retention:
    """Learn a stream by their code, and return R.

    Args:
        checkout: Where it lies.
        seed: Of first weights and orders.
        domain: What streams.
        network: The options of our perceptron, whose shape and first weights theirs has.
        **stream: Options of `tlml.StreamView`.
    """
    random.seed(seed)
    theirs = {**OPTIONS, "n_hiddens": network["hidden"][0], "n_layers": len(network["hidden"])}
    learner = Authors(
        checkout=checkout, theirs=theirs, network="mlp", network_options=network, seed=seed
    )
    view = learner.view(domain, **stream, seed=seed)
    trainer = pl.Trainer(
        max_epochs=view.length, num_sanity_val_steps=-1, accelerator="cpu", devices=1,
        logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(learner, view)
    return tlml.Retention.of(trainer)


def main(argv: Sequence[str] | None = None) -> None:
    """Learn the rotations with each seed, and print what is retained."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.authors", description=str(__doc__).splitlines()[0]
    )
    parser.add_argument("checkout", help="a checkout of their La-MAML")
    parser.add_argument("--seeds", type=int, default=3, help="how many; 3 by default")
    parser.add_argument("--first", type=int, default=0, help="the first seed; 0 by default")
    asked = parser.parse_args(argv)
    authors_net(asked.checkout)  # whether it is there, before long work
    domain = tlml.domain("rotated_mnist", tasks=STREAM["tasks"])
    for seed in range(asked.first, asked.first + asked.seeds):
        network = {"hidden": [100, 100], "init": "he"}
        found = retained(asked.checkout, seed, domain, network, **STREAM).summary()
        said = ", ".join(f"{name} {100 * found[name]:.2f}" for name in ("RA", "BTI", "LA"))
        print(f"seed {seed}: {said}", flush=True)


if __name__ == "__main__":
    main()
