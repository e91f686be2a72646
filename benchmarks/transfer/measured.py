"""What came out of a case, as a line of a table and as plain data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.speed.timing import Ratio, Time
from benchmarks.transfer.sides import SKADA, TLML

HEADINGS = ("data", "method", "accuracy", "skada's", "ms", "skada's ms", "times as fast")


@dataclass(frozen=True)
class Measured:
    """One case.

    Args:
        data: The arrays' name.
        method: The method's.
        rounds: How often it was timed.
        accuracy: On the queries, by side.
        times: Medians by side.
        ratio: How many times as fast as the peer tlml is.
    """

    data: str
    method: str
    rounds: int
    accuracy: dict[str, float]
    times: dict[str, Time]
    ratio: Ratio

    def row(self) -> tuple[str, ...]:
        """Return the line of the table."""
        low, high = self.ratio.quartiles
        return (
            self.data, self.method,
            *(f"{self.accuracy[side]:.3f}" for side in (TLML, SKADA)),
            *(f"{self.times[side].cpu_ms:.1f}" for side in (TLML, SKADA)),
            f"{self.ratio.median:.2f} ({low:.2f} to {high:.2f})",
        )  # fmt: skip


def markdown(found: Iterable[Measured]) -> str:
    """Return the table of all cases."""
    lines = [HEADINGS, ("---", "---", *["--:"] * (len(HEADINGS) - 2))]
    return (
        "\n".join(f"| {' | '.join(line)} |" for line in [*lines, *(f.row() for f in found)]) + "\n"
    )
