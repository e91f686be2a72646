"""Reports: tables, plots and a page of a suite's results."""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["Report", "print_report", "report", "to_json"]

if TYPE_CHECKING:
    from tlml.reports.results_json import to_json
    from tlml.reports.summary import Report
    from tlml.reports.terminal import print_report
    from tlml.reports.write import report
else:
    _HOMES = {
        "Report": "summary",
        "print_report": "terminal",
        "report": "write",
        "to_json": "results_json",
    }

    def __getattr__(name: str) -> object:
        """Import the home of a public name and return it."""
        if name not in _HOMES:
            raise AttributeError(f"module 'tlml.reports' has no attribute '{name}'")
        from importlib import import_module

        return getattr(import_module(f"tlml.reports.{_HOMES[name]}"), name)

    def __dir__() -> list[str]:
        """The public names, imported or not."""
        return sorted({*globals(), *__all__})
