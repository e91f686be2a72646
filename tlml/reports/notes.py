"""What a reader must know of a row, in words that the footnotes explain."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from tlml.suites.results import Record

TRANSDUCTIVE = "batch statistics (transductive)"
USES_QUERIES = "uses the queries' inputs (transductive)"
CHOSEN_BY = "options chosen by"
BEST_OF = "best of"
EDGE = "is the edge of its grid"
NEGATIVE = "negative transfer"


def unequal_budgets(records: Iterable[Record]) -> bool:
    """Return whether methods of a block were tuned among different numbers of choices."""
    return len({record.choices for record in records}) > 1


def notes_on(records: Iterable[Record], unit: str, unequal: bool) -> Iterator[str]:
    """Yield the notes on what was measured of one method.

    Args:
        records: Of its seeds.
        unit: What a paired unit is called, such as ``episode``.
        unequal: Other methods were tuned among other numbers of choices.
    """
    records = list(records)
    for chosen_by in dict.fromkeys(record.chosen_by for record in records):
        if chosen_by:
            yield f"{CHOSEN_BY} {chosen_by}"
    choices = max((record.choices for record in records), default=0)
    if unequal and choices:
        yield f"{BEST_OF} {choices} choices"
    yield from _edges(records)
    if any(record.batchnorm == "batch" for record in records):
        yield TRANSDUCTIVE
    elif any(record.transductive for record in records):
        yield USES_QUERIES
    scores = [score for record in records for score in record.scores]
    if lost := sum(not math.isfinite(score) for score in scores):
        yield f"{lost} of {len(scores)} {unit}s diverged"


def _edges(records: Sequence[Record]) -> Iterator[str]:
    """Tell chosen values beyond which better ones may lie."""
    chosen = (record.edges.items() for record in records)
    found = Counter((name, value) for own in chosen for name, values in own for value in values)
    for (name, value), seeds in sorted(found.items()):
        part = "" if seeds == len(records) else f" in {seeds} of {len(records)} seeds"
        yield f"{name}={value:g} {EDGE}{part}"
