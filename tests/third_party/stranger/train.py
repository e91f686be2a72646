"""Fits Reptile at some harbours, and tests it at others."""

import pytorch_lightning as pl

import tlml

domain = tlml.domain("tides", harbours=4)
learner = tlml.learner("averaging", network="mlp", strategy=tlml.strategy("heavy_ball", steps=3))
trainer = pl.Trainer(
    max_epochs=2, accelerator="cpu", devices=1, logger=False, enable_checkpointing=False
)
trainer.fit(learner, learner.view(domain, shots=5, episodes=8))
trainer.save_checkpoint("averaging.ckpt")

pushed = tlml.strategy("heavy_ball", steps=10)
view = tlml.EpisodeView(domain, shots=5, queries=5, episodes=4, adapt=pushed)
trainer.test(tlml.load("averaging.ckpt"), view)
