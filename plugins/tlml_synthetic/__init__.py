"""Generated tasks."""

from __future__ import annotations

from tlml import Spec, hookimpl

_GIVES = frozenset({"pair", "episodes", "regression"})


@hookimpl
def tlml_domains() -> list[Spec]:
    """Return the generated domains."""
    return [
        Spec(
            "sinusoid",
            "tlml_synthetic.sinusoid:Sinusoid",
            "Sine waves of random amplitude and phase: endless regression tasks",
            paper="Finn, Abbeel & Levine 2017, arXiv:1703.03400",
            gives=_GIVES,
        ),
        Spec(
            "harmonics",
            "tlml_synthetic.harmonics:Harmonics",
            "Sums of sines of random frequency, phases and amplitudes, each on inputs of its own",
            paper="Lacoste et al. 2018, arXiv:1806.07528",
            gives=_GIVES,
        ),
        Spec(
            "gaussian_processes",
            "tlml_synthetic.gaussian_processes:GaussianProcesses",
            "Functions drawn from Gaussian processes: RBF, Matern-5/2 or periodic kernel",
            paper="Garnelo et al. 2018, arXiv:1807.01622; Kim et al. 2019, arXiv:1901.05761",
            gives=_GIVES,
        ),
    ]
