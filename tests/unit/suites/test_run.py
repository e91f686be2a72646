"""A suite is run by an executor, which is asked for nothing that is done."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from bare_cells import published
from planned import planned

from tlml.errors import TlmlError
from tlml.registry import Registry
from tlml.suites import run
from tlml.suites.execution import data_state
from tlml.suites.executors.base import Job, Outcome
from tlml.suites.run import preview, run_plan, run_suite


@dataclass
class Writing:
    """An executor that does a cell by writing an empty result."""

    out: Path
    slots: int = 2
    checks: list[Outcome] = field(default_factory=list)
    data: dict[str, str] = field(default_factory=dict)
    jobs: list[Job] = field(default_factory=list)
    begun: list[str] = field(default_factory=list)
    closed: bool = False

    def submit(self, job: Job) -> None:
        self.jobs.append(job)
        self.begun.append(job.id)

    def wait(self, timeout: float) -> Iterable[tuple[Job, Outcome]]:
        jobs, self.jobs = self.jobs, []
        return [(job, self._do(job)) for job in jobs]

    def close(self) -> None:
        self.closed = True

    def _do(self, job: Job) -> Outcome:
        if job.id == "check":
            return self.checks.pop(0) if self.checks else Outcome("done")
        if job.id == "data":
            return Outcome("done", found=self.data)
        published(self.out, job.id)
        return Outcome("done")


@pytest.fixture
def executor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Writing:
    made = Writing(tmp_path)

    def make(slots: int) -> Writing:
        made.slots = slots
        return made

    monkeypatch.setattr(run, "find_executor", lambda name: make)
    return made


def test_each_cell_is_done_once_after_one_check(
    tmp_path: Path, registry: Registry, executor: Writing
) -> None:
    plan = planned(registry)
    assert run_suite(plan, tmp_path, jobs=3) == []
    assert executor.begun[0] == "check"
    assert sorted(executor.begun[1:]) == sorted(cell.id for cell in plan.distinct())
    assert executor.slots == 3 and executor.closed
    assert (tmp_path / "plan.json").is_file()


def test_what_is_done_is_not_asked_for(
    tmp_path: Path, registry: Registry, executor: Writing
) -> None:
    plan = planned(registry)
    for cell in plan.distinct()[1:]:
        published(tmp_path, cell.id)
    run_suite(plan, tmp_path, jobs=3)
    assert executor.begun == ["check", plan.distinct()[0].id]
    assert executor.slots == 1
    executor.begun.clear()
    assert run_suite(plan, tmp_path, jobs=3) == []
    assert executor.begun == []


def test_wrong_values_stop_all_before_the_first_cell(
    tmp_path: Path, registry: Registry, executor: Writing
) -> None:
    executor.checks = [Outcome("failed", "waves, maml: lr: must be greater than 0, is -1.0")]
    with pytest.raises(TlmlError, match=r"^nothing was run: waves, maml: lr: must be greater"):
        run_suite(planned(registry), tmp_path)
    assert executor.begun == ["check"] and executor.closed


def test_a_check_whose_process_dies_is_tried_three_times(
    tmp_path: Path, registry: Registry, executor: Writing
) -> None:
    dies = Outcome("gone", "killed by SIGKILL")
    executor.checks = [dies, dies]
    assert run_suite(planned(registry), tmp_path) == []
    executor.checks = [dies] * 3
    (tmp_path / "cells").rename(tmp_path / "before")
    with pytest.raises(TlmlError, match=r"^nothing was run: its check was killed by SIGKILL$"):
        run_suite(planned(registry), tmp_path)


def test_what_was_made_of_other_data_is_done_anew_and_a_line_says_so(
    tmp_path: Path, registry: Registry, executor: Writing, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = planned(registry, domains={"waves": {"shots": [5]}})
    for cell in plan.distinct():
        state = {"fingerprint": "old"} if cell.config["kind"] == "fit" else {}
        published(tmp_path, cell.id, cell.config["kind"], **state).checkpoint.write_text("")
    run_suite(plan, tmp_path, jobs=1)
    assert executor.begun == ["data"] and "anew" not in capsys.readouterr().err
    executor.begun.clear()
    (tell,) = {data_state._source(cell.config) for cell in plan.distinct()}
    executor.data = {tell: "new"}
    run_suite(plan, tmp_path, jobs=1)
    assert executor.begun[:2] == ["data", "check"]
    # What starts from a fit is of the same data, though it says nothing of it.
    old = [*plan.fits, *(cell for cell in plan.adapts if cell.fits)]
    assert sorted(executor.begun[2:]) == sorted(cell.id for cell in old)
    said = f"the data of waves has changed: {len(old)} cells are run anew"
    assert said in capsys.readouterr().err


def test_nothing_is_forgotten_before_it_is_known_that_something_can_be_run(
    tmp_path: Path, registry: Registry, executor: Writing, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = planned(registry).only(["waves/scratch"])
    for cell in plan.distinct():
        published(tmp_path, cell.id, fingerprint="old")
    executor.data = {data_state._source(plan.adapts[0].config): "new"}
    for anew in (plan.adapts, ()):
        executor.checks = [Outcome("failed", "no such network")]
        with pytest.raises(TlmlError, match="no such network"):
            run_plan(plan, tmp_path, anew=anew)
        assert len([*tmp_path.glob("cells/*/result.json")]) == len(plan.adapts)
    assert "anew" not in capsys.readouterr().err
    executor.begun.clear()
    assert run_plan(plan, tmp_path, anew=plan.adapts).failed == []
    assert sorted(executor.begun[1:]) == sorted(cell.id for cell in plan.adapts)


def test_what_is_refused_is_left_out_with_all_that_starts_from_it(
    tmp_path: Path, registry: Registry, executor: Writing
) -> None:
    plan = planned(registry)
    fit = next(cell for cell in plan.fits if cell.domain == "waves" and cell.name == "maml")
    ids = {cell.id for cell in plan.fits if (cell.domain, cell.name) == ("waves", "maml")}
    executor.checks = [Outcome("done", found={fit.id: "too many ways"})]
    ran = run_plan(plan, tmp_path)
    left = [cell for cell in plan.adapts if (cell.domain, cell.method) != ("waves", "maml")]
    assert (ran.failed, set(ran.refused)) == ([], ids)
    assert {*executor.begun} - {"check"} == {cell.id for cell in left} | {
        cell.id for cell in plan.fits if cell.id not in ids
    }
    written = json.loads((tmp_path / "plan.json").read_text())
    assert written["refused"] == [
        {"domain": "waves", "name": "maml", "reason": "fit maml: too many ways", "protocol": "",
         "at": "", "kind": "method"}
    ]  # fmt: skip
    shown, unread = preview(plan, tmp_path)
    assert shown == plan and unread == {}  # nothing more was found


def test_of_a_suite_of_which_nothing_is_left_nothing_is_run(
    tmp_path: Path, registry: Registry, executor: Writing
) -> None:
    plan = planned(registry).only(["scratch"])
    executor.checks = [Outcome("done", found={cell.id: "no" for cell in plan.adapts})]
    with pytest.raises(TlmlError, match=r"^suite quick: nothing in it can be run: no$"):
        run_suite(plan, tmp_path)
    assert executor.begun == ["check"]


def test_missing_data_stops_a_run_and_a_preview_tells_it(
    tmp_path: Path, registry: Registry, executor: Writing
) -> None:
    missing = Outcome("done", found={"unread waves": "no such folder"})
    executor.checks = [missing, missing]
    with pytest.raises(TlmlError, match=r"^nothing was run: waves: no such folder$"):
        run_suite(planned(registry), tmp_path)
    shown, unread = preview(planned(registry), tmp_path / "new")
    assert shown == planned(registry) and unread == {"waves": "no such folder"}
    assert not (tmp_path / "new").exists()


def test_a_preview_downloads_nothing(tmp_path: Path, registry: Registry, executor: Writing) -> None:
    plan = planned(registry)
    for cell in plan.distinct():
        cell.config["domain_options"]["download"] = True
    assert preview(plan, tmp_path) == (plan, {})
    assert executor.begun == []


def test_jobs_and_executors_are_checked(tmp_path: Path, registry: Registry) -> None:
    with pytest.raises(TlmlError, match="jobs: must be greater than 0, is 0"):
        run_suite(planned(registry), tmp_path, jobs=0)
    with pytest.raises(TlmlError, match="no executor is called 'lokal'; did you mean local"):
        run_suite(planned(registry), tmp_path, executor="lokal")
