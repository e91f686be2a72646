"""What the cells of a suite are made of, and the options of their Trainer."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from tlml import make
from tlml.errors import OptionError
from tlml.learners.acting import Acting
from tlml.learners.checkpoints import load
from tlml.learners.learner import Learner
from tlml.networks.build import import_network
from tlml.registry.registry import default_registry
from tlml.strategies.strategy import Strategy
from tlml.suites.results import RESULT
from tlml.views.base import View
from tlml.views.stream import StreamView


def make_domain(config: dict[str, Any]) -> Any:
    """Make the domain of a cell."""
    return make.domain(config["domain"], **config["domain_options"])


def make_strategy(name: str | None, options: dict[str, Any]) -> Strategy | None:
    """Make a strategy, if one is named."""
    return None if name is None else make.strategy(name, **options)


def make_learner(config: dict[str, Any]) -> Learner:
    """Make the learner of a cell, untrained and without a network."""
    options = dict(config["options"])
    if config["kind"] == "fit" and config["strategy"] is not None:
        # By name: a learner may have an option of its own for what is not said of the strategy.
        options["strategy"] = {"name": config["strategy"], "options": config["strategy_options"]}
    takes = inspect.signature(default_registry().resolve("learner", config["learner"])).parameters
    if "seed" in takes or any(one.kind is one.VAR_KEYWORD for one in takes.values()):
        options["seed"] = config["seed"]
    made: Learner = make.learner(config["learner"], **options)
    return made


def load_fitted(path: Path, config: dict[str, Any]) -> Learner:
    """Load what a fit has made; a network that the suite names is imported, as for the fit."""
    network = config["options"].get("network")
    if isinstance(network, str) and "." in network:
        import_network(network)
    return load(path)


def result_of(checkpoint: Path) -> dict[str, Any]:
    """Return what the result of a fit says, which stands beside its checkpoint."""
    text = (checkpoint.parent / RESULT).read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def make_training_view(config: dict[str, Any], learner: Learner, domain: Any) -> View:
    """Make the view of a fit, and build the learner's network for it."""
    takes = inspect.signature(learner.view_type.__init__).parameters
    defaults = {k: v for k, v in config["view_defaults"].items() if k in takes}
    return learner.view(domain, **{**defaults, **config["view"]}, seed=config["seed"])


def check_trainer(config: dict[str, Any], learner: Learner, view: View) -> None:
    """Make the Trainer of a fit.

    Raises:
        OptionError: An option is wrong, or there is no such accelerator here.
    """
    try:
        pl.Trainer(
            **trainer_options(config, learner, view), logger=False, enable_checkpointing=False
        )
    except Exception as error:  # Lightning raises what its options happen to lead to
        reason = " ".join(str(error).split())
        raise OptionError(f"trainer: {reason or type(error).__name__}") from error


def trainer_options(config: dict[str, Any], learner: Learner, view: View) -> dict[str, Any]:
    """Return those of a fit: one process, as a suite runs several cells side by side.

    A stream is as long as its tasks, and is measured before training, too. An agent learns for as
    many steps as it says, and is judged in the end.
    """
    options = {"accelerator": "cpu", "devices": 1, "num_sanity_val_steps": 0, **config["trainer"]}
    if isinstance(view, StreamView):
        options |= {"max_epochs": view.length, "num_sanity_val_steps": -1}
    if isinstance(learner, Acting):
        options |= {"max_epochs": -1, "limit_val_batches": 0}
    return options
