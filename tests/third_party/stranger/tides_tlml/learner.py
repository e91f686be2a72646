"""Reptile (Nichol, Achiam & Schulman 2018, arXiv 1803.02999)."""

import torch

from tlml import Batch, GradientLearner


class Reptile(GradientLearner):
    """Pull the initialisation θ towards the parameters θ' adapted to each task.

    Args:
        network: A registered network, a class path, or a module.
        strategy: What adapts to a task.
        lr: Step size of the pull.
    """

    def __init__(self, network="auto", strategy="heavy_ball", lr=0.1, **options):
        super().__init__(network, strategy, lr=lr, optimizer="sgd", **options)

    def training_step(self, batch, batch_idx):
        """Return a loss whose gradient is the mean of θ - θ' (equation 2)."""
        pulls = []
        for x, y in zip(*batch.support, strict=True):
            adapted = self.adapted(Batch(x, y))
            for name, p in self.network.named_parameters():
                pulls.append((p * (p - adapted[name]).detach()).sum())
        loss = torch.stack(pulls).sum() / len(batch.support.x)
        self.log("train_loss", loss.detach())
        return loss
