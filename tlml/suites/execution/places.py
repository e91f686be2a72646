"""Where the files of a cell are: published, and at work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tlml.suites.results import CELLS, CHECKPOINT, FAILED, NOTE, RESULT, WORK


@dataclass(frozen=True, slots=True)
class Place:
    """The folders of one cell; ``cells/ID`` appears whole, everything else is in ``work/ID``.

    Args:
        out: The suite's folder.
        id: The cell's.
    """

    out: Path
    id: str

    @property
    def published(self) -> Path:
        """The folder of what is done; nothing but `publish` may make it."""
        return self.out / CELLS / self.id

    @property
    def result(self) -> Path:
        """The file that says what came out."""
        return self.published / RESULT

    @property
    def checkpoint(self) -> Path:
        """The learner of a fit that is done."""
        return self.published / CHECKPOINT

    @property
    def work(self) -> Path:
        """The folder of claims, attempts and notes."""
        return self.out / WORK / self.id

    @property
    def claim(self) -> Path:
        """The file that says who is at work."""
        return self.work / "claim"

    @property
    def failed(self) -> Path:
        """The file that says why the last attempt failed."""
        return self.work / FAILED

    @property
    def note(self) -> Path:
        """The file that says how far the running attempt is."""
        return self.work / NOTE

    def attempt(self, token: str) -> Path:
        """Return the private folder of an attempt."""
        return self.work / f"a-{token}"

    def damaged(self, token: str) -> Path:
        """Return where something damaged is set aside."""
        return self.work / f"damaged-{token}"
