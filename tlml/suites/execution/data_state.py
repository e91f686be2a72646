"""The state of the data that cells are made of, as their domains and episode files tell it.

Planning makes no domain, so this is no part of a cell's id: its result keeps the state, and a run
begins by comparing.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tlml.errors import TlmlError
from tlml.suites.cells import Cell
from tlml.suites.execution.places import Place
from tlml.suites.execution.published import read_result
from tlml.suites.executors.base import Outcome

_KEY = "fingerprint"  # in a cell's result

Dated = Sequence[tuple[Cell, str]]


def tell(config: Mapping[str, Any], known: Collection[str] = ()) -> dict[str, str]:
    """Map what a cell reads to its state, unless that is known or there is nothing to tell."""
    key = _source(config)
    if key in known:
        return {}
    found = [one for one in (_of_domain(config), _of_file(config)) if one is not None]
    return {key: ", ".join(found)} if found else {}


def tell_here(configs: Sequence[Mapping[str, Any]]) -> Outcome:
    """Tell the state of all that some cells read; of data that is away nothing can be told."""
    from tlml.lightning_notes import quiet

    data: dict[str, str] = {}
    for config in configs:
        with suppress(Exception), quiet():
            data |= tell(config, data)
    return Outcome("done", found=data)


def stated(config: Mapping[str, Any], data: Mapping[str, str]) -> dict[str, str]:
    """Return what a cell's result is to say of the state of its data."""
    key = _source(config)
    return {_KEY: data[key]} if key in data else {}


def dated_cells(out: Path, done: Iterable[Cell]) -> Dated:
    """Return the cells that were made of a certain state of data, with that state."""
    found = []
    for cell in done:
        state = (read_result(Place(out, cell.id).published) or {}).get(_KEY)
        if isinstance(state, str):
            found.append((cell, state))
    return found


def changed_cells(dated: Dated, data: Mapping[str, str]) -> set[str]:
    """Return the ids of the cells whose data is in another state now."""
    return {cell.id for cell, state in dated if data.get(_source(cell.config), state) != state}


def _source(config: Mapping[str, Any]) -> str:
    """Return what tells apart where cells read from."""
    where = [config.get("domain"), config.get("domain_options"), _file(config)]
    return json.dumps(where, sort_keys=True)


def _of_domain(config: Mapping[str, Any]) -> str | None:
    from tlml.data.domains import Domain
    from tlml.registry.registry import default_registry
    from tlml.suites.inside.ingredients import make_domain

    try:
        cls = default_registry().resolve("domain", config["domain"])
    except TlmlError:  # whoever makes it says so
        return None
    if cls.fingerprint is Domain.fingerprint:  # none needs to be made for it
        return None
    found: str | None = make_domain(dict(config)).fingerprint()
    return found


def _of_file(config: Mapping[str, Any]) -> str | None:
    from tlml.data.fingerprints import fingerprint_files

    file = _file(config)
    return fingerprint_files(file) if file else None


def _file(config: Mapping[str, Any]) -> str | None:
    """Return the file of episodes that a cell reads, if any."""
    for part in ("view", "view_defaults"):
        if file := config.get(part, {}).get("file"):
            return str(file)
    return None
