"""Tables: regression and classification on rows of numbers, divided by a covariate."""

from __future__ import annotations

from tlml import Spec, hookimpl


@hookimpl
def tlml_domains() -> list[Spec]:
    """Return the tables."""
    return []
