"""What an adaptation does to a network, layer by layer and step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["Diagnose", "Diagnosis", "diagnose", "linear_cka"]

if TYPE_CHECKING:
    from tlml.inspection.callback import Diagnose
    from tlml.inspection.cka import linear_cka
    from tlml.inspection.diagnosis import Diagnosis, diagnose
else:
    _HOMES = {
        "Diagnose": "callback",
        "Diagnosis": "diagnosis",
        "diagnose": "diagnosis",
        "linear_cka": "cka",
    }

    def __getattr__(name: str) -> object:
        """Import the home of a public name and return it."""
        if name not in _HOMES:
            raise AttributeError(f"module 'tlml.inspection' has no attribute '{name}'")
        from importlib import import_module

        return getattr(import_module(f"tlml.inspection.{_HOMES[name]}"), name)

    def __dir__() -> list[str]:
        """The public names, imported or not."""
        return sorted({*globals(), *__all__})
