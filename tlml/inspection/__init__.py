"""What an adaptation does to a network, layer by layer and step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlml.lazy_names import lazy_names

__all__ = ["Diagnose", "Diagnosis", "diagnose", "linear_cka"]

if TYPE_CHECKING:
    from tlml.inspection.callback import Diagnose
    from tlml.inspection.cka import linear_cka
    from tlml.inspection.diagnosis import Diagnosis, diagnose
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "callback": "Diagnose",
            "diagnosis": "Diagnosis diagnose",
            "cka": "linear_cka",
        },
    )
