"""What tests of weights share."""

from __future__ import annotations

from typing import Any

import numpy as np

# The target's variance is another than the source's, of which the degree 1 knows nothing.
RIGHT: dict[str, dict[str, Any]] = {"kmm": {}, "kliep": {}, "domain_classifier": {"degree": 2}}


def effective_size(weights: np.ndarray) -> float:
    return float(weights.sum() ** 2 / (weights**2).sum())
