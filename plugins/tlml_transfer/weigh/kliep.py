"""KLIEP: the density ratio nearest to the target (Sugiyama et al. 2008).

doi 10.1007/s10463-008-0197-x
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from scipy.optimize import minimize
from scipy.spatial.distance import cdist
from scipy.special import logsumexp

from tlml import TlmlError
from tlml.errors import check_not_negative, check_positive
from tlml_transfer.rows import Values
from tlml_transfer.weigh.weighing import Weighing, median


class Kliep(Weighing):
    """Weigh the source by Σ_l α_l exp(−‖x − c_l‖² / 2σ²), with centres c_l of the target.

    α ≥ 0 maximises the mean logarithm of the ratio over the target, under a mean ratio of 1 over
    the source, which minimises the Kullback–Leibler divergence of the target from the weighted
    source. σ is the width of the largest such mean on target examples that were held out.

    Args:
        widths: σ to choose from, as multiples of the median distance between the sides.
        centres: How many target examples are centres, chosen at random; all where there are less.
        folds: Parts of the target that are held out in turn, to choose the width.
        seed: The key of the choice of centres and of the parts.
        **options: Those of `tlml.Strategy`, for adapting later.

    Raises:
        TlmlError: An option is out of range.
    """

    title: ClassVar[str] = "kliep"

    def __init__(
        self,
        widths: Sequence[float] = (0.1, 0.2, 0.35, 0.5, 0.7, 1.0, 1.5, 2.5),
        centres: int = 100,
        folds: int = 5,
        seed: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if not widths:
            raise TlmlError("widths: must not be empty")
        for width in widths:
            check_positive(widths=width)
        check_positive(centres=centres)
        check_not_negative(seed=seed)
        if folds < 2:
            raise TlmlError(f"folds: must be at least 2, is {folds}")
        self.widths, self.centres, self.folds, self.seed = tuple(widths), centres, folds, seed
        self.width: float | None = None  # σ of the latest weights

    def ratios(self, source: Values, target: Values) -> Values:
        """Return the ratio at each source example.

        Raises:
            TlmlError: More than half of the inputs are equal.
        """
        order = np.random.default_rng(self.seed).permutation(len(target))
        target = target[order]
        centres = target[: self.centres]
        to_source = cdist(source, centres, "sqeuclidean")
        to_target = cdist(target, centres, "sqeuclidean")
        scale = median(cdist(source, target, "sqeuclidean"), self.title, "other inputs")
        squares = [width**2 * scale for width in self.widths]
        best = squares[0]
        if len(squares) > 1:
            best = max(
                squares, key=lambda square: self._held_out_likelihood(to_source, to_target, square)
            )
        self.width = float(np.sqrt(best))
        known, asked = _log_kernels(to_source, to_target, best)
        found: Values = np.exp(known) @ shares(asked)
        return found

    def _held_out_likelihood(self, to_source: Values, to_target: Values, square: float) -> float:
        """Return the mean logarithm of the ratio on parts of the target that were held out."""
        _, logs = _log_kernels(to_source, to_target, square)
        parts = np.array_split(np.arange(len(logs)), min(self.folds, len(logs)))
        scores = [
            logsumexp(logs[part], axis=1, b=shares(np.delete(logs, part, axis=0))) for part in parts
        ]
        return float(np.concatenate(scores).mean())


def shares(logs: Values, tolerance: float = 1e-14) -> Values:
    """Return the π on the simplex that maximises the mean of log Σ_l π_l exp(logs_jl).

    By −mean log + Σ π over π ≥ 0 alone, whose minimum lies on the simplex.

    Args:
        logs: log φ_l(x'_j) − log of φ_l's mean over the source, ``[m, centres]``.
        tolerance: Relative change of the loss at which it ends; choosing a width needs little.
    """
    kernels = np.exp(logs - logs.max(1, keepdims=True))  # a factor of a row moves no optimum

    def loss(pi: Values) -> tuple[float, Values]:
        mixed = np.maximum(kernels @ pi, np.finfo(float).tiny)
        return pi.sum() - np.log(mixed).mean(), 1 - (kernels / mixed[:, None]).mean(0)

    count = kernels.shape[1]
    found = minimize(
        loss, np.full(count, 1 / count), jac=True, method="L-BFGS-B", bounds=[(0, None)] * count,
        options={"ftol": tolerance, "gtol": 1e-9, "maxiter": 5000, "maxfun": 10_000, "maxcor": 30},
    ).x  # fmt: skip
    pi: Values = found / found.sum()
    return pi


def _log_kernels(to_source: Values, to_target: Values, square: float) -> tuple[Values, Values]:
    """Return the logarithms of both sides' kernels, each centre's over its mean on the source.

    So α_l = π_l / mean, and the constraint is that π lies on the simplex. Logarithms, for the mean
    of a narrow kernel far from the source would be 0.
    """
    known, asked = -to_source / (2 * square), -to_target / (2 * square)
    means = logsumexp(known, axis=0) - np.log(len(known))
    return known - means, asked - means
