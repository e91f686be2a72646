"""Suites that are wrong at random places."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

import yaml

from benchmarks.stress.commands import run_command, vary
from benchmarks.stress.tally import Tally
from tlml.errors import TlmlError
from tlml.registry import default_registry
from tlml.suites import load_suite, plan
from tlml.suites.execution.preflight import check_here

SUITES = (
    """
name: waves
seeds: 2
episodes: 3
domains:
  sinusoid: {shots: [1, 5], view: {queries: 5}, learner: {network: mlp}}
  other: {domain: harmonics, shots: 5, view: {queries: 5}}
fits:
  pre: {learner: supervised, options: {lr: 0.001}, view: {batch_size: 8, samples: 80}}
  maml: {learner: maml, strategy: sgd, strategy_options: {lr: 0.01, steps: 2},
         view: {shots: 5, episodes: 4, val_episodes: 2}}
methods:
  scratch: {strategy: scratch, options: {steps: 2}}
  full: {fit: pre, strategy: full, tune: {lr: [0.001, 0.1, log]}}
  maml: {fit: maml}
trainer: {max_epochs: 1}
""",
    """
name: aligned
seeds: [3]
episodes: 2
domains:
  digits: {shots: [0, 1], options: {size: 8}, view: {ways: 10, queries: 5, batch_size: 64}}
fits:
  pre: {learner: supervised}
  mmd: {learner: supervised, strategy: mmd, view: {unlabelled: true}, labels: true,
        tune: {weight: {values: [0.1, 1.0]}}, criterion: entropy}
methods:
  probe: {fit: pre, strategy: linear_probe, head: new}
  mmd: {fit: mmd, strategy: as_trained}
baseline: probe
trainer: {max_epochs: 1}
""",
)
# What people write by mistake, and what a program might.
VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1, 1.5, -0.5, 1e308, float("nan"), float("inf"), 10**30, "", "x", "../up",
    "a/b", "CON", "no", "1e5", "\x07", "\u202e", "ä" * 300, [], [1], ["a", "a"], {}, {"a": 1},
    [[0.1, 0.2], "log"], [1, 0, "log"], {"values": []}, "unittest.__main__.X", "sinusoid", "maml",
)  # fmt: skip
_SIZE = 10**7  # numbers beyond it may be legal, and only want memory


def try_suites(folder: Path, rng: random.Random, tally: Tally, number: int) -> None:
    """Check so many suites, and what their cells are made of."""
    for turn in range(number):
        file = folder / f"suite{turn}.yaml"
        file.write_bytes(_written(rng, yaml.safe_load(rng.choice(SUITES))))
        ended = run_command(["bench", str(file), "--dry-run"])
        wrong = ended.wrong(0, 2) or (_checked(file) if ended.status == 0 else "")
        tally.count("bad suites", f"{file}: {wrong}" if wrong else "")
        if not wrong:
            file.unlink()


def _checked(file: Path) -> str:
    """Make what the cells of a suite are made of, as a run does before its first cell."""
    try:
        cells = plan(load_suite(file), default_registry()).distinct()
        check_here({cell.id: (cell.config, None) for cell in cells[:40]})
    except TlmlError:
        return ""
    except Exception as error:
        return f"the check raised {type(error).__name__}: {error}"
    return ""


def _written(rng: random.Random, suite: Any) -> bytes:
    for _ in range(rng.choice((1, 1, 2, 3))):
        suite = _changed(rng, suite)
    text = yaml.safe_dump(suite, allow_unicode=True, sort_keys=False).encode("utf-8", "replace")
    return _torn(rng, text) if rng.random() < 0.25 else text


def _changed(rng: random.Random, suite: Any) -> Any:
    """Change one place of a suite: a key, a value, or what is there at all."""
    suite = copy.deepcopy(suite)
    places = list(_places(suite))
    if not places:
        return rng.choice(VALUES)
    holder, key = rng.choice(places)
    match rng.randrange(4):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[vary(rng, [str(key) or "x"])] = holder.pop(key)
        case 2 if isinstance(holder[key], str) and holder[key]:
            holder[key] = vary(rng, [holder[key]])
        case _:
            holder[key] = copy.deepcopy(rng.choice(VALUES))
    return suite


def _places(node: Any) -> Any:
    if isinstance(node, dict | list):
        for key in list(node) if isinstance(node, dict) else range(len(node)):
            yield node, key
            yield from _places(node[key])


def _torn(rng: random.Random, text: bytes) -> bytes:
    """Damage the text itself: cut it, put something in, take something out."""
    start = rng.randrange(len(text))
    end = min(len(text), start + rng.randrange(1, 30))
    inside = rng.choice((b"\t", b"\x00", b"\xff\xfe", b": : ", b"&a *a", b"- [", b"!!int x", b"'"))
    return rng.choice(
        (text[:start], text[:start] + inside + text[start:], text[:start] + text[end:])
    )
