"""Chooses the settings of the quickstart on validation tasks, with equal budgets for all methods.

Each method chooses among as many settings, all judged on the same episodes of validation tasks;
the setting is kept whose risk is least in the mean over domains and shots. No target episode takes
part: the seed is none of the suite's, and its one target episode is not looked at.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.output import BENCHMARKS, RESULTS, command, write
from benchmarks.provenance import provenance
from tlml.registry import default_registry
from tlml.suites import Suite, load_suite, plan, read_results, run_suite
from tlml.suites.results import Results
from tlml.suites.tuning import edges, part_of_choice
from tlml.yaml_lines import load_located

GRIDS = BENCHMARKS / "quickstart_grids.yaml"
RECORD = RESULTS / "quickstart.json"
SEED = 100  # of the trainings that are compared; the quickstart has others
_PLACES = {"options": "learner.", "strategy_options": "strategy.", "trainer": "trainer."}


class Choice(NamedTuple):
    """A setting of a method, and how it did.

    Args:
        fit: The options of its fit, by names that say whose they are.
        own: The method's.
        risk: In the mean over domains and shots.
    """

    fit: dict[str, Any]
    own: dict[str, Any]
    risk: float


def tuning_suite(grids: Mapping[str, Any]) -> Suite:
    """Return the quickstart with something to choose in each method."""
    data = load_suite("quickstart").model_dump(exclude_unset=True)
    domains = {label: {**entry, "episodes": 1} for label, entry in data["domains"].items()}
    parts = {
        part: {
            label: {**entry, **grids[part].get(label, {})} for label, entry in data[part].items()
        }
        for part in ("fits", "methods")
    }
    whole = {**data, **parts, "domains": domains, "seeds": [SEED], "name": "quickstart_settings"}
    return Suite.model_validate(whole)


def choices(results: Results, method: str) -> list[Choice]:
    """Return the choices of a method with their mean risks."""
    cells = [results.records[cell.id][0] for cell in results.plan.adapts if cell.method == method]
    found = []
    for number, first in enumerate(cells[0].tried):
        own = {name: value for name, value in first.options.items() if "." not in name}
        fit = {name: value for name, value in first.options.items() if "." in name}
        risk = float(np.mean([cell.tried[number].risk for cell in cells]))
        found.append(Choice(fit, own, risk))
    return found


def choose(tried: Mapping[str, Sequence[Choice]], fits: Mapping[str, str | None]) -> dict[str, Any]:
    """Return the best options of each fit and method.

    A fit that several methods share has those that are best in the mean of these methods.

    Args:
        tried: The choices of each method.
        fits: What each method starts from.
    """
    chosen: dict[str, Any] = {"fits": {}, "methods": {}}
    for name in dict.fromkeys(fits.values()):
        sharing = [tried[method] for method, fit in fits.items() if fit == name]
        options = min(_distinct(one.fit for one in sharing[0]), key=lambda o: _mean(sharing, o))
        if name is not None:
            chosen["fits"][name] = options
        for method in (method for method, fit in fits.items() if fit == name):
            chosen["methods"][method] = _best(tried[method], options).own
    return chosen


def settings(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Return how the suite must read: the chosen options where they stand in it."""
    fits = {
        label: {
            place: part
            for place, prefix in _PLACES.items()
            if (part := part_of_choice(options, prefix))
        }
        for label, options in chosen["fits"].items()
    }
    methods = {label: {"options": own} for label, own in chosen["methods"].items() if own}
    return {"fits": fits, "methods": methods}


def differences(suite: Suite, chosen: Mapping[str, Any]) -> list[str]:
    """Say where a suite does not read as chosen."""
    data = suite.model_dump()
    return [
        f"{part}.{label}.{place}.{name}: {value}"
        for part, entries in settings(chosen).items()
        for label, places in entries.items()
        for place, options in places.items()
        for name, value in options.items()
        if data[part][label][place].get(name) != value
    ]


def record(grids: Mapping[str, Any], results: Results, fits: Mapping[str, str | None]) -> Any:
    """Return what is kept: what was tried, what came out, and what was chosen."""
    tried = {method: choices(results, method) for method in fits}
    chosen = choose(tried, fits)
    return {
        "command": command("benchmarks.quickstart"),
        **provenance(),
        "seed": SEED,
        "grids": grids,
        "chosen": chosen,
        "edges": {
            method: edges([one.fit | one.own for one in tried[method]], _of(chosen, method, fit))
            for method, fit in fits.items()
        },
        "risks": {method: [one._asdict() for one in own] for method, own in tried.items()},
    }


def table(found: Mapping[str, Any], suite: Suite) -> str:
    """Say what was chosen, and what the shipped suite must read."""
    lines = [f"{method}: among {len(own)} choices" for method, own in found["risks"].items()]
    lines += [f"edge of its grid: {m}: {own}" for m, own in found["edges"].items() if own]
    different = differences(suite, found["chosen"])
    lines += [f"quickstart.yaml must read {one}" for one in different]
    return "\n".join([*lines, *([] if different else ["quickstart.yaml reads as chosen"])])


def _of(chosen: Mapping[str, Any], method: str, fit: str | None) -> dict[str, Any]:
    return {**(chosen["fits"][fit] if fit else {}), **chosen["methods"][method]}


def _best(tried: Iterable[Choice], fit: Mapping[str, Any]) -> Choice:
    return min((one for one in tried if one.fit == fit), key=lambda one: one.risk)


def _mean(sharing: Sequence[Sequence[Choice]], fit: Mapping[str, Any]) -> float:
    return float(np.mean([_best(tried, fit).risk for tried in sharing]))


def _distinct(several: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return list({json.dumps(one): one for one in several}.values())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the suite, or what is left of it, and write down what is best."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quickstart", description=__doc__, allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--jobs", metavar="N", type=int, help="as of tlml bench")
    parser.add_argument(
        "--runs", metavar="DIR", default="runs/quickstart_settings", type=Path,
        help="where cells are made (default: runs/quickstart_settings)",
    )  # fmt: skip
    parser.add_argument("--out", metavar="FILE", default=str(RECORD), help="where the JSON goes")
    options = parser.parse_args(argv)
    provenance()  # of the start
    grids = load_located(GRIDS).data
    suite = tuning_suite(grids)
    if failed := run_suite(plan(suite, default_registry()), options.runs, options.jobs):
        print(f"{len(failed)} cells failed; tlml report {options.runs} says why")
        return 1
    fits = {label: method.fit for label, method in suite.methods.items()}
    found = record(grids, read_results(options.runs), fits)
    write(found, table(found, load_suite("quickstart")), options.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
