"""What reports are made of: rows, columns and pictures, which protocols and plugins can name."""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = [
    "Block",
    "Column",
    "Interval",
    "Mark",
    "Row",
    "draw_heat_maps",
    "draw_over_stream",
    "draw_scatter",
    "draw_scores",
    "number",
]

if TYPE_CHECKING:
    from tlml.presentation.columns import Column, Mark
    from tlml.presentation.heat_map import draw_heat_maps
    from tlml.presentation.numbers import number
    from tlml.presentation.over_stream import draw_over_stream
    from tlml.presentation.rows import Block, Interval, Row
    from tlml.presentation.scatter import draw_scatter
    from tlml.presentation.scores import draw_scores
else:
    _HOMES = {
        "Block": "rows",
        "Column": "columns",
        "Interval": "rows",
        "Mark": "columns",
        "Row": "rows",
        "draw_heat_maps": "heat_map",
        "draw_over_stream": "over_stream",
        "draw_scatter": "scatter",
        "draw_scores": "scores",
        "number": "numbers",
    }

    def __getattr__(name: str) -> object:
        """Import the home of a public name and return it."""
        if name not in _HOMES:
            raise AttributeError(f"module 'tlml.presentation' has no attribute '{name}'")
        from importlib import import_module

        return getattr(import_module(f"tlml.presentation.{_HOMES[name]}"), name)

    def __dir__() -> list[str]:
        """The public names, imported or not."""
        return sorted({*globals(), *__all__})
