"""Generated tasks."""

from __future__ import annotations

from tlml import Spec, hookimpl


@hookimpl
def tlml_domains() -> list[Spec]:
    """Return the generated domains."""
    return [
        Spec(
            "sinusoid",
            "tlml_synthetic.sinusoid:Sinusoid",
            "Sine waves of random amplitude and phase: endless regression tasks",
            paper="Finn, Abbeel & Levine 2017, arXiv:1703.03400",
            gives=frozenset({"pair", "episodes", "regression"}),
        )
    ]
