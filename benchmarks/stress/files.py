"""Files that are damaged as a power cut, a full disk or a careless copy damages them."""

from __future__ import annotations

import json
import random
import shutil
from contextlib import suppress
from pathlib import Path

from benchmarks.stress.commands import run_command
from benchmarks.stress.lines import inside
from benchmarks.stress.runs import content
from benchmarks.stress.tally import Tally

SUITE = """
name: damaged
seeds: 1
episodes: 2
domains:
  sinusoid: {shots: [5], view: {queries: 5}, learner: {network: mlp}}
fits:
  pre: {learner: supervised, view: {batch_size: 8, samples: 16}}
methods:
  scratch: {strategy: scratch, options: {steps: 1}}
  full: {fit: pre, strategy: full, options: {steps: 1}}
trainer: {max_epochs: 1}
"""
_QUIET = "--trainer.accelerator cpu --trainer.enable_progress_bar false --trainer.logger false"
_TEST = f"test --data.domain sinusoid --data.shots 3 --data.queries 3 --data.episodes 2 {_QUIET}"
_EXPORT = "episodes export --domain sinusoid --shots 3 --queries 3 --number 2 tasks.npz"


def damage_files(folder: Path, rng: random.Random, tally: Tally, number: int) -> None:
    """Damage so many files: results that must heal, and what commands read."""
    with inside(folder):
        Path("suite.yaml").write_text(SUITE, encoding="utf-8")
        made = [
            run_command("bench suite.yaml --out right --jobs 1".split()),
            run_command(_EXPORT.split()),
            run_command(f"fit --model supervised --data.domain sinusoid --data.samples 16 "
                        f"--trainer.max_epochs 1 {_QUIET} --trainer.default_root_dir run".split()),
        ]  # fmt: skip
        if bad := [ended.said for ended in made if ended.status != 0]:
            raise SystemExit(f"undisturbed commands failed: {bad}")
        for turn in range(number):
            act = (_heal, _heal, _report, _read)[turn % 4]
            name = {_heal: "damaged, healed", _report: "damaged, reported"}.get(
                act, "damaged, read"
            )
            tally.count(name, act(rng, Path(f"try{turn}")))


def _heal(rng: random.Random, out: Path) -> str:
    """Damage one or several files of a suite's folder; the same command must come to the same."""
    shutil.copytree("right", out)
    files = [path for path in sorted(out.rglob("*")) if path.is_file()]
    touched = [f"{path}: {_damage(rng, path)}" for path in rng.sample(files, rng.choice((1, 2, 4)))]
    # What starts from a damaged fit is to be made anew, else nobody reads that.
    for path in out.glob("cells/*/result.json"):
        with suppress(ValueError, OSError, AttributeError):
            if json.loads(path.read_bytes()).get("fits"):
                path.unlink()
    ended = run_command(["bench", "suite.yaml", "--out", str(out), "--jobs", "1"])
    # A folder in the place of a file that is to be written is the user's to remove.
    good = (0, 2) if any(how.endswith(": folder") for how in touched) else (0,)
    wrong = ended.wrong(*good)
    if not wrong and ended.status == 0 and content(out) != content(Path("right")):
        wrong = "other numbers"
    if not wrong:
        shutil.rmtree(out)
    return f"{out.absolute()}: {touched}: {wrong}" if wrong else ""


def _report(rng: random.Random, out: Path) -> str:
    """Damage files of a suite's folder, and ask for the report on what is left."""
    shutil.copytree("right", out)
    files = [path for path in sorted(out.rglob("*")) if path.is_file()]
    touched = [f"{path}: {_damage(rng, path)}" for path in rng.sample(files, rng.choice((1, 2, 4)))]
    wrong = run_command(["report", str(out)]).wrong(0, 2)
    if not wrong:
        shutil.rmtree(out)
    return f"{out.absolute()}: {touched}: {wrong}" if wrong else ""


def _read(rng: random.Random, out: Path) -> str:
    """Damage what a command is given: a checkpoint, episodes, a suite, a configuration."""
    checkpoint = next(Path("right").glob("cells/*/last.ckpt"))
    source, words = rng.choice((
        (checkpoint, f"{_TEST} --ckpt_path"),
        (Path("tasks.npz"), f"{_TEST} --model supervised --data.file"),
        (Path("tasks.npz"), "episodes show"),
        (Path("suite.yaml"), "bench --dry-run"),
        (next(Path("right").glob("cells/*/config.yaml")), "fit --print_config --config"),
    ))  # fmt: skip
    file = out.with_suffix(source.suffix)
    shutil.copyfile(source, file)
    how = _damage(rng, file)
    wrong = run_command([*words.split(), str(file)]).wrong(0, 2)
    if not wrong:
        shutil.rmtree(file) if file.is_dir() else file.unlink(missing_ok=True)
    return f"{file.absolute()}: {how}: {wrong}" if wrong else ""


def _damage(rng: random.Random, path: Path) -> str:
    """Damage a file, and say how."""
    content = path.read_bytes()
    at = rng.randrange(len(content) + 1)
    how = rng.choice(("empty", "cut", "zeros", "noise", "missing", "folder", "other", "text"))
    if how in ("missing", "folder"):
        path.unlink()
        if how == "folder":
            path.mkdir()
        return how
    torn = {
        "empty": b"",
        "cut": content[:at],
        "zeros": content[:at] + bytes(len(content) - at),  # as some file systems after a power cut
        "noise": content[:at] + rng.randbytes(len(content) - at),
        "other": b"[1, 2]",
        "text": b"nothing of the kind\n",
    }
    path.write_bytes(torn[how])
    return f"{how} at {at}" if how in ("cut", "zeros", "noise") else how
