"""learn2learn's `MAML` out of its source tree, without the rest of the package."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any


def learn2learn_maml(root: str | Path) -> Any:
    """Return the class.

    The package as a whole needs compiled parts and a gym that newer Pythons lack; its MAML doesn't.

    Args:
        root: A checkout, the folder that holds ``learn2learn/``.

    Raises:
        SystemExit: There is no learn2learn.
    """
    package = Path(root) / "learn2learn"
    if not (package / "algorithms" / "maml.py").is_file():
        raise SystemExit(
            f"--learn2learn: {root} holds no learn2learn/algorithms/maml.py; give the folder of a "
            "checkout of https://github.com/learnables/learn2learn"
        )
    for name in ("learn2learn", "learn2learn.algorithms"):
        empty = ModuleType(name)  # in place of the package's own, which imports everything
        empty.__path__ = [str(package.joinpath(*name.split(".")[1:]))]
        sys.modules[name] = empty
    return importlib.import_module("learn2learn.algorithms.maml").MAML
