"""Reports: tables, plots and a page of a suite's results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlml.lazy_names import lazy_names

__all__ = ["Report", "print_report", "report", "to_json"]

if TYPE_CHECKING:
    from tlml.reports.results_json import to_json
    from tlml.reports.summary import Report
    from tlml.reports.terminal import print_report
    from tlml.reports.write import report
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "summary": "Report",
            "terminal": "print_report",
            "write": "report",
            "results_json": "to_json",
        },
    )
