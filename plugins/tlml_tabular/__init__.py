"""Tables: regression and classification on rows of numbers, divided by a covariate."""

from __future__ import annotations

from tlml import Spec, hookimpl

_GIVES = frozenset({"pair", "episodes", "stream", "finite"})


@hookimpl
def tlml_domains() -> list[Spec]:
    """Return the tables."""
    return [
        Spec(
            "diabetes",
            "tlml_tabular.diabetes:Diabetes",
            "Progression of a disease: slender patients as source, heavy ones as target",
            paper="Efron, Hastie, Johnstone & Tibshirani 2004, arXiv math/0406456",
            gives=_GIVES | {"regression"},
        ),
        # The class is of the core: tlml.table makes it, too.
        Spec(
            "table",
            "tlml.data.tables.domain:TableFile",
            "A table of yours, CSV or Parquet: the values of one of its columns are tasks",
            gives=_GIVES | {"regression", "classification"},
        ),
        Spec(
            "wine",
            "tlml_tabular.wine:Wine",
            "Three cultivars: wines with little magnesium as source, with much as target",
            paper="Aeberhard & Forina 1992, UCI, doi.org/10.24432/C5PC7J",
            gives=_GIVES | {"classification"},
        ),
    ]
