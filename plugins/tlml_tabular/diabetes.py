"""Diabetes: its progression in a year from ten measurements (Efron et al. 2004, section 1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from tlml_tabular.divided import DividedTable


class Diabetes(DividedTable):
    """Scikit-learn's 442 patients: slender ones are the source, heavy ones the target.

    The target value is a measure of the disease's progression; it and all columns are standardised
    by the source's ``train`` rows. There is one task for each split.

    Args:
        by: The column to divide by: ``age``, ``sex``, ``bmi``, ``bp`` (blood pressure), or one of
            the serum measurements ``s1`` to ``s6``.
        cuts: The shares of the patients, from the lowest value on, where the source ends and where
            the target begins; those between are for validation.
        seed: The key of the division into parts.

    Raises:
        TlmlError: There is no such column, or the cuts are not two shares in order.
    """

    columns = ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")

    def __init__(self, by: str = "bmi", cuts: Sequence[float] = (0.5, 0.65), seed: int = 0) -> None:
        super().__init__(by, cuts, seed)

    def table(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return all patients in their own units."""
        from sklearn.datasets import load_diabetes

        x, y = load_diabetes(return_X_y=True, scaled=False)
        return x, y
