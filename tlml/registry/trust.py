"""Which class paths a file may name: looking one up must run no code that nobody chose."""

from __future__ import annotations

import sys

from tlml.errors import TlmlError
from tlml.registry.installed import plugin_packages


def check_trusted(what: str, path: str, mend: str) -> None:
    """Raise where a class path that a file names would have code imported that nobody chose.

    Args:
        what: Whose class it is, such as ``learner``.
        path: ``package.module.Class``; registered names, without a dot, pass.
        mend: What to do where it is meant well.

    Raises:
        TlmlError: Its module is neither in memory nor in the package of an installed plugin.
    """
    if "." in path and not _trusted(path.rpartition(".")[0]):
        raise TlmlError(
            f"{what} {path} is in a module that is not imported and belongs to no plugin; "
            f"a file can't have code run: {mend}"
        )


def _trusted(module: str) -> bool:
    if module in sys.modules:
        return True
    package, *inner = module.split(".")
    # A __main__ runs a program when it is imported.
    return package in plugin_packages() and not any(part.startswith("__") for part in inner)
