"""A report as one HTML page that needs nothing beside it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from tlml.presentation.wording import printable
from tlml.reports.remarks import footnotes, remarks
from tlml.reports.scene import Picture
from tlml.reports.summary import Report
from tlml.reports.tables import sections

TEMPLATE = "page.html.jinja"


def to_html(report: Report, drawn: Mapping[str, Sequence[Picture]]) -> str:
    """Return the page.

    Args:
        report: What it says.
        drawn: Pictures by domain; they are put into the page itself.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True, finalize=_printable,
    )  # fmt: skip
    environment.filters["base64"] = lambda data: base64.b64encode(data).decode()
    source = resources.files("tlml.reports").joinpath(TEMPLATE).read_text(encoding="utf-8")
    return environment.from_string(source).render(
        report=report,
        remarks=remarks(report),
        sections=list(sections(report)),
        drawn=drawn,
        footnotes=footnotes(report),
    )


def _printable(value: Any) -> Any:
    return printable(value) if type(value) is str else value  # not Markup, which is done
