"""Commands that are killed, stopped and doubled at random moments, and what they come to.

Each try does one such thing to a run, then types the same command again, and holds if that ends
well with what an undisturbed run with one job comes to: every result without its seconds, every
tensor of every checkpoint.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.stress.tally import Tally

SUITE = """
name: stress
seeds: 2
episodes: 20
domains:
  sinusoid: {shots: [5], view: {queries: 5}, learner: {network: mlp}}
fits:
  pretrained: {learner: supervised, view: {batch_size: 8, samples: 1500}}
methods:
  scratch: {strategy: scratch, options: {steps: 20}}
  full: {fit: pretrained, strategy: full, options: {steps: 20}}
trainer: {max_epochs: 2}
"""
LONGEST = 300  # seconds after which a command hangs

Act = Callable[["Run"], None]


class Run:
    """A command in a folder that others may use, too.

    Args:
        out: The suite's folder.
        jobs: Cells at a time.
        suite: The file of the suite; that beside `out` where None.
    """

    def __init__(self, out: Path, jobs: int, suite: Path | None = None) -> None:
        self.out, self.jobs = out, jobs
        file = suite or out.parent / "suite.yaml"
        words = ["bench", str(file), "--out", str(out), "--jobs", str(jobs)]
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 as long as this
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tlml", *words],
            stdout=self._said, stderr=subprocess.STDOUT, start_new_session=True,
            preexec_fn=_hear_interrupts,
        )  # fmt: skip

    def said(self) -> str:
        """Return what it wrote."""
        self._said.seek(0)
        return self._said.read().decode(errors="replace")

    def end(self) -> int:
        """Return the exit status; a command that hangs is killed and has none that is good."""
        try:
            return self.process.wait(LONGEST)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            return self.process.wait()

    def reach(self, rng: random.Random) -> None:
        """Wait for a random moment between the first cell and the end."""
        while self.process.poll() is None and not list(self.out.glob("work/*/claim")):
            time.sleep(0.02)
        until = time.monotonic() + rng.uniform(0, 6)
        while self.process.poll() is None and time.monotonic() < until:
            time.sleep(0.01)

    def send(self, number: int, pid: int | None = None) -> None:
        """Send a signal to the command itself, or to one of its workers."""
        with suppress(ProcessLookupError):
            os.kill(pid or self.process.pid, number)


def stop_by(number: int, rng: random.Random, run: Run) -> None:
    run.reach(rng)
    run.send(number)
    run.end()


def kill_worker(rng: random.Random, run: Run) -> None:
    run.reach(rng)
    if run.jobs > 1:  # else the command itself is at work
        for pid in _owners(run.out)[:1]:
            run.send(signal.SIGKILL, pid)
    run.end()


def double(rng: random.Random, run: Run) -> None:
    other = Run(run.out, rng.choice((1, 2)))
    run.end()
    other.end()


def retype_at_once(rng: random.Random, run: Run) -> None:
    run.reach(rng)
    run.send(signal.SIGTERM)
    Run(run.out, run.jobs).end()
    run.end()


def stop_and_continue(rng: random.Random, run: Run) -> None:
    """Another command follows who is silent for the lease, or waits if that wakes up before."""
    run.reach(rng)
    run.send(signal.SIGSTOP)
    other = Run(run.out, 1)
    with suppress(subprocess.TimeoutExpired):
        other.process.wait(rng.choice((15, 100)))
    run.send(signal.SIGCONT)
    run.end()
    other.end()


def damage(rng: random.Random, run: Run) -> None:
    run.end()
    for path in rng.sample(sorted(run.out.glob("cells/*/*")), 3):
        content = path.read_bytes()
        torn = rng.choice((b"", content[: len(content) // 2], None))
        if torn is None:
            path.unlink()
        else:
            path.write_bytes(torn)
    # What starts from a damaged fit is to be made anew, else nobody reads that.
    for path in run.out.glob("cells/*/result.json"):
        with suppress(ValueError):
            if json.loads(path.read_bytes()).get("fits"):
                path.unlink()


def acts(rng: random.Random) -> dict[str, Act]:
    """Return what can be done to a run, by name."""
    return {
        "SIGKILL": partial(stop_by, signal.SIGKILL, rng),
        "SIGTERM": partial(stop_by, signal.SIGTERM, rng),
        "SIGINT": partial(stop_by, signal.SIGINT, rng),
        "worker killed": partial(kill_worker, rng),
        "doubled": partial(double, rng),
        "stopped, typed again": partial(retype_at_once, rng),
        "SIGSTOP, SIGCONT": partial(stop_and_continue, rng),
        "damaged": partial(damage, rng),
    }


def content(out: Path) -> dict[str, Any]:
    """Return all results without their seconds, and the tensors of all checkpoints."""
    found = {}
    for path in sorted(out.glob("cells/*/result.json")):
        checkpoint = path.with_name("last.ckpt")
        state = torch.load(checkpoint, weights_only=True) if checkpoint.is_file() else {}
        tensors = {name: value.tolist() for name, value in state.get("state_dict", {}).items()}
        found[path.parent.name] = (_timeless(json.loads(path.read_text())), tensors)
    return found


def disturb_runs(folder: Path, rng: random.Random, tally: Tally, seconds: float) -> None:
    """Try in turn what can be done to a run, for some seconds."""
    right, until, turn = undisturbed(folder), time.monotonic() + seconds, 0
    while time.monotonic() < until:
        for name, act in acts(rng).items():
            out, jobs = folder / f"out{turn}", 1 + turn % 2
            run = Run(out, jobs)
            act(run)
            wrong = _wrong_of(run) or heal(out, jobs, right)
            tally.count(f"{name}, jobs {jobs}", wrong, say=True)
            turn += 1
            if time.monotonic() > until:
                return


def heal(out: Path, jobs: int, right: dict[str, Any], suite: Path | None = None) -> str:
    """Type the command again, and say what is wrong with what it comes to; "" if nothing is."""
    again = Run(out, jobs, suite)
    if (status := again.end()) != 0:
        return f"{out}: typed again, exit status {status}: {again.said()[-500:]}"
    return _wrong_of(again) or ("" if content(out) == right else f"{out}: other numbers")


def undisturbed(folder: Path) -> dict[str, Any]:
    """Return what one run with one job comes to, of a suite that is written into the folder."""
    (folder / "suite.yaml").write_text(SUITE, encoding="utf-8")
    run = Run(folder / "right", 1)
    if run.end() != 0:
        raise SystemExit(f"an undisturbed run failed: {run.said()}")
    return content(run.out)


def _wrong_of(run: Run) -> str:
    said = run.said()
    return f"{run.out}: {said[-1500:]}" if "Traceback" in said else ""


def _hear_interrupts() -> None:
    """Let a process end at SIGINT, which what starts in the background of a shell ignores."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _owners(out: Path) -> list[int]:
    found = []
    for path in out.glob("work/*/claim"):
        with suppress(OSError, ValueError):
            found.append(int(json.loads(path.read_text())["pid"]))
    return found


def _timeless(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    own = ("token", "sha256")  # a checkpoint holds seconds, too
    return {k: _timeless(v) for k, v in value.items() if "seconds" not in k and k not in own}
