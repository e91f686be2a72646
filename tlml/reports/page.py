"""A report as one HTML page that needs nothing beside it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from tlml.presentation.rows import Block
from tlml.presentation.wording import printable, title
from tlml.reports.pictures import Picture
from tlml.reports.remarks import columns_of, footnotes, remarks
from tlml.reports.summary import Report

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
    source = resources.files("tlml.reports").joinpath(TEMPLATE).read_text(encoding="utf-8")
    return environment.from_string(source).render(
        report=report,
        remarks=remarks(report),
        footnotes=footnotes(report),
        domains=[_domain(report, name, pictures) for name, pictures in drawn.items()],
    )


def _domain(report: Report, name: str, pictures: Sequence[Picture]) -> dict[str, Any]:
    return {
        "name": name,
        "pictures": [
            {"told": one.told, "base64": base64.b64encode(one.png).decode()} for one in pictures
        ],
        "tables": [_table(report, block) for block in report.blocks if block.domain == name],
    }


def _table(report: Report, block: Block) -> dict[str, Any]:
    return {"title": title(block), "columns": columns_of(report, block), "rows": block.rows}


def _printable(value: Any) -> Any:
    return printable(value) if type(value) is str else value  # not Markup, which is done
