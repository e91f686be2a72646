"""Plans of a suite of stubs."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from typing import Any

import yaml
from suite_stubs import EXAMPLE

from tlml.registry import Registry
from tlml.suites import Plan, Suite, plan


def example(**changes: Any) -> dict[str, Any]:
    """Return the example as plain data, with parts exchanged."""
    return {**deepcopy(_data()), **changes}


@cache
def _data() -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(EXAMPLE.replace("1e-3", "0.001"))
    return data


def planned(registry: Registry, **changes: Any) -> Plan:
    return plan(Suite.model_validate(example(**changes)), registry)


def only_fit(registry: Registry, fit: dict[str, Any], **changes: Any) -> Any:
    """Return the one fit of a suite of one method on one domain with one seed."""
    made = planned(
        registry,
        seeds=1,
        domains={"waves": {"shots": 5}},
        fits={"f": fit},
        methods={"m": {"fit": "f", "strategy": "sgd"}},
        **changes,
    )
    return made.fits[0]


ALIGNED = {
    "learner": "supervised", "strategy": "mmd", "strategy_options": {"weight": 1.0},
    "view": {"unlabelled": True},
}  # fmt: skip
