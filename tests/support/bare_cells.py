"""Cells without a configuration, for tests of what runs them."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

from tlml.suites import AdaptCell, FitCell
from tlml.suites.execution.places import Place


def fit(id: str, *after: str) -> FitCell:
    return FitCell(id, id, "d", 0, {"kind": "fit"}, {}, after=after)


def adapt(id: str, *fits: str) -> AdaptCell:
    return AdaptCell(id, "d", "episodes", {"shots": 1}, 0, "m", fits, {"kind": "adapt"}, {})


def published(out: Path, id: str, kind: str = "adapt", **content: Any) -> Place:
    """Write a cell that is done, as an earlier version did: without a hash."""
    place = Place(out, id)
    place.published.mkdir(parents=True, exist_ok=True)
    place.result.write_text(json.dumps({"kind": kind, "id": id, **content}))
    return place


def zipped() -> bytes:
    """Return what passes for a checkpoint."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr(zipfile.ZipInfo("data"), b"0123456789" * 100)  # of no certain time
    return content.getvalue()
