"""Where the files of a known graph lie: a folder of yours, an installed PyKEEN, or this plugin."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path

from tlml.errors import TlmlError
from tlml_graphs.triples import FILES

_EMBEDDED = Path(__file__).parent


def find_folder(name: str, root: str | None) -> Path:
    """Return the folder of a known graph: `root`, else the first place that holds it.

    These are ``$TLML_DATA/graphs/NAME``, ``$TLML_DATA/NAME``, the data of an installed PyKEEN,
    which is not imported, and what comes with this plugin.

    Raises:
        TlmlError: It is nowhere.
    """
    if root is not None:
        return Path(root).expanduser()
    places = list(_places(name))
    for place in places:
        if any((place / file).is_file() for file in FILES):
            return place
    raise TlmlError(
        f"{name}: its triples are in none of {', '.join(map(str, places))}; set root to a folder "
        f"with {', '.join(FILES)}, or the environment variable TLML_DATA to one that holds "
        f"graphs/{name}/, or install PyKEEN, which brings them (pip install --no-deps pykeen)"
    )


def _places(name: str) -> Iterator[Path]:
    data = os.environ.get("TLML_DATA")
    if data:
        yield from (Path(data) / "graphs" / name, Path(data) / name)
    spec = PathFinder.find_spec("pykeen")
    for package in (spec.submodule_search_locations or ()) if spec else ():
        yield Path(package) / "datasets" / name
    yield _EMBEDDED / name
