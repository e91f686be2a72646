"""Suites: what is compared on what, planned as cells and run side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlml.lazy_names import lazy_names

__all__ = [
    "AdaptCell",
    "Description",
    "Executor",
    "FitCell",
    "Job",
    "Keys",
    "Meeting",
    "Numbers",
    "Outcome",
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
    "shipped_suites",
    "write_plan",
]

if TYPE_CHECKING:
    from tlml.suites.cells import AdaptCell, FitCell, Plan, write_plan
    from tlml.suites.description import Description
    from tlml.suites.executors.base import Executor, Job, Outcome
    from tlml.suites.load import load_suite, shipped_suites
    from tlml.suites.meeting import Meeting
    from tlml.suites.planner import plan
    from tlml.suites.protocols.base import Keys, Protocol, Trial
    from tlml.suites.results import Record, read_results
    from tlml.suites.run import run_suite
    from tlml.suites.schema import Numbers, Suite, SuiteDomain, SuiteFit, SuiteMethod
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "cells": "AdaptCell FitCell Plan write_plan",
            "description": "Description",
            "executors.base": "Executor Job Outcome",
            "protocols.base": "Keys Protocol Trial",
            "meeting": "Meeting",
            "schema": "Numbers Suite SuiteDomain SuiteFit SuiteMethod",
            "results": "Record read_results",
            "load": "load_suite shipped_suites",
            "planner": "plan",
            "run": "run_suite",
        },
    )
