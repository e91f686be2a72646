"""Images: characters in many fonts, and digits from print to handwriting."""

from __future__ import annotations

from tlml import Spec, hookimpl


@hookimpl
def tlml_domains() -> list[Spec]:
    """Return the domains of images."""
    return [
        Spec(
            "glyphs",
            "tlml_vision.glyphs:Glyphs",
            "Letters printed in many fonts: N-way tasks, new alphabets as target",
            gives=frozenset({"pair", "episodes", "stream", "classification", "finite"}),
        ),
        Spec(
            "digits",
            "tlml_vision.digits:Digits",
            "Printed digits as source (a task is a font), real handwriting as target",
            paper="Alpaydin & Kaynak 1998, UCI, doi.org/10.24432/C50P49 (handwriting)",
            gives=frozenset({"pair", "episodes", "stream", "classification", "finite"}),
        ),
    ]
