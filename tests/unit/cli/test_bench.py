"""``tlml bench`` and ``tlml report``: what is checked, shown, run and returned."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from suite_stubs import EXAMPLE, stub_registry

from tlml.cli import bench as bench_cli
from tlml.cli.bench import main
from tlml.errors import TlmlError
from tlml.suites import Plan

Runs = list[tuple[Plan, Path, int | None]]


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    """Run suites by writing down that they were run, with made-up results."""
    made: Runs = []

    def run_plan(
        plan: Plan, out: Path, jobs: int | None = None, executor: str = "", anew: Any = ()
    ) -> tuple[list[str], dict[str, str]]:
        made.append((plan, out, jobs))
        for cell in plan.adapts:
            if cell.method == "maml":
                continue
            place = out / "cells" / cell.id
            place.mkdir(parents=True, exist_ok=True)
            content = {"id": cell.id, "metric": "accuracy", "higher_is_better": True,
                       "episodes": [0, 1], "scores": [0.5, 0.75]}  # fmt: skip
            (place / "result.json").write_text(json.dumps(content))
        return [cell.id for cell in plan.adapts if cell.method == "maml"], {}

    bench: Any = types.ModuleType("tlml.suites.run")
    bench.run_plan = run_plan
    bench.preview = lambda plan, out, executor: (plan, {})
    monkeypatch.setitem(sys.modules, "tlml.suites.run", bench)
    monkeypatch.setattr(bench_cli, "default_registry", stub_registry)
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(EXAMPLE)
    return made


def error_of(*argv: str) -> str:
    with pytest.raises(TlmlError) as caught:
        main(argv)
    return str(caught.value)


def test_a_dry_run_shows_the_cells_and_writes_nothing(
    runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "mine.yaml", "--dry-run"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "quick: 26 cells into runs/quick, 0 of them done",
        "  waves: fit pre (supervised), seeds 0, 1",
        "  waves: fit maml (maml), seeds 0, 1",
        "  letters14: fit pre (supervised), seeds 0, 1",
        "  letters14: fit maml (maml), seeds 0, 1",
        "  waves: method scratch, shots 5, 10, seeds 0, 1, 100 episodes each",
        "  waves: method full, shots 5, 10, seeds 0, 1, 100 episodes each",
        "  waves: method maml, shots 5, 10, seeds 0, 1, 100 episodes each",
        "  letters14: method scratch, shots 1, seeds 0, 1, 100 episodes each",
        "  letters14: method full, shots 1, seeds 0, 1, 100 episodes each",
        "  letters14: method maml, shots 1, seeds 0, 1, 100 episodes each",
    ]
    assert runs == []
    assert not Path("runs").exists()


def test_a_dry_run_names_what_is_refused(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    text = EXAMPLE.replace("fits:", "  robots: {shots: 1}\nfits:")
    Path("mine.yaml").write_text(text)
    main(["bench", "mine.yaml", "--dry-run"])
    assert capsys.readouterr().out.splitlines()[-1] == (
        "  robots: method maml is not run: domain robots gives no episodes, "
        "which protocol episodes needs"
    )


def test_a_dry_run_as_json_is_the_plan(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    main(["bench", "mine.yaml", "--dry-run", "--json"])
    read = json.loads(capsys.readouterr().out)
    assert (len(read["fits"]), len(read["adapts"])) == (8, 18)
    assert read["adapts"][0]["config"]["domain"] == "waves"


def test_a_run_ends_in_a_report(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.yaml").write_text(EXAMPLE.split("  maml: {fit")[0])
    assert main(["bench", "mine.yaml", "--jobs", "2"]) == 0
    [(plan, out, jobs)] = runs
    assert (plan.name, out, jobs) == ("quick", Path("runs/quick"), 2)
    text = capsys.readouterr().out
    assert "waves, 5 shots: accuracy (higher is better)" in text
    assert (
        "written: runs/quick/report.html, report.md, report.tex, results.json and the plots" in text
    )
    assert {path.name for path in out.iterdir()} == {
        "cells", "plan.json", "results.json", "report.md", "report.html", "report.tex",
        "waves.png", "letters14.png",
    }  # fmt: skip


def test_failed_cells_make_the_status_1(runs: Runs) -> None:
    assert main(["bench", "mine.yaml", "--out", "here"]) == 1
    assert (Path("here") / "report.md").is_file()


def test_the_report_is_printed_again_from_files(
    runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["bench", "mine.yaml"])
    first = capsys.readouterr().out
    assert main(["report", "runs/quick"]) == 0
    assert capsys.readouterr().out == first


@pytest.mark.parametrize("argv", [["bench", "mine.yaml"], ["report", "runs/quick"]])
def test_json_is_all_that_is_printed(
    runs: Runs, capsys: pytest.CaptureFixture[str], argv: list[str]
) -> None:
    main(["bench", "mine.yaml"])
    capsys.readouterr()
    main([*argv, "--json"])
    text = capsys.readouterr().out
    assert text == (Path("runs/quick") / "results.json").read_text()
    assert json.loads(text)["done"] == 12


def test_seeds_are_set_from_the_command_line(runs: Runs) -> None:
    main(["bench", "mine.yaml", "--seeds", "1"])
    assert {cell.seed for cell in runs[0][0].adapts} == {0}


def test_part_of_a_suite_is_run_and_all_of_it_reported(runs: Runs) -> None:
    assert main(["bench", "mine.yaml", "--only", "waves/full", "--only", "letters14/s*"]) == 0
    ran = {(cell.domain, cell.method) for cell in runs[0][0].adapts}
    assert ran == {("waves", "full"), ("letters14", "scratch")}
    read = json.loads((Path("runs/quick") / "results.json").read_text())
    assert (read["planned"], read["done"], read["missing"]) == (18, 6, 12)


def test_a_wrong_command_line_runs_nothing(runs: Runs) -> None:
    assert error_of("bench", "mine.yaml", "--jobs", "0") == "jobs: must be greater than 0, is 0"
    assert error_of("bench", "mine.yaml", "--seeds", "-1") == (
        "seeds: must be greater than 0, is -1"
    )
    assert error_of("bench", "mine.yaml", "--job", "3") == (
        "bench: '--job' is not understood; did you mean --jobs?"
    )
    assert error_of("bench", "mine.yaml", "--only", "nothing") == (
        "only: 'nothing' matches no cell; the domains are waves, letters14 and the methods "
        "scratch, full, maml, both together as DOMAIN/METHOD"
    )
    assert error_of("bench", "mine.yml") == "mine.yml: cannot be read (No such file or directory)"
    assert runs == []
    assert not Path("runs").exists()


def test_a_wrong_suite_runs_nothing(runs: Runs) -> None:
    Path("mine.yaml").write_text(EXAMPLE.replace("view:", "veiw:"))
    assert error_of("bench", "mine.yaml") == (
        "mine.yaml:4: domains.waves: unknown key 'veiw'; did you mean 'view'?"
    )
    assert runs == []
    assert not Path("runs").exists()


def test_a_folder_that_cannot_be_written_to_stops_before_anything_runs(runs: Runs) -> None:
    Path("file").write_text("x")
    assert error_of("bench", "mine.yaml", "--out", "file") == (
        "file: cannot be written (File exists); choose another path"
    )
    assert runs == []


def test_the_folder_of_another_suite_is_left_alone(runs: Runs) -> None:
    main(["bench", "mine.yaml"])
    before = (Path("runs/quick") / "plan.json").read_bytes()
    Path("mine.yaml").write_text(EXAMPLE.replace("name: quick", "name: other"))
    assert error_of("bench", "mine.yaml", "--out", "runs/quick") == (
        "runs/quick: already holds the suite quick; choose another folder for other with --out"
    )
    assert (Path("runs/quick") / "plan.json").read_bytes() == before
    assert len(runs) == 1


def test_help_teaches_and_names_the_suites(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["bench", "--help"])
    text = capsys.readouterr().out
    for words in ("quickstart", "--dry-run", "--only PATTERN", "a killed run goes on"):
        assert words in text


def test_what_is_to_run_anew_is_handed_to_the_run(
    runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "mine.yaml", "--seeds", "1", "--rerun", "waves/full"]) == 1
    capsys.readouterr()
    assert main(["bench", "mine.yaml", "--seeds", "1", "--rerun", "waves/full", "--dry-run"]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first == "quick: 13 cells into runs/quick, 6 of them done, 2 of these are run anew"
    done: list[int] = []
    run_plan = sys.modules["tlml.suites.run"].run_plan

    def look(plan: Plan, out: Path, jobs: Any, executor: str, anew: Any) -> Any:
        places = (out / "cells" / cell.id / "result.json" for cell in anew)
        done.append(sum(place.is_file() for place in places))
        return run_plan(plan, out, jobs, executor, anew)

    sys.modules["tlml.suites.run"].run_plan = look  # type: ignore[attr-defined]
    main(["bench", "mine.yaml", "--seeds", "1", "--rerun", "waves/full"])
    main(["bench", "mine.yaml", "--seeds", "1", "--fresh"])
    main(["bench", "mine.yaml", "--seeds", "1", "--fresh", "--only", "letters14/scratch"])
    assert done == [2, 6, 1]


def test_what_is_to_run_anew_and_where_is_checked_first(runs: Runs) -> None:
    assert error_of("bench", "mine.yaml", "--rerun", "fill").startswith("rerun: 'fill' matches no")
    unknown = error_of("bench", "mine.yaml", "--executor", "lokal")
    assert unknown.startswith("no executor is called 'lokal'; did you mean local?")
    gone = error_of("bench", "mine.yaml", "--backend", "ray")
    assert gone.startswith("bench: '--backend' is not understood")
    assert error_of("bench", "mine.yaml", "--executor", "ray").startswith("no executor is called")
    assert runs == []


def test_a_dry_run_says_that_choices_of_a_fit_are_made_each(
    runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    tune = "tune: {learner.lr: {values: [1, 2, 3]}}"
    Path("mine.yaml").write_text(EXAMPLE.replace("strategy_options: {lr: 0.4}", tune))
    main(["bench", "mine.yaml", "--dry-run"])
    line = "  waves: fit maml (maml), seeds 0, 1, 6 in all: each choice of learner.lr is made"
    assert line in capsys.readouterr().out.splitlines()
