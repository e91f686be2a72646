"""Generated tasks."""

from __future__ import annotations

from tlml import Spec, hookimpl

_GIVES = frozenset({"pair", "episodes", "regression"})
_FINITE = frozenset({"pair", "episodes", "stream", "finite"})


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
        Spec(
            "covariate_shift",
            "tlml_synthetic.covariate_shift:CovariateShift",
            "Two classes under covariate shift whose density ratio is known",
            paper="Shimodaira 2000, doi.org/10.1016/S0378-3758(00)00115-4",
            gives=_FINITE | {"classification"},
        ),
        Spec(
            "covariate_shift_regression",
            "tlml_synthetic.covariate_shift:CovariateShiftRegression",
            "A curve under covariate shift whose density ratio is known",
            paper="Sugiyama, Krauledat & Müller 2007, JMLR 8:985-1005",
            gives=_FINITE | {"regression"},
        ),
    ]
