"""The heavy commands, ``tlml fit | validate | test | adapt``: a learner, a view and a Trainer.

Names, options and whether they go together are checked before torch is imported.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tlml.cli.checks import VIEW_NAMES, check_complete, check_names
from tlml.cli.help_text import help_text, options_text
from tlml.cli.newest import find_newest
from tlml.cli.slots import SKIP_DEFAULT, CommandLine, read_words
from tlml.cli.stops import found_in
from tlml.errors import TlmlError
from tlml.registry.registry import default_registry

if TYPE_CHECKING:
    from tlml.learners.learner import Learner
    from tlml.views.base import View

_KEYWORDS = ("best", "hpc", "registry")  # Lightning's own values of ckpt_path


def main(argv: Sequence[str] | None = None) -> int:
    """Run the heavy command whose name `argv` starts with.

    Raises:
        TlmlError: Whatever the user can mend.
    """
    command, *words = sys.argv[1:] if argv is None else argv
    line = read_words(command, words)
    check_names(line, default_registry())
    if line.helps and "model" not in line.filled:
        print(help_text(command))
        return 0
    _find_last(line)
    if not line.helps and ("model" in line.filled or "ckpt_path" not in line.paths):
        check_complete(line, default_registry())
    with _quiet(command):
        _run(line)
    return 0


def _run(line: CommandLine) -> None:
    from tlml.cli.lightning import Run

    with _explained(line):
        checkpoint = _begin_with_checkpoint(line)
        check_names(line, default_registry())
        if not line.helps:
            check_complete(line, default_registry())
        classes = _classes(line)
        if line.helps:
            print(options_text(line.command, line.filled, classes))
        elif line.prints is None:
            Run(line, classes, checkpoint).run()
        else:
            skip = line.prints == SKIP_DEFAULT
            print(Run(line, classes, checkpoint).config_text(skip), end="")


def _find_last(line: CommandLine) -> None:
    """Replace the checkpoint ``last`` by the newest that the command before left."""
    for path, before in (("ckpt_path", "fit"), ("resume", line.command)):
        if line.paths.get(path) == "last":
            found = find_newest(before)
            if found is None:
                raise TlmlError(
                    f"{path}: tlml {before} has left no checkpoint here; give the path of one"
                )
            print(f"{path} last: {found}", file=sys.stderr)
            line.paths[path] = str(found)


def _begin_with_checkpoint(line: CommandLine) -> dict[str, Any] | None:
    """Return the checkpoint; learner and options are its own where the words name no learner."""
    from tlml.learners.checkpoints import (
        check_learner,
        check_saved_learner,
        read_checkpoint,
        saved_options,
    )

    path = line.paths.get("ckpt_path")
    if path is None or path.partition(":")[0] in _KEYWORDS:
        return None
    checkpoint = read_checkpoint(path)
    model, strategy = line.slots["model"], line.slots["model.strategy"]
    check_learner(path, checkpoint, model.name)
    if model.name is None:
        given = {"network"} & set(model.given) | ({"strategy"} if strategy.said else set())
        options = saved_options(path, checkpoint, given)
        check_saved_learner(path, checkpoint)
        for known in ("spaces", *(["strategy"] if strategy.said else [])):
            options.pop(known, None)
        node = {"class_path": checkpoint["tlml"]["learner"], "init_args": options}
        line.begin_with({"model": line.take("model", node)})
    return checkpoint


def _classes(line: CommandLine) -> dict[str, type[Any]]:
    """Import what fills each slot; the view follows from the learner unless it is named."""
    from tlml.views.table import VIEW_TYPES

    views = {view.__name__: view for view in VIEW_TYPES}
    registry = default_registry()
    learner: type[Learner] = registry.resolve("learner", line.filled["model"])
    if line.slots["data"].name is None:
        cls = _default_view(line, learner)
        line.fill("data", cls.__name__ if cls.__name__ in VIEW_NAMES else registry.name_of(cls))
    return {
        path: views[name] if name in views else registry.resolve(line.slots[path].kind, name)  # type: ignore[arg-type]
        for path, name in line.filled.items()
    }


def _default_view(line: CommandLine, learner: type[Learner]) -> type[View]:
    from tlml.views.env import EnvView
    from tlml.views.episode import EpisodeView
    from tlml.views.pair import PairView

    if line.command == "adapt":
        if "source" not in line.slots["data"].given:
            line.begin_with({"data": {"source": False}})
        return PairView
    if line.command == "fit" or issubclass(learner.view_type, EnvView):
        return learner.view_type
    return EpisodeView


@contextmanager
def _explained(line: CommandLine) -> Iterator[None]:
    """Turn what the user can mend into a TlmlError, however deep it is wrapped."""
    from lightning_fabric.utilities.exceptions import MisconfigurationException

    try:
        yield
    except Exception as error:
        ours = found_in(error, TlmlError)
        if ours is not None:
            raise ours from error
        if isinstance(error, MisconfigurationException):
            raise TlmlError(" ".join(str(error).split())) from error
        if isinstance(error, OSError) and error.strerror:
            raise TlmlError(f"{error.filename or 'a file'}: {error.strerror}") from error
        if "loading state_dict" in str(error) and isinstance(error, RuntimeError):
            from tlml.learners.checkpoints import misfit

            raise misfit(line.paths.get("ckpt_path", "the checkpoint"), error) from error
        raise


@contextmanager
def _quiet(command: str) -> Iterator[None]:
    """Keep advice that is wrong here from the terminal: keyed loaders are cheap without workers."""
    log = logging.getLogger("pytorch_lightning.utilities.rank_zero")

    def wanted(record: logging.LogRecord) -> bool:
        return "Tip:" not in record.getMessage()

    log.addFilter(wanted)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*does not have many workers")
            if command in ("validate", "test"):
                warnings.filterwarnings("ignore", message="Be aware that when using `ckpt_path`")
            # A resumed run keeps its checkpoints in a folder of its own.
            warnings.filterwarnings("ignore", message=".*dirpath has changed")
            warnings.filterwarnings("ignore", message=".*treespec, LeafSpec")  # Lightning's own
            yield
    finally:
        log.removeFilter(wanted)
