"""What of a suite cannot be run, found before anything is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

from tlml.errors import TlmlError
from tlml.suites.cells import Cell, FitCell
from tlml.suites.execution.data_state import tell
from tlml.suites.execution.failures import reason_for
from tlml.suites.execution.scheduler import TRIES
from tlml.suites.executors.base import Executor, Job, Outcome

Configs = tuple[dict[str, Any], dict[str, Any] | None]
_UNREAD = "unread "  # before the name of a domain among what was found
_DATA = "data "  # before what tells apart where cells read from


class Findings(NamedTuple):
    """What a check of cells has found.

    Args:
        refused: Why cells can't be run, by id.
        unread: Why the data of domains can't be looked at here, by registered name.
        data: The state of the data that cells read, as `data_state.tell` gives it.
    """

    refused: Mapping[str, str]
    unread: Mapping[str, str]
    data: Mapping[str, str] = MappingProxyType({})


def look_ahead(pool: Executor, cells: Sequence[Cell], fits: Sequence[FitCell] = ()) -> Findings:
    """Make what each cell is made of, in a process of the executor.

    Args:
        pool: The executor.
        cells: What to look at.
        fits: What they start from, done or not.

    Raises:
        TlmlError: Something is wrong by itself, or the process ends each time.
    """
    groups = _groups(cells, fits)
    job = Job("check", partial(check_here, {ids[0]: configs for ids, configs in groups}))
    found = ask(pool, job)
    refused = {id: found[ids[0]] for ids, _ in groups if ids[0] in found for id in ids}
    return Findings(refused, _named(_UNREAD, found), _named(_DATA, found))


def ask(pool: Executor, job: Job) -> Mapping[str, str]:
    """Return what a job finds, in a process of the executor.

    Raises:
        TlmlError: It failed, or the process ends each time.
    """
    outcome = Outcome("gone")
    for _ in range(TRIES):
        outcome = _run_alone(pool, job)
        if outcome.ending != "gone":
            break
    if outcome.ending != "done":
        how = "" if outcome.ending == "failed" else f"its {job.id} was "
        raise TlmlError(f"nothing was run: {how}{outcome.reason}")
    return outcome.found


def _named(before: str, found: Mapping[str, str]) -> dict[str, str]:
    return {
        name.removeprefix(before): said for name, said in found.items() if name.startswith(before)
    }


def check_here(configs: Mapping[str, Configs]) -> Outcome:
    """Make what cells are made of; what goes wrong by itself ends it, refusals are collected.

    Args:
        configs: Of the cells, by id, with those of their fits where heads are to be kept.
    """
    from tlml.lightning_notes import quiet
    from tlml.suites.run_cell import RefusedError, check_cell

    found, read, data = dict[str, str](), dict[str, str](), dict[str, str]()
    for id, (config, fit) in configs.items():
        try:
            with quiet():
                if unread := _unread(config, read):
                    found[_UNREAD + config["domain"]] = unread
                else:
                    check_cell(config, fit)
                    data |= tell(config, data)
        except OSError as error:  # data went away, or is told of as the plugin pleases
            found[_UNREAD + config["domain"]] = _line(error)
        except RefusedError as error:
            found[id] = _line(error)
        except Exception as error:  # whatever the code of strangers raises
            where = f"{config['domain']}, {config['learner']}"
            return Outcome("failed", f"{where}: {reason_for(error)}")
    return Outcome("done", found=found | {_DATA + name: state for name, state in data.items()})


def _unread(config: dict[str, Any], read: dict[str, str]) -> str:
    """Return why the domain of a cell can't be looked at, which is tried once; "" if it can."""
    from tlml.suites.inside.checks import UnreadError, check_domain, splits_of

    where = [config["domain"], config["domain_options"], splits_of(config)]
    key = json.dumps(where, sort_keys=True)
    if key not in read:
        try:
            check_domain(config)
            read[key] = ""
        except UnreadError as error:
            read[key] = _line(error)
    return read[key]


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def _groups(cells: Sequence[Cell], fits: Sequence[FitCell] = ()) -> list[tuple[list[str], Configs]]:
    """Return what is to be checked, with the ids of all cells that it holds for.

    Seeds and episodes change nothing in what can be wrong.
    """
    found: dict[str, tuple[list[str], Configs]] = {}
    trained = {fit.id: fit.config for fit in fits}
    for cell in cells:
        config, kept = cell.config, cell.config.get("head") == "kept"
        fit = next((trained[id] for id in cell.waits_for if kept and id in trained), None)
        key = json.dumps([_about(config), fit and _about(fit)], sort_keys=True)
        ids, _ = found.setdefault(key, ([], (config, fit)))
        ids.append(cell.id)
    return list(found.values())


def _about(config: dict[str, Any]) -> dict[str, Any]:
    about = {k: v for k, v in config.items() if k not in ("seed", "fits", "choice", "start")}
    view = {k: v for k, v in about.get("view", {}).items() if k not in ("seed", "episode")}
    return about | {"view": view}


def _run_alone(pool: Executor, job: Job) -> Outcome:
    pool.submit(job)
    while True:
        for _, outcome in pool.wait(1.0):
            return outcome
