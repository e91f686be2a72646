"""The heavy commands, ``tlml fit | validate | test | adapt``: a learner, a view and a Trainer.

Names, options and whether they go together are checked before torch is imported.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlml.cli_checks import check_complete, check_names
from tlml.cli_names import CommandLine, read_words
from tlml.errors import TlmlError
from tlml.registry import default_registry

if TYPE_CHECKING:
    from tlml.learners import Learner
    from tlml.views import View

_KEYWORDS = ("best", "hpc", "registry")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the heavy command whose name `argv` starts with.

    Raises:
        TlmlError: Whatever the user can mend; nothing has been started then.
    """
    command, *words = sys.argv[1:] if argv is None else argv
    line = read_words(command, words)
    registry = default_registry()
    check_names(line, registry)
    if line.helps and "model" not in line.filled:
        print(help_text(command))
        return 0
    _find_last(line)
    if not line.helps and not ("ckpt_path" in line.paths and "model" not in line.filled):
        check_complete(line, registry)
    with _quiet():
        _run(line)
    return 0


def _run(line: CommandLine) -> None:
    from tlml.trainer_cli import TlmlCLI

    checkpoint = _begin_with_checkpoint(line)
    registry = default_registry()
    check_names(line, registry)
    if not line.helps:
        check_complete(line, registry)
    classes = _classes(line)
    with _explained(line):
        TlmlCLI(line, classes, checkpoint)


def _begin_with_checkpoint(line: CommandLine) -> dict[str, Any] | None:
    """Take learner and options from the checkpoint, where the command line names no learner."""
    from tlml.loading import check_learner, read_checkpoint, saved_options

    path = line.paths.get("ckpt_path")
    if path is None or path.partition(":")[0] in _KEYWORDS:
        return None
    checkpoint = read_checkpoint(path)
    if "model" in line.filled:
        check_learner(path, checkpoint, line.filled["model"])
        return checkpoint
    given = "network" in line.slots["model"].given
    options = saved_options(path, checkpoint, given=given)
    options.pop("spaces", None)
    if line.slots["model.strategy"].said:
        options.pop("strategy", None)
    given_here = dict(line.slots["model"].given)
    rest = line.take("model", {"class_path": checkpoint["tlml"]["learner"], "init_args": options})
    line.slots["model"].given |= given_here
    line.begin_with({"model": rest})
    return checkpoint


def _classes(line: CommandLine) -> dict[str, type[Any]]:
    """Import what fills each slot; the view follows from the learner unless it is named."""
    from tlml import views

    registry = default_registry()
    learner = registry.resolve("learner", line.filled["model"])
    if not line.slots["data"].said:
        line.fill("data", _default_view(line, learner).__name__)
    found: dict[str, type[Any]] = {}
    for path, name in line.filled.items():
        kind = line.slots[path].kind
        if kind == "view":
            found[path] = getattr(views, name)
        else:
            found[path] = registry.resolve(kind, name)
    return found
