"""Read a checkpoint back as the learner that wrote it; nothing in it is run as code."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Collection
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tlml.errors import TlmlError
from tlml.learners.learner import Learner, spaces_from_plain
from tlml.learners.saved_names import GIVEN, OTHER, check_names
from tlml.registry.registry import default_registry
from tlml.registry.trust import check_trusted
from tlml.strategies.strategy import Strategy


def load(
    path: str | Path,
    network: nn.Module | str | None = None,
    strategy: Strategy | str | dict[str, Any] | None = None,
    *,
    expected: str | None = None,
) -> Learner:
    """Return the learner that a checkpoint holds, on the CPU.

    Args:
        path: A checkpoint that Lightning's Trainer wrote for a learner of tlml.
        network: The network, where the learner was given a module: that is not saved.
        strategy: Another strategy than the checkpoint's, whose state is then dropped.
        expected: The learner that it must be of.

    Raises:
        TlmlError: The file is missing, damaged or not a tlml checkpoint; it is another learner's
            than `expected`; its plugin is missing; or its tensors don't fit the network.
    """
    checkpoint = read_checkpoint(path)
    check_learner(path, checkpoint, expected)
    replaced = {"network": network, "strategy": strategy}
    options = saved_options(path, checkpoint, {k for k, v in replaced.items() if v is not None})
    if network is not None:
        options |= {"network": network}
        if not isinstance(network, str):
            options.pop("network_options", None)
    if strategy is not None:
        options["strategy"] = strategy
    return restore(_make(path, checkpoint, options), checkpoint, path)


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Return the content of a learner's checkpoint: plain data, and tensors on the CPU.

    Raises:
        TlmlError: The file is missing, damaged or not a tlml checkpoint.
    """
    try:
        with Path(path).open("rb"):
            pass
    except OSError as error:
        raise TlmlError(f"{path}: cannot be read ({error.strerror or error})") from error
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file may fail anywhere
        raise TlmlError(f"{path}: {_damage(path, error)}") from error
    known = content.get("tlml") if isinstance(content, dict) else None
    if not (isinstance(known, dict) and isinstance(known.get("learner"), str)):
        raise TlmlError(f"{path}: not a tlml checkpoint: it does not record which learner wrote it")
    if not isinstance(content.get("state_dict"), dict):
        raise TlmlError(f"{path}: holds no state_dict; save the whole checkpoint")
    return dict(content)


def check_learner(path: str | Path, checkpoint: dict[str, Any], expected: str | None) -> None:
    """Raise where a checkpoint is of another learner than `expected` (None: of any)."""
    theirs = checkpoint["tlml"]["learner"]
    if expected is not None and theirs != expected:
        raise TlmlError(f"{path}: a checkpoint of learner {theirs}, not of {expected}")


def check_saved_learner(path: str | Path, checkpoint: dict[str, Any]) -> None:
    """Raise where a checkpoint's learner is neither registered nor imported nor of a plugin."""
    try:
        check_trusted("learner", checkpoint["tlml"]["learner"], OTHER)
    except TlmlError as error:
        raise TlmlError(f"{path}: {error}") from error


def saved_options(
    path: str | Path, checkpoint: dict[str, Any], given: Collection[str] = ()
) -> dict[str, Any]:
    """Return the options that the learner was made with.

    Args:
        given: The names of those that others take the place of.

    Raises:
        TlmlError: The network was given as a module, or is made by a function, or a class is
            neither imported nor of a plugin: importing or calling whatever a file names would run
            code that nobody asked for.
    """
    options = dict(checkpoint.get(Learner.CHECKPOINT_HYPER_PARAMS_KEY) or {})
    try:
        check_names(options, given)
    except TlmlError as error:
        raise TlmlError(f"{path}: {error}") from error
    network = options.get("network")
    if "network" in given or not isinstance(network, str):
        return options
    if network.startswith(GIVEN):
        raise TlmlError(
            f"{path}: its network was given as a module ({network[len(GIVEN) :]}), which no "
            "checkpoint holds; pass it again: tlml.load(path, network=net), or its class: "
            "--model.network package.Class"
        )
    if "." in network and not _is_module_class(network):
        raise TlmlError(
            f"{path}: its network {network} is not a subclass of nn.Module that can be imported; "
            f"if you trust it, pass it: tlml.load(path, network='{network}')"
        )
    return options


def restore(learner: Learner, checkpoint: dict[str, Any], path: str | Path) -> Learner:
    """Fill a learner with the state of a checkpoint, and return it.

    Raises:
        TlmlError: The tensors don't fit.
    """
    meet_saved(learner, checkpoint)
    learner.configure_model()
    content = checkpoint | {"state_dict": dict(checkpoint["state_dict"])}
    learner.on_load_checkpoint(content)
    try:
        learner.load_state_dict(content["state_dict"])
    except RuntimeError as error:
        raise misfit(path, error) from error
    return learner


def meet_saved(learner: Learner, checkpoint: dict[str, Any]) -> None:
    """Build a learner for the spaces that a checkpoint was trained on, where it has none yet."""
    options = checkpoint.get(Learner.CHECKPOINT_HYPER_PARAMS_KEY) or {}
    spaces = spaces_from_plain(options.get("spaces"))
    if learner.view_spaces is None and spaces is not None:
        learner.meet(spaces)


def misfit(path: str | Path, error: RuntimeError) -> TlmlError:
    """Return the error for tensors that don't fit, with the first thing that torch complains of."""
    lines = [line.strip() for line in str(error).splitlines()]
    reason = lines[1] if len(lines) > 1 else lines[0]
    return TlmlError(f"{path}: doesn't fit the network: {reason.rstrip('. ')}")


def _make(path: str | Path, checkpoint: dict[str, Any], options: dict[str, Any]) -> Learner:
    cls = learner_class(path, checkpoint)
    try:
        return cls(**options)
    except TypeError as error:
        version = checkpoint["tlml"].get("version")
        raise TlmlError(
            f"{path}: its options don't fit learner {checkpoint['tlml']['learner']} as installed "
            f"({error}); it was written by tlml {version}"
        ) from error


def learner_class(path: str | Path, checkpoint: dict[str, Any]) -> type[Learner]:
    """Return the class of the learner that wrote a checkpoint.

    Raises:
        TlmlError: No plugin brings it.
    """
    name = checkpoint["tlml"]["learner"]
    check_saved_learner(path, checkpoint)
    try:
        cls = default_registry().resolve("learner", name)
    except TlmlError as error:
        raise TlmlError(
            f"{path}: of learner '{name}', which no installed plugin brings ({error}); "
            "see tlml plugins"
        ) from error
    if not issubclass(cls, Learner):
        raise TlmlError(f"{path}: {name} is not a learner")
    return cls


def _damage(path: str | Path, error: Exception) -> str:
    if isinstance(error, pickle.UnpicklingError) and zipfile.is_zipfile(path):
        return "holds Python objects, which could run code; only tensors and plain data are loaded"
    return "cannot be read as a checkpoint; it is damaged, cut short or something else"


def _is_module_class(path: str) -> bool:
    module, _, name = path.rpartition(".")
    try:
        found = getattr(import_module(module), name, None)
    except KeyboardInterrupt:
        raise
    except BaseException:  # whatever its import comes to, it gives no class
        return False
    return isinstance(found, type) and issubclass(found, nn.Module)
