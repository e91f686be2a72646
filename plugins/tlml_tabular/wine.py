"""Wine: three cultivars told apart by a chemical analysis (Aeberhard & Forina 1992)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from tlml_tabular.divided import DividedTable


class Wine(DividedTable):
    """Scikit-learn's 178 wines: those with little of a substance are the source, others the target.

    All columns are standardised by the source's ``train`` rows. There is one task for each split.

    Args:
        by: The column to divide by, such as ``magnesium``, ``alcohol``, ``malic_acid`` or ``ash``.
        cuts: The shares of the wines, from the lowest value on, where the source ends and where the
            target begins; those between are for validation.
        seed: The key of the division into parts.

    Raises:
        TlmlError: There is no such column, or the cuts are not two shares in order.
    """

    columns = (
        "alcohol", "malic_acid", "ash", "alcalinity_of_ash", "magnesium", "total_phenols",
        "flavanoids", "nonflavanoid_phenols", "proanthocyanins", "color_intensity", "hue",
        "od280/od315_of_diluted_wines", "proline",
    )  # fmt: skip
    classes = ("class_0", "class_1", "class_2")

    def __init__(
        self, by: str = "magnesium", cuts: Sequence[float] = (0.5, 0.65), seed: int = 0
    ) -> None:
        super().__init__(by, cuts, seed)

    def table(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return all wines in their own units, and their cultivars."""
        from sklearn.datasets import load_wine

        x, y = load_wine(return_X_y=True)
        return x, y
