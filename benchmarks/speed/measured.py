"""What came out of a case, as lines of a table and as plain data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from benchmarks.speed.sides import LEARN2LEARN, PLAIN
from benchmarks.speed.timing import Ratio, Time

HEADINGS = (
    "case", "tlml", "ms", "steps/s", "plain ms", "learn2learn ms",
    "against plain", "against learn2learn", "MiB, of learn2learn's",
)  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """One case.

    Args:
        case: Its name.
        rounds: How many there were.
        gradient_error: The largest distance from the loop's gradient, as a share of its norm.
        times: Medians by side.
        steps_per_second: Outer steps per second of CPU time, by side.
        ratios: By variant of tlml, and whom it is held against; above 1 tlml is faster.
        peak_mib: Peak memory over base by side, where measured.
    """

    case: str
    rounds: int
    gradient_error: float
    times: dict[str, Time]
    steps_per_second: dict[str, float]
    ratios: dict[str, dict[str, Ratio]]
    peak_mib: dict[str, float]

    def rows(self) -> Iterator[tuple[str, ...]]:
        """Yield a row for each variant."""
        others = [f"{self.times[n].cpu_ms:.1f}" if n in self.times else "" for n in _OTHERS]
        for variant, ratios in self.ratios.items():
            yield (
                self.case, variant, f"{self.times[variant].cpu_ms:.1f}",
                f"{self.steps_per_second[variant]:.4g}", *others,
                *(_ratio(ratios.get(other)) for other in _OTHERS), self._memory(variant),
            )  # fmt: skip

    def _memory(self, variant: str) -> str:
        if variant not in self.peak_mib:
            return ""
        mib, theirs = self.peak_mib[variant], self.peak_mib.get(LEARN2LEARN)
        return f"{mib:.0f}" + (f", {mib / theirs:.2f}" if theirs else "")


def markdown(found: Iterable[Measured]) -> str:
    """Return the table of all cases."""
    lines = [HEADINGS, ("---", "---", *["--:"] * (len(HEADINGS) - 2))]
    rows = [row for one in found for row in one.rows()]
    return "\n".join(f"| {' | '.join(line)} |" for line in [*lines, *rows]) + "\n"


def of_peers(found: Iterable[Measured]) -> str:
    """Return the table of what else each case was held against."""
    lines = [
        ("case", "tlml", "peer", "ms", "peer's ms", "times as fast"),
        ("---",) * 3 + ("--:",) * 3,
    ]
    for one in found:
        for variant, ratios in one.ratios.items():
            lines += [
                (one.case, variant, peer, f"{one.times[variant].cpu_ms:.2f}",
                 f"{one.times[peer].cpu_ms:.2f}", _ratio(ratio))
                for peer, ratio in ratios.items() if peer not in _OTHERS
            ]  # fmt: skip
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


_OTHERS = (PLAIN, LEARN2LEARN)


def _ratio(ratio: Ratio | None) -> str:
    if ratio is None:
        return ""
    low, high = ratio.quartiles
    return f"{ratio.median:.2f} ({low:.2f} to {high:.2f})"
