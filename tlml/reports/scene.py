"""What a picture of a report is drawn from, and what comes out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tlml.errors import TlmlError
from tlml.presentation.rows import Block
from tlml.reports.summary import Report
from tlml.suites.description import Description
from tlml.suites.results import Planned
from tlml.suites.schema import LABEL


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as a PNG, and how its file is called.

    Args:
        name: Of the file, without ``.png``.
        told: What it shows, for those who don't see it.
        png: The file.
        protocol: What it is about.
    """

    name: str
    told: str
    png: bytes
    protocol: str


@dataclass(frozen=True, slots=True)
class Scene:
    """One domain under one protocol.

    Args:
        report: The whole report.
        plan: What was planned.
        folder: The suite's, for what lies beside the results.
        domain: The domain's label.
        protocol: The protocol's name.
    """

    report: Report
    plan: Planned
    folder: Path
    domain: str
    protocol: str

    @property
    def shown(self) -> Description:
        """How the protocol is shown."""
        return self.report.protocols[self.protocol]

    @property
    def blocks(self) -> list[Block]:
        """The blocks of the domain and protocol, by rising place."""
        own = (self.domain, self.protocol)
        return [block for block in self.report.blocks if (block.domain, block.protocol) == own]

    @property
    def scores(self) -> list[dict[str, Any]]:
        """All that was measured there."""
        own = (self.domain, self.protocol)
        return [row for row in self.report.scores if (row["domain"], row["protocol"]) == own]

    def picture(self, name: str, told: str, png: bytes) -> Picture:
        """Return a picture of this protocol.

        Raises:
            TlmlError: The name, which a foreign folder may have a part in, is none of a file.
        """
        if not re.fullmatch(LABEL, name):
            raise TlmlError(
                f"{self.folder}: no picture can be called '{name}.png'; names of domains, "
                "strategies and options are letters, digits, '_', '-' and '.'"
            )
        return Picture(name, told, png, self.protocol)
