"""Which records are older than the code that they measure: by a repository made for it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import check, output, provenance
from benchmarks.provenance import CHANGED, ROOT, git
from benchmarks.records import CLAIMS, Claim

CLAIM = Claim("speed.json", "python -m speed", ("code", "sides.py"))


@pytest.fixture
def commit(tmp_path: Path) -> Callable[..., str]:
    """Return what writes files of the code, commits them and returns the commit."""

    def make(**files: str) -> str:
        (tmp_path / "code").mkdir(exist_ok=True)
        for name, text in files.items():
            (tmp_path / "code" / f"{name}.py").write_text(text)
        git(tmp_path, "add", "-A", "code")
        own = ("-c", "user.name=x", "-c", "user.email=x@example.org")
        git(tmp_path, *own, "commit", "-q", "--allow-empty", "-m", "x")
        return provenance.commit(tmp_path)

    git(tmp_path, "init", "-q")
    return make


@pytest.fixture
def checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, list[str], str]]:
    """Return what checks records: the exit status, the rows without their command, and all."""

    def run(*words: str, **records: Any) -> tuple[int, list[str], str]:
        folder = tmp_path / check.RESULTS
        folder.mkdir(exist_ok=True, parents=True)
        for name, content in records.items():
            (folder / f"{name}.json").write_text(json.dumps(content))
        status = check.main(words, tmp_path, [CLAIM])
        told = capsys.readouterr().out
        rows = told.partition("\n\n")[0].splitlines()[1:]
        return status, [" ".join(row.removesuffix(CLAIM.command).split()) for row in rows], told

    return run


def test_a_record_holds_until_what_it_measures_changes(commit: Any, checked: Any) -> None:
    first = commit(a="1")
    record = {"command": CLAIM.command, "commit": first, "seconds": 1}
    status, rows, told = checked("--strict", speed=record)
    assert (status, rows) == (0, [f"speed.json 1 {first} 0"])
    assert "1 of 1 hold; 0 are older" in told
    commit()  # changes nothing
    assert checked("--strict", speed=record)[:2] == (0, [f"speed.json 1 {first} 0"])
    commit(a="2")
    commit(a="3", b="1")
    commit(a="4")
    found = [f"speed.json 1 {first} 3 code/a.py"]
    assert checked(speed=record)[:2] == (0, found)
    assert checked("--strict", speed=record)[:2] == (1, found)


def test_what_differed_from_its_commit_does_not_hold(commit: Any, checked: Any) -> None:
    record = {"commit": commit(a="1") + CHANGED}
    status, rows, _ = checked("--strict", speed=record)
    assert (status, rows) == (1, [f"speed.json 1 {record['commit']} 0"])
    assert checked(speed=record)[0] == 0


def test_each_commit_of_a_record_has_a_row(commit: Any, checked: Any) -> None:
    old = commit(a="1")
    new = commit(a="2")
    named = {
        "recipe": {"0": {"points": [], "commit": old}, "1": {"points": []}},
        "other": {"0": {"points": [], "commit": new}, "1": {"points": []}},
    }
    rows = [
        f"speed.json 1 {old} 1 code/a.py", "speed.json 2 no commit recorded",
        f"speed.json 1 {new} 0",
    ]  # fmt: skip
    assert checked(speed=named)[:2] == (0, rows)
    listed = [run for runs in named.values() for run in runs.values()]
    assert checked(speed=listed)[:2] == (0, rows)
    cases = {"command": "x", "commit": new, "cases": [{}, {"commit": old}, {}]}
    assert checked(speed=cases)[1] == [rows[2].replace(" 1 ", " 2 "), rows[0]]
    without = {"command": "x", "cases": [{}]}
    assert checked(speed=without)[0] == 0
    assert checked("--strict", speed=without)[0] == 1


def test_what_cannot_be_attributed_fails(commit: Any, checked: Any, tmp_path: Path) -> None:
    commit(a="1")
    status, _, told = checked()
    assert status == 1 and "error: speed.json: is missing; python -m speed makes it" in told
    gone = "0" * 40
    status, _, told = checked(speed={"commit": gone}, stray={})
    assert status == 1
    assert f"error: speed.json: its commit {gone} is not in the history" in told
    assert "error: stray.json: no command makes it; benchmarks/records.py names" in told
    (tmp_path / check.RESULTS / "speed.json").write_text("{")
    assert "error: speed.json: Expecting property name" in checked()[2]


def test_each_record_is_claimed_by_a_command_that_measures_what_is_there() -> None:
    faults = check.look(ROOT, CLAIMS)[1]
    assert [fault for fault in faults if "history" not in fault] == []  # a clone may be shallow
    for claim in CLAIMS:
        module = claim.command.split()[2]
        assert (ROOT / f"{module.replace('.', '/')}.py").exists(), claim
        assert [path for path in claim.measures if not (ROOT / path).exists()] == [], claim
        assert len({*claim.measures}) == len(claim.measures), claim


def test_each_record_names_the_command_that_claims_it() -> None:
    for claim in CLAIMS:
        if ";" not in claim.command:
            module = ROOT / f"{claim.command.split()[2].replace('.', '/')}.py"
            assert f'"{claim.record}"' in module.read_text(), claim


def test_the_check_imports_no_torch() -> None:
    asked = "import benchmarks.check, sys; print({'torch', 'numpy', 'tlml'} & {*sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"


def test_what_is_written_tells_where_it_comes_from(tmp_path: Path) -> None:
    out = tmp_path / "new.json"
    output.write({"ratio": 2, "versions": {"peer": "1"}}, "| table |", str(out))
    found = json.loads(out.read_text())
    own = provenance.provenance()
    assert own is provenance.provenance()  # as it was at the start
    assert found == {**own, "ratio": 2, "versions": {**own["versions"], "peer": "1"}}
    assert {"python", "torch", "tlml"} <= own["versions"].keys()
    assert own["processor"] == provenance.processor() != ""
    assert own["cpu_capability"] == torch.backends.cpu.get_cpu_capability()
    assert own["versions"]["torch"] == torch.__version__
    assert provenance.commit(tmp_path) == ""  # no repository


def test_code_that_differs_from_the_commit_is_told_and_records_are_not(
    commit: Any, tmp_path: Path
) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "page.md").write_text("1")
    first = commit(a="1")
    (tmp_path / "code" / "page.md").write_text("2")
    (tmp_path / "code" / "untracked.py").write_text("2")
    assert provenance.commit(tmp_path) == first
    (tmp_path / "code" / "a.py").write_text("2")
    assert provenance.commit(tmp_path) == first + CHANGED
