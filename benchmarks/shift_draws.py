"""Weights under covariate shift over draws of the data, against those of the true density ratio.

python -m benchmarks.shift_draws [DRAWS]
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import torch
from torch import Tensor

import tlml
from tlml import Batch
from tlml.learners import fit_predict, make_model
from tlml.strategies import effective_sample_size

OPTIONS: dict[str, dict[str, Any]] = {"kmm": {}, "kliep": {}, "domain_classifier": {"degree": 2}}


def weights(domain: Any) -> dict[str, Tensor]:
    source = domain.tasks("source")[0].split("train").x
    target = domain.tasks("target")[0].split("train").x
    found = {"unweighted": torch.ones(len(source)), "true ratio": domain.ratio(source)}
    for name, options in OPTIONS.items():
        found[name] = tlml.strategy(name, **options).weigh_samples(source, target)
    return found


def error(domain: Any, weight: Tensor) -> float:
    """Return the error on the target of a linear model of the weighted source."""
    source = domain.tasks("source")[0].split("train")
    test = domain.tasks("target")[0].split("test")
    found = fit_predict(
        make_model("linear", domain.classes, {}, 0),
        Batch(source.x, source.y),
        weight,
        test.x,
        domain.y,
    )
    wrong = found.argmax(1) != test.y if domain.classes else (found - test.y).square()
    return float(wrong.double().mean())


def main(draws: int) -> None:
    print("| domain | weights | error | least to greatest | effective sample size |")
    print("| --- | --- | --: | --: | --: |")
    for name in ("covariate_shift", "covariate_shift_regression"):
        domains = [tlml.domain(name, seed=seed) for seed in range(draws)]
        each = [weights(domain) for domain in domains]
        for method in each[0]:
            errors = [error(d, w[method]) for d, w in zip(domains, each, strict=True)]
            size = np.mean([effective_sample_size(w[method]) for w in each])
            span = f"{min(errors):.3f} to {max(errors):.3f}"
            print(f"| {name} | {method} | {np.mean(errors):.3f} | {span} | {size:.0f} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 5)
