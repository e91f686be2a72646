"""Squared distances between rows, by products of matrices where these are exact enough."""

from __future__ import annotations

import numpy as np

from tlml_transfer.rows import Values


def squared_distances(a: Values, b: Values, tolerance: float) -> Values:
    """Return ‖a_i − b_j‖² ``[n, m]``.

    ‖a‖² + ‖b‖² − 2 a·b of centred rows takes a tenth of the time that differences take, and loses
    digits where rows are far from their mean and close to each other. There they are taken.

    Args:
        a: Rows ``[n, d]``.
        b: Rows ``[m, d]``.
        tolerance: What the largest error may be of the mean distance.
    """
    centre = (a.mean(0) + b.mean(0)) / 2
    a, b = a - centre, b - centre
    of_a, of_b = np.einsum("ij,ij->i", a, a), np.einsum("ij,ij->i", b, b)
    typical = of_a.mean() + of_b.mean() - 2 * float(a.mean(0) @ b.mean(0))
    rounding = a.shape[1] * np.finfo(np.float64).eps * (of_a.max() + of_b.max())
    if not rounding <= tolerance * typical:
        from scipy.spatial.distance import cdist

        found: Values = cdist(a, b, "sqeuclidean")
        return found
    found = a @ (-2 * b.T)
    found += of_a[:, None]
    found += of_b
    found[found < rounding] = 0.0  # rows that are equal, as far as can be told
    return found
