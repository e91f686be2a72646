"""Suites in processes: killed, they go on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_suite import planned, results, scores

from tlml.suites import Plan, run_suite


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Plan, Path]]:
    folder = tmp_path_factory.mktemp("waves")
    made = planned(folder)
    assert run_suite(made, folder / "out", jobs=1) == []
    yield made, folder / "out"


def test_a_killed_run_goes_on_to_the_same_scores(done: tuple[Plan, Path], tmp_path: Path) -> None:
    made, out = done
    planned(tmp_path)
    again = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "-m", "tlml", "bench", "suite.yaml", "--out", "out", "--jobs", "2"],
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        for _ in range(600):
            if results(again) or process.poll() is not None:
                break
            time.sleep(0.1)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    kept = results(again)
    assert 0 < len(kept) < len(results(out))
    assert run_suite(made, again, jobs=1) == []
    assert scores(again) == scores(out)
    assert {id: found for id, found in results(again).items() if id in kept} == kept
