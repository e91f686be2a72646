"""Runs one cell of a suite: the choice of a fit's options, a fit, or what a protocol measures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tlml.errors import OptionError, TlmlError
from tlml.files import write_atomic
from tlml.lightning_notes import quiet
from tlml.registry.registry import default_registry
from tlml.suites.inside.adapt import check_head
from tlml.suites.inside.checks import REFUSALS, check_each, check_fit, told
from tlml.suites.inside.choice import check_choices, check_tuning, choose_on_stream
from tlml.suites.inside.fit import run_fit, try_fit
from tlml.suites.inside.ingredients import make_learner, make_strategy
from tlml.suites.inside.scanned import scanned_once
from tlml.suites.inside.share import Report
from tlml.suites.protocols.base import Protocol
from tlml.suites.results import RESULT
from tlml.suites.schema import PRETRAINED
from tlml.suites.tuning import candidates_of, choices_of, with_options
from tlml.yaml_lines import write_yaml


class RefusedError(TlmlError):
    """What a cell is made of doesn't go together: it can't be run, and others can."""


def check_cell(config: dict[str, Any], fit: dict[str, Any] | None = None) -> None:
    """Make everything that a cell is made of, so that what is wrong shows before the first run.

    Args:
        config: Of the cell.
        fit: Of a fit whose head it keeps.

    Raises:
        RefusedError: Learner, strategy, view and domain don't go together.
        TlmlError: Something is wrong by itself, such as the value of an option.
    """
    for one in _choices(config):
        make_learner(one)
        make_strategy(one["strategy"], one["strategy_options"])
    try:
        _check_together(config)
        if fit is not None:
            check_head(config, fit)
    except OptionError:
        raise
    except REFUSALS as error:
        raise RefusedError(told(error)) from error


def _choices(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the configuration of a cell with each choice of the options that are to be chosen."""
    if config["kind"] == "adapt":
        yield from (one.config for one in candidates_of({"tune": {}, **config}, []))
        return
    yield from (with_options(config, options) for options in choices_of(config["tune"]))


def _check_together(config: dict[str, Any]) -> None:
    if config["kind"] == "choose":
        check_choices(config)
    elif config["kind"] == "fit":
        _check_fit(config)
    else:
        protocol_of(config).check(config)


def protocol_of(config: dict[str, Any]) -> Protocol[Any]:
    """Return the protocol of a cell that measures."""
    made: Protocol[Any] = default_registry().resolve("protocol", config["protocol"])()
    return made


def run_cell(
    cell: dict[str, Any], folder: Path, checkpoints: list[Path], report: Report
) -> dict[str, Any]:
    """Run a cell in a folder, where its ``config.yaml`` is written first.

    Returns:
        What its ``result.json`` is to say.
    """
    config = cell["config"]
    write_atomic(folder / "config.yaml", write_yaml(config))
    with quiet(), scanned_once():
        found = _find(config, folder, checkpoints, report)
    own = {key: value for key, value in cell.items() if key != "config"}
    return {"kind": config["kind"], **own, **found}


def _check_fit(config: dict[str, Any]) -> None:
    def check(choice: dict[str, Any]) -> None:
        check_tuning(config, *check_fit(choice))

    check_each(_choices(config), check)


def _find(
    config: dict[str, Any], folder: Path, checkpoints: list[Path], report: Report
) -> dict[str, Any]:
    config, checkpoints = _started(config, checkpoints)
    if config["kind"] == "choose":
        return choose_on_stream(config, folder, report)
    if "tried" in config:
        return try_fit(config, folder, report)
    if config["kind"] == "fit":
        choice = checkpoints[0].parent / RESULT if checkpoints else None
        return run_fit(config, folder, report, choice)
    records = protocol_of(config).run(config, checkpoints, report)
    return _written([record.model_dump(exclude_unset=True) for record in records])


def _started(config: dict[str, Any], checkpoints: list[Path]) -> tuple[dict[str, Any], list[Path]]:
    """Let the learner of a cell start from the fit that it names, and return other checkpoints."""
    if "start" not in config:
        return config, checkpoints
    *others, start = checkpoints
    return {**config, "options": {**config["options"], PRETRAINED: str(start)}}, others


def _written(records: list[dict[str, Any]]) -> dict[str, Any]:
    """Return one record flat, as readers of episodes know it, and several under a key."""
    return records[0] if len(records) == 1 else {"records": records}
