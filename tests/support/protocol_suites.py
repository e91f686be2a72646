"""Suites of several protocols."""

from __future__ import annotations

from pathlib import Path

from tlml.registry import Registry
from tlml.suites import AdaptCell, Plan, load_suite, plan

STREAM = """\
name: retained
seeds: [3, 5]
domains:
  rotated_digits: {stream: {tasks: 3, samples: 60}, shots: [0, 1], view: {batch_size: 10}}
fits:
  naive: {learner: naive_cl, options: {lr: 0.1}}
  pre: {learner: supervised}
methods:
  naive: {fit: naive, strategy: full}
  again: {fit: naive, strategy: linear_probe}
  pre: {fit: pre, strategy: full}
  scratch: {strategy: scratch}
trainer: {max_epochs: 2, gradient_clip_val: 1.0, limit_val_batches: 0}
"""


def planned(registry: Registry, text: str = STREAM) -> Plan:
    Path("bad.yaml").write_text(text)
    return plan(load_suite("bad.yaml", registry), registry)


def of(made: Plan, protocol: str, method: str) -> list[AdaptCell]:
    return [c for c in made.adapts if (c.protocol, c.method) == (protocol, method)]
