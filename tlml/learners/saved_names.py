"""What a checkpoint names: registered names, and classes that are there; it can't have code run."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import torch
from pytorch_lightning import LightningModule

from tlml.registry.trust import check_trusted

GIVEN = "given:"  # how hyper-parameters write down an object that they cannot hold
NETWORK = "if you trust it, pass it: tlml.load(path, network='{path}'), or --model.network {path}"
OTHER = "if you trust it, import its module first; on the command line, name it, as in --model NAME"
_NAMED = ("name", "class_path", "strategy", "learner", "domain")


def check_names(options: Mapping[str, Any], given: Collection[str] = ()) -> None:
    """Raise where options out of a file would have code imported that nobody chose.

    Args:
        options: As `Recorded.options`, as plain data.
        given: Which of them something else takes the place of.

    Raises:
        TlmlError: A class path is neither of an imported module nor of a plugin's package.
    """
    network = options.get("network")
    if isinstance(network, str) and not network.startswith(GIVEN) and "network" not in given:
        check_trusted("network", network, NETWORK.format(path=network))
    rest = {key: value for key, value in options.items() if key not in given}
    for what, path in _named(rest):
        check_trusted(what, path, OTHER)


class SafelyLoaded(LightningModule):
    """A module whose `load_from_checkpoint` imports nothing that nobody chose, either."""

    @classmethod
    def load_from_checkpoint(cls, checkpoint_path: Any, *args: Any, **options: Any) -> Self:
        """Make and fill the module as Lightning does, after a look at what the file names.

        Args:
            options: As Lightning takes them; options of the class take the place of saved ones.

        Raises:
            TlmlError: The file names a class that is neither imported nor of a plugin.
        """
        ours = isinstance(checkpoint_path, str | os.PathLike) and Path(checkpoint_path).is_file()
        # Who asks for all that pickle can do trusts the file.
        if ours and options.get("weights_only") is not False:
            content = torch.load(checkpoint_path, map_location="meta", weights_only=True)
            check_names(content.get(cls.CHECKPOINT_HYPER_PARAMS_KEY) or {}, options)
        made: Self = super().load_from_checkpoint(checkpoint_path, *args, **options)
        return made


def _named(options: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield what in plain data names a class, with what it is called by."""
    if isinstance(options, str) and key in _NAMED:
        yield key if key not in ("name", "class_path") else "class", options
    elif isinstance(options, Mapping):
        for inner, value in options.items():
            yield from _named(value, str(inner))
    elif isinstance(options, list | tuple):
        for value in options:
            yield from _named(value, key)
