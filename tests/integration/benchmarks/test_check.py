"""Which recorded figures hold: records beside the commits of what they measure."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from benchmarks import check, output
from benchmarks.check import RECORDS, SOURCES, Source, looked_at, unclaimed
from benchmarks.provenance import CHANGED, commit, git, processor


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one record and what it measures."""
    for name in ("GIT_AUTHOR", "GIT_COMMITTER"):
        monkeypatch.setenv(f"{name}_NAME", "somebody")
        monkeypatch.setenv(f"{name}_EMAIL", "somebody@example.org")
    monkeypatch.setattr(check, "SOURCES", {"a.json": Source("benchmarks.a", ("code", "more"))})
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    write(tmp_path, "code/one.py", "1")
    write(tmp_path, "other.py", "1")
    write(tmp_path, f"{RECORDS}/a.json", json.dumps({"ratio": 2}))
    return tmp_path


def write(root: Path, path: str, text: str) -> str:
    """Write a file, commit it and return the commit."""
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)
    git(root, "add", path)
    git(root, "commit", "-q", "-m", path)
    return commit(root)


def test_a_record_is_as_old_as_it_says_or_as_the_commit_that_brought_it(root: Path) -> None:
    brought = commit(root)
    found = looked_at(root, "a.json")
    assert found == ("a.json", brought, False, 0, "")
    write(root, "other.py", "2")  # which it does not measure
    assert looked_at(root, "a.json").newer == 0
    first = write(root, "code/one.py", "2")
    second = write(root, "more/two.py", "2")
    found = looked_at(root, "a.json")
    assert (found.newer, found.changed) == (2, "more/two.py")
    told = [{"commit": second}, {"runs": {"0": {"commit": first + CHANGED}}}, {"commit": "gone"}]
    write(root, f"{RECORDS}/a.json", json.dumps(told))
    assert looked_at(root, "a.json") == ("a.json", first, True, 1, "more/two.py")
    assert f"a.json  {first}" in check.table([looked_at(root, "a.json")])


def test_records_of_nobody_and_missing_ones_are_named(root: Path) -> None:
    assert list(unclaimed(root)) == []
    (root / RECORDS / "a.json").rename(root / RECORDS / "b.json")
    assert list(unclaimed(root)) == [
        f"{RECORDS}/b.json: no command is known to make it; name one in benchmarks/check.py",
        f"{RECORDS}/a.json: is missing; python -m benchmarks.a makes it",
    ]


def test_old_records_fail_where_that_is_asked_for(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(check, "ROOT", root)
    check.main([])
    assert "or before" in capsys.readouterr().out
    write(root, "code/one.py", "2")
    check.main([])
    with pytest.raises(SystemExit):
        check.main(["--strict"])


def test_every_record_is_claimed_and_what_it_measures_is_there() -> None:
    assert list(unclaimed(check.ROOT)) == []
    named = [path for one in SOURCES.values() for path in one.measures]
    assert [path for path in named if not (check.ROOT / path).exists()] == []
    for source in SOURCES.values():
        assert (check.ROOT / (source.module.replace(".", "/") + ".py")).is_file(), source.module


def test_what_is_written_tells_where_it_comes_from(tmp_path: Path) -> None:
    output.write({"ratio": 2}, "| table |", str(tmp_path / "new.json"))
    found: dict[str, Any] = json.loads((tmp_path / "new.json").read_text())
    assert found["ratio"] == 2 and found["processor"] == processor() != ""
    assert {"commit", "date"} <= found.keys()
    assert commit(tmp_path) == ""  # no repository
