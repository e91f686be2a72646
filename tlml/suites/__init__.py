"""Suites: what is compared on what, planned as cells and run side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = [
    "AdaptCell",
    "Description",
    "FitCell",
    "Keys",
    "Meeting",
    "Numbers",
    "Plan",
    "Protocol",
    "Record",
    "Suite",
    "SuiteDomain",
    "SuiteFit",
    "SuiteMethod",
    "Trial",
    "load_suite",
    "plan",
    "read_results",
    "run_suite",
    "shipped",
    "write_plan",
]

if TYPE_CHECKING:
    from tlml.suites.cells import AdaptCell, FitCell, Plan, write_plan
    from tlml.suites.description import Description
    from tlml.suites.load import load_suite, shipped
    from tlml.suites.meeting import Meeting
    from tlml.suites.planner import plan
    from tlml.suites.protocols.base import Keys, Protocol, Trial
    from tlml.suites.results import Record, read_results
    from tlml.suites.run import run_suite
    from tlml.suites.schema import Numbers, Suite, SuiteDomain, SuiteFit, SuiteMethod
else:
    _HOMES = {
        "AdaptCell": "cells",
        "Description": "description",
        "FitCell": "cells",
        "Keys": "protocols.base",
        "Meeting": "meeting",
        "Numbers": "schema",
        "Plan": "cells",
        "Protocol": "protocols.base",
        "Record": "results",
        "Suite": "schema",
        "SuiteDomain": "schema",
        "SuiteFit": "schema",
        "SuiteMethod": "schema",
        "Trial": "protocols.base",
        "load_suite": "load",
        "plan": "planner",
        "read_results": "results",
        "run_suite": "run",
        "shipped": "load",
        "write_plan": "cells",
    }

    def __getattr__(name: str) -> object:
        """Import the home of a public name and return it."""
        if name not in _HOMES:
            raise AttributeError(f"module 'tlml.suites' has no attribute '{name}'")
        from importlib import import_module

        return getattr(import_module(f"tlml.suites.{_HOMES[name]}"), name)

    def __dir__() -> list[str]:
        """The public names, imported or not."""
        return sorted({*globals(), *__all__})
