"""How well clusters of unlabelled handwriting are the ten digits, which no method looks at.

    python -m benchmarks.clusters

prints, for draws of 10 to 300 handwritten digits, the adjusted Rand index of ten clusters with the
true digits of the test part: those of the target alone, of the source (print) alone, and of both.
"""

from __future__ import annotations

import numpy as np
import torch
from sklearn.metrics import adjusted_rand_score

import tlml

SHOTS = (10, 30, 100, 300)
PRIORS: dict[str, float | None] = {"target": 0.0, "source": float("inf"), "transfer": None}


def main(draws: int = 10) -> None:
    domain = tlml.domain("digits", size=8)
    source = torch.cat([task.split("train").x for task in domain.tasks("source")]).flatten(1)
    (handwriting,) = domain.tasks("target")
    pool, test = handwriting.split("train").x.flatten(1), handwriting.split("test")
    print("| samples |", *(f"{name} |" for name in PRIORS), "chosen priors |")
    print("| --: " * (len(PRIORS) + 1) + "| --- |")
    for shots in SHOTS:
        scores: dict[str, list[float]] = {name: [] for name in PRIORS}
        chosen = []
        for draw in range(draws):
            picked = pool[np.random.default_rng([draw, shots]).permutation(len(pool))[:shots]]
            for name, prior in PRIORS.items():
                kmeans = tlml.strategy("transfer_kmeans", n_clusters=10, prior=prior)
                found = kmeans.fit(picked, source_x=source).predict(test.x.flatten(1))
                scores[name].append(adjusted_rand_score(test.y, found))
            chosen.append(f"{kmeans.prior_:g}")
        means = (f"{np.mean(own):.3f} ± {np.std(own, ddof=1):.3f}" for own in scores.values())
        print(f"| {shots} | {' | '.join(means)} | {', '.join(chosen)} |", flush=True)


if __name__ == "__main__":
    main()
