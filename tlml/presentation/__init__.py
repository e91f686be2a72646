"""What reports are made of: rows, columns and pictures, which protocols and plugins can name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlml.lazy_names import lazy_names

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
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "rows": "Block Interval Row",
            "columns": "Column Mark",
            "heat_map": "draw_heat_maps",
            "over_stream": "draw_over_stream",
            "scatter": "draw_scatter",
            "scores": "draw_scores",
            "numbers": "number",
        },
    )
