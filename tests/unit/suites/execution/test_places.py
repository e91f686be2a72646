"""Where the files of a cell are."""

from __future__ import annotations

from pathlib import Path

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
