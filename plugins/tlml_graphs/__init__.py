"""Knowledge graphs: families of entities and relations between which facts carry over."""

from __future__ import annotations

from tlml import Spec, hookimpl


@hookimpl
def tlml_domains() -> list[Spec]:
    """Return the graphs."""
    return []
