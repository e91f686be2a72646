"""What the episodes of a test have in common: tasks, parts of tasks, and draws of blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tlml.views.episode import EpisodeView


def paired(view: EpisodeView, records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return ``tasks``, ``parts``, ``blocks`` and ``resampled`` of a record, where they are known.

    Args:
        view: What was tested on.
        records: Of the learner: one for each episode.
    """
    turns = [view.turn(record["episode"]) for record in records]
    found: dict[str, Any] = {}
    if all(turn is not None for turn in turns):
        found["tasks"] = [turn.task for turn in turns if turn is not None]
        parts = [turn.part for turn in turns if turn is not None and turn.part is not None]
        found |= {"parts": parts} if len(parts) == len(turns) else {}
    for name in ("blocks", "resampled"):
        if all(name in record for record in records):
            found[name] = [record[name] for record in records]
    return found
