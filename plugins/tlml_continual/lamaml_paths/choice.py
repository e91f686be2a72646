"""Which path a glance takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import torch

from tlml import TlmlError
from tlml_continual.lamaml_paths.adjoint import AdjointPath
from tlml_continual.lamaml_paths.chain import ChainPath
from tlml_continual.lamaml_paths.closed import ClosedPath
from tlml_continual.lamaml_paths.compiled import CompiledPath
from tlml_continual.lamaml_paths.contract import Glance, Objective, Path, Recipe
from tlml_continual.lamaml_paths.layers import Link, Perceptron, chain_of, perceptron_of
from tlml_continual.lamaml_paths.losses import has_by_hand
from tlml_continual.lamaml_paths.plain import PlainPath

PATHS = ("auto", "plain", "adjoint", "closed", "compiled")


class Chosen(NamedTuple):
    """A path, and why it is taken."""

    path: Path
    why: str


def choose_path(
    asked: str, objective: Objective, recipe: Recipe, glance: Glance, replay: int
) -> Chosen:
    """Choose how glances of this kind are computed.

    Args:
        asked: One of `PATHS`; ``auto`` takes the fastest that is right.
        objective: The network and its loss.
        recipe: The algorithm's options.
        glance: One of them.
        replay: Rows of a whole replay.

    Raises:
        TlmlError: The path that was asked for can't be taken.
    """
    for_any: Mapping[str, Callable[[], Path]] = {
        "plain": PlainPath,
        "adjoint": AdjointPath,
        "compiled": partial(CompiledPath, replay),
    }
    if asked in for_any:
        return Chosen(for_any[asked](), "as asked for")
    perceptron, chain = perceptron_of(objective.network), chain_of(objective.network)
    lack = _lack(perceptron, chain, objective, recipe, glance)
    if not lack and perceptron is not None:
        return Chosen(ClosedPath(perceptron), "the network is a perceptron")
    if not lack and chain is not None:
        return Chosen(ChainPath(chain), "the network is convolutions and linear layers")
    if asked == "closed":
        raise TlmlError(f"path: 'closed' can't be taken: {lack}; take 'auto'")
    return Chosen(PlainPath(), lack)


def _lack(
    perceptron: Perceptron | None,
    chain: tuple[Link, ...] | None,
    objective: Objective,
    recipe: Recipe,
    glance: Glance,
) -> str:
    """Return why slopes can't be written by hand; empty where they can."""
    x, y = glance.own.x, glance.own.y
    if perceptron is None and chain is None:
        return (
            "the network is no perceptron of linear layers with relu or tanh, nor are there "
            "convolutions before these, all of them free"
        )
    biases = perceptron.biases if perceptron is not None else [link.bias for link in chain or ()]
    theta = glance.theta[biases[-1]]
    if theta.device.type != "cpu" or theta.dtype not in (torch.float32, torch.float64):
        return f"the network is on {theta.device.type}, in {theta.dtype}"
    if torch.is_autocast_enabled("cpu"):
        return "precision is mixed"
    if recipe.inner_batch != 1:
        return "inner steps of several examples are not written by hand"
    if perceptron is not None and recipe.inner_clip is not None:
        return "clamped inner steps of perceptrons are not written by hand"
    if not has_by_hand(objective.criterion, y, len(theta)):
        return "the loss is neither cross-entropy of classes nor the squared error of rows"
    if perceptron is not None and x.dim() != 2 and not perceptron.flattens:
        return "the network does not flatten its inputs"
    return ""
