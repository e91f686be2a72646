"""Light commands in processes: what they import, how long they take, how they end."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from distributions import Site, declare, site_on_path
from light import SEA, WAVES

LIGHT = [
    ["--help"],
    ["--version"],
    ["list"],
    ["list", "--json"],
    ["info", "waves"],
    ["info", "estimator", "--json"],
    ["plugins"],
    ["check", "waves", "climber", "step"],
]


NOT_LOADED = (
    "gymnasium lightning matplotlib numpy pandas pydantic pytorch_lightning rich ruamel scipy "
    "sklearn torch torchmetrics torchvision wandb yaml"
).split()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with site_on_path(tmp_path) as site:
        site.install("sea", SEA)
        site.write("sea_waves.py", WAVES)
        yield site


def run(
    argv: Sequence[str], folder: Path, stdout: int = subprocess.PIPE
) -> subprocess.CompletedProcess[str]:
    # Python takes an empty PYTHONUNBUFFERED for none: what is printed is written at the end.
    settings = {"PYTHONPATH": str(folder), "PYTHONWARNINGS": "error", "PYTHONUNBUFFERED": ""}
    environment = {**os.environ, **settings}
    return subprocess.run(
        [sys.executable, "-m", "tlml", *argv],
        env=environment,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
        check=False,
    )


def test_light_commands_load_nothing_heavy(site: Site) -> None:
    """One Python runs them all: `tlml plugins` imports every plugin that is installed."""
    code = f"""
import sys
from tlml.cli import main

for argv in {LIGHT!r}:
    assert main(argv) == 0, argv
    loaded = set({NOT_LOADED!r}) & set(sys.modules)
    assert not loaded, (argv, loaded)
"""
    environment = {**os.environ, "PYTHONPATH": str(site.folder)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=120)


@pytest.mark.parametrize("argv", LIGHT, ids=" ".join)
def test_light_commands_take_under_four_tenths_of_a_cpu_second(site: Site, argv: list[str]) -> None:
    assert any(cpu_seconds(argv, site.folder) < 0.4 for _ in range(3))


def test_the_list_takes_under_two_tenths_of_a_cpu_second(site: Site) -> None:
    # Other programs on the machine make every run dearer, but seldom ten in a row.
    assert any(cpu_seconds(["list"], site.folder) < 0.2 for _ in range(10))


def cpu_seconds(argv: Sequence[str], folder: Path) -> float:
    """What a run takes, with Python's own start."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert run(argv, folder).returncode == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


@pytest.mark.parametrize("argv", LIGHT[:4], ids=" ".join)
def test_a_reader_that_stopped_reading_is_no_error(site: Site, argv: list[str]) -> None:
    site.install("many", declare("domain", *(f"d{i}" for i in range(200))))
    read, write = os.pipe()
    os.close(read)
    try:
        ended = run(argv, site.folder, stdout=write)
    finally:
        os.close(write)
    assert (ended.returncode, ended.stderr) == (141, "")


def test_a_command_line_error_is_one_line_in_a_process(site: Site) -> None:
    ended = run(["check", "waves", "climber", "jmp"], site.folder)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "tlml: no strategy is called 'jmp'; did you mean jump?\n"
