"""Where the files of a cell are."""

from __future__ import annotations

import re
from pathlib import Path

from places import ROOT

from tlml.suites.execution.places import Place


def test_what_is_done_and_what_is_at_work_are_apart() -> None:
    place = Place(Path("out"), "4f0c")
    assert place.published == Path("out/cells/4f0c")
    assert place.result == Path("out/cells/4f0c/result.json")
    assert place.checkpoint == Path("out/cells/4f0c/last.ckpt")
    at_work = (place.claim, place.failed, place.note, place.attempt("1"), place.damaged("2"))
    assert {path.parent for path in at_work} == {place.work} == {Path("out/work/4f0c")}
    assert [path.name for path in at_work] == [
        "claim", "failed.json", "progress", "a-1", "damaged-2",
    ]  # fmt: skip


def test_nobody_makes_the_folder_of_what_is_done() -> None:
    """A rename onto an empty folder succeeds, so it would take the place of what is published."""
    making = re.compile(r"(published|CELLS / \S+)\)?\.mkdir|make_folder\([^)]*published")
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "tlml").rglob("*.py")]
    assert [source for source in sources if making.search(source)] == []
    assert making.search("place.published.mkdir()")
