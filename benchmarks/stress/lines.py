"""Command lines that are wrong at random places. Nothing is trained: a Trainer only begins."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.stress.commands import run_command, vary
from benchmarks.stress.tally import Tally

_DATA = "--data.domain sinusoid --data.shots 3 --data.episodes 4 --data.val_episodes 2"
_TRAINER = "--trainer.max_epochs 1 --trainer.accelerator cpu --trainer.logger false"
LINES = (
    "list",
    "list --kind strategy --json",
    "info maml",
    "info sinusoid --json",
    "plugins --json",
    "check sinusoid maml sgd",
    "-p no:maml list",
    f"fit --model maml --model.strategy sgd --model.strategy.lr 0.1 {_DATA} {_TRAINER}",
    f"fit --model supervised --data.domain sinusoid --data.samples 50 {_TRAINER}",
    f"fit --model maml --model.network mlp --seed_everything 3 {_DATA} --print_config",
    f"test --model maml {_DATA} --data.adapt full --data.adapt.lr 0.1 {_TRAINER}",
    f"validate --model maml {_DATA} {_TRAINER} --ckpt_path last",
    f"adapt --ckpt_path last --data.domain sinusoid --data.shots 3 --strategy full {_TRAINER}",
    "bench quickstart --dry-run --only 'sinusoid/*' --seeds 1 --json",
    "bench quickstart --dry-run --rerun maml --jobs 2 --executor local --oracle",
    "report nowhere --json",
    "episodes export --domain sinusoid --shots 2 --queries 2 --number 2 tasks.npz",
    "episodes show tasks.npz",
)
VALUES = (
    "", " ", "-", "--", "-1", "0", "1e999", "nan", "10000000000000000000000", "[", "{a: 1", "null",
    "../../x", "/", "CON", "ä", "\u202e", "\x1b[2J", "--help", "--json", "-h", "=", "a=b", "'",
    "--model", "--data", "--config", "--model.x.y.z", "--trainer.max_epochs", "os.system", "*",
    "%s", "\ud800", "x" * 5000, "--data.domain", "--strategy", "no:core", "-p",
    "unittest.__main__.X",
)  # fmt: skip


def try_lines(folder: Path, rng: random.Random, tally: Tally, number: int) -> None:
    """Run so many command lines in a folder of their own."""
    with inside(folder), untrained():
        for _ in range(number):
            words = _changed(rng, rng.choice(LINES).replace("'", "").split())
            wrong = run_command(words).wrong(0, 2)
            tally.count("bad command lines", f"{words}: {wrong}" if wrong else "")


def _changed(rng: random.Random, words: list[str]) -> list[str]:
    for _ in range(rng.choice((1, 1, 2, 3))):
        at = rng.randrange(len(words)) if words else 0
        match rng.randrange(5):
            case 0:
                del words[at : at + 1]
            case 1:
                words.insert(at, rng.choice(VALUES))
            case 2 if words:
                words[at] = rng.choice(VALUES)
            case 3 if words:
                words.insert(rng.randrange(len(words)), words[at])
            case _ if words:
                words[at] = vary(rng, [words[at]])
    return words


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@contextmanager
def untrained() -> Iterator[None]:
    """Let Trainers do nothing, however long a line asks them to."""
    from tlml.cli.lightning import Trainer

    def nothing(*args: object, **options: object) -> None:
        """Begin nothing."""

    names = ("fit", "validate", "test", "adapt")
    before = {name: vars(Trainer).get(name) for name in names}
    for name in names:
        setattr(Trainer, name, nothing)
    try:
        yield
    finally:
        for name, own in before.items():
            delattr(Trainer, name) if own is None else setattr(Trainer, name, own)
