"""Suites in processes: killed, stopped and doubled, they come to the same."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import Command
from slow_cells import bench, number_of_done, owners, tokens

from benchmarks.stress.runs import content
from tlml.suites.execution.owners import Owner
from tlml.suites.executors.local import _PRELOAD

CELLS = 6


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of one command with one job, which was left alone."""
    folder = tmp_path_factory.mktemp("right")
    status, said = bench(folder, 1).end()
    assert status == 0, said
    assert number_of_done(folder / "out") == CELLS
    return folder / "out"


@pytest.fixture(scope="module")
def right(done: Path) -> dict[str, Any]:
    """Return what it comes to."""
    return content(done)


@pytest.fixture(autouse=True)
def short_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take who is silent for some seconds for dead; no command is so slow to show that it lives."""
    monkeypatch.setenv("TLML_LEASE", "12")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Return the folder of all commands of a test."""
    return tmp_path / "out"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Any]:
    """Return what starts commands on one folder, and leaves none."""
    made: list[Command] = []

    def begin(jobs: int) -> Command:
        made.append(bench(tmp_path, jobs))
        return made[-1]

    yield begin
    for command in made:
        command.kill()


def gone_within(workers: list[Owner], seconds: float) -> bool:
    """Wait until processes have ended, though nobody may have asked yet how they did."""
    until = time.monotonic() + seconds
    while not all(worker.is_gone() for worker in workers) and time.monotonic() < until:
        time.sleep(0.02)
    return all(worker.is_gone() for worker in workers)


def test_workers_end_with_a_killed_command_and_the_next_goes_on(
    start: Any, out: Path, right: dict[str, Any]
) -> None:
    command = start(2)
    command.wait_for(lambda: len(owners(out)) == 2 and number_of_done(out))
    workers, before = owners(out), tokens(out)
    command.send(signal.SIGKILL)
    assert gone_within(workers, 5)
    assert 0 < len(before) < CELLS
    status, said = start(2).end()
    assert status == 0, said
    assert content(out) == right
    assert {id: token for id, token in tokens(out).items() if id in before} == before
    assert not (out / "work").exists()


@pytest.mark.parametrize(
    ("jobs", "number", "status", "word"),
    [(2, signal.SIGTERM, 143, "terminated"), (1, signal.SIGTERM, 143, "terminated"),
     (1, signal.SIGINT, 130, "interrupted")],
)  # fmt: skip
def test_a_stopped_command_says_so_and_goes_on(
    start: Any, out: Path, right: dict[str, Any], jobs: int, number: int, status: int, word: str
) -> None:
    command = start(jobs)
    command.wait_for(lambda: number_of_done(out) and owners(out))
    workers = owners(out) if jobs > 1 else []
    command.send(number)
    found, said = command.end()
    assert (found, said.strip()) == (status, f"tlml: {word}; the same command goes on")
    assert gone_within(workers, 5)
    assert 0 < number_of_done(out) < CELLS
    if number == signal.SIGINT:
        assert start(2).end()[0] == 0
        assert content(out) == right


def test_a_killed_worker_is_replaced(start: Any, out: Path, right: dict[str, Any]) -> None:
    command = start(2)
    command.wait_for(lambda: owners(out))
    os.kill(owners(out)[0].pid, signal.SIGKILL)
    status, said = command.end()
    assert status == 0, said
    assert content(out) == right


def test_two_commands_share_the_cells_of_a_folder(
    start: Any, out: Path, right: dict[str, Any]
) -> None:
    first, second = start(1), start(1)
    for command in (first, second):
        status, said = command.end()
        assert status == 0, said
        assert f"{CELLS - 2} of {CELLS - 2} results are there" in said
    assert content(out) == right
    assert not (out / "work").exists()


def test_a_command_that_was_stopped_and_continued_changes_nothing(
    start: Any, out: Path, right: dict[str, Any]
) -> None:
    """The second follows the first once it is taken for dead; then the first wakes up."""
    first = start(1)
    first.wait_for(lambda: owners(out))
    first.send(signal.SIGSTOP)
    # Another computer can't see that the process is there: only its silence tells.
    second = start(1)
    status, said = second.end()
    assert status == 0, said
    published = tokens(out)
    first.send(signal.SIGCONT)
    status, said = first.end()
    assert status == 0, said
    assert content(out) == right
    assert tokens(out) == published


def test_cells_are_run_anew_on_demand(done: Path, right: dict[str, Any], out: Path) -> None:
    """Here nothing is forked off the tests: the command imports for itself, as a user's does."""
    shutil.copytree(done.parent, out.parent, dirs_exist_ok=True)
    before = tokens(out)
    words = "-m tlml bench suite.yaml --out out --jobs 2 --rerun scratch"
    subprocess.run([sys.executable, *words.split()], cwd=out.parent, check=True)
    after = tokens(out)
    assert sum(before[id] != after[id] for id in before) == 2
    assert content(out) == right


def test_what_workers_are_forked_off_brings_no_plugin_no_thread_and_no_cuda() -> None:
    """A fork keeps no thread, and breaks CUDA."""
    asks = (
        f"import {_PRELOAD}, sys, threading, torch; "
        "print(threading.active_count(), torch.cuda.is_initialized(), "
        "[name for name in sys.modules if name.startswith('tlml_')])"
    )
    found = subprocess.run([sys.executable, "-c", asks], capture_output=True, text=True, check=True)
    assert found.stdout.split(maxsplit=2) == ["1", "False", "[]\n"]
