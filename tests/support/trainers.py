"""Trainers that print, log and store nothing."""

from __future__ import annotations

from typing import Any

from pytorch_lightning import Trainer

QUIET: dict[str, Any] = {
    "accelerator": "cpu", "devices": 1, "logger": False, "enable_checkpointing": False,
    "enable_progress_bar": False, "enable_model_summary": False,
}  # fmt: skip


def quiet_trainer(**options: Any) -> Trainer:
    """Return a Trainer on one processor; options come before what keeps it quiet."""
    return Trainer(**QUIET | options)


def fitting_trainer(**options: Any) -> Trainer:
    """Return a quiet Trainer that validates nothing."""
    return quiet_trainer(**{"num_sanity_val_steps": 0, "limit_val_batches": 0} | options)
