"""How far apart a domain's source and target are: what a model of each knows of the target.

python -m benchmarks.gaps [SEEDS]
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.svm import SVC

import tlml
from tlml import Batch
from tlml.data import examples

# Domain and options, and the model.
CASES: list[tuple[str, dict[str, Any], Any]] = [
    ("rotated_digits", {"size": 8}, SVC(C=10)),
    ("diabetes", {}, Ridge()),
    *(
        ("wine", {"by": by}, LogisticRegression(max_iter=1000))
        for by in ("magnesium", "ash", "alcohol", "malic_acid")
    ),
]


def joined(domain: Any, split: str, part: str) -> Batch:
    """Return a part of all tasks of a split."""
    parts = [examples(task.split(part)) for task in domain.tasks(split)]
    x = torch.cat([part.x for part in parts]).flatten(1)
    return Batch(x, torch.cat([part.y for part in parts]).flatten())


def scores(domain: Any, model: Any) -> list[float]:
    """Return the scores of source on source and target, and of target on target: unseen parts."""
    asked = joined(domain, "target", "test")
    model.fit(*joined(domain, "source", "train"))
    of_source = [model.score(*joined(domain, "source", "test")), model.score(*asked)]
    return [*of_source, model.fit(*joined(domain, "target", "train")).score(*asked)]


def main(seeds: int) -> None:
    """Print the mean scores over divisions of the data: accuracy, or R² of values."""
    print("| domain | model | source on source | source on target | target on target |")
    print("| --- | --- | --: | --: | --: |")
    for name, options, model in CASES:
        # Nothing is drawn of the digits.
        draws = [{"seed": seed} for seed in range(seeds)] if name != "rotated_digits" else [{}]
        found = [scores(tlml.domain(name, **options, **draw), model) for draw in draws]
        shown = " | ".join(f"{value:.2f}" for value in np.mean(found, 0))
        by = f", {options['by']}" if "by" in options else ""
        print(f"| {name}{by} | {type(model).__name__} | {shown} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 20)
