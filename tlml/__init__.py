"""tlml: which way of carrying knowledge over works best.

Transfer, meta-, continual and reinforcement learning on the same tasks, compared in one run. The
public names are imported when they are used: ``import tlml`` loads no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = [
    "MDP",
    "Adapt",
    "Batch",
    "ClassPool",
    "Context",
    "Diagnose",
    "Diagnosis",
    "Domain",
    "EnvView",
    "Episode",
    "EpisodeView",
    "Episodes",
    "Examples",
    "Finite",
    "GradientLearner",
    "Group",
    "Learner",
    "Metric",
    "NamedParameters",
    "Network",
    "Pair",
    "PairView",
    "Phase",
    "Retention",
    "Spec",
    "Step",
    "StoredExamples",
    "Strategy",
    "StreamView",
    "Task",
    "TlmlError",
    "View",
    "__version__",
    "diagnose",
    "domain",
    "gradient",
    "hookimpl",
    "learner",
    "linear_cka",
    "load",
    "param_groups",
    "strategy",
    "write_episodes",
]

if TYPE_CHECKING:
    from tlml.adapt import Adapt, param_groups
    from tlml.build import domain, learner, strategy
    from tlml.cka import linear_cka
    from tlml.diagnosis import Diagnosis, diagnose
    from tlml.diagnosis_callback import Diagnose
    from tlml.domains import ClassPool, Domain, Metric
    from tlml.episode_files import write_episodes
    from tlml.errors import TlmlError
    from tlml.gradient_learner import GradientLearner
    from tlml.hookspecs import hookimpl
    from tlml.learners import Learner
    from tlml.loading import load
    from tlml.named import NamedParameters
    from tlml.networks import Network
    from tlml.retention import Retention
    from tlml.slopes import gradient
    from tlml.spec import Spec
    from tlml.strategies import Context, Group, Phase, Strategy
    from tlml.task import (
        MDP,
        Batch,
        Episode,
        Episodes,
        Examples,
        Finite,
        Pair,
        Step,
        StoredExamples,
        Task,
    )
    from tlml.views import EnvView, EpisodeView, PairView, StreamView, View

    __version__: str
else:
    # Submodules never share a name with these: importing one would replace the function.
    _HOMES = {
        "tlml.adapt": "Adapt param_groups",
        "tlml.build": "domain learner strategy",
        "tlml.cka": "linear_cka",
        "tlml.diagnosis": "Diagnosis diagnose",
        "tlml.diagnosis_callback": "Diagnose",
        "tlml.domains": "ClassPool Domain Metric",
        "tlml.episode_files": "write_episodes",
        "tlml.errors": "TlmlError",
        "tlml.gradient_learner": "GradientLearner",
        "tlml.hookspecs": "hookimpl",
        "tlml.learners": "Learner",
        "tlml.loading": "load",
        "tlml.named": "NamedParameters",
        "tlml.networks": "Network",
        "tlml.retention": "Retention",
        "tlml.spec": "Spec",
        "tlml.slopes": "gradient",
        "tlml.strategies": "Context Group Phase Strategy",
        "tlml.task": "MDP Batch Episode Episodes Examples Finite Pair Step StoredExamples Task",
        "tlml.views": "EnvView EpisodeView PairView StreamView View",
    }
    _HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

    def __getattr__(name: str) -> object:
        """Import the home of a public name and return it."""
        if name == "__version__":
            return _version()
        if name not in _HOME_OF:
            raise AttributeError(f"module 'tlml' has no attribute '{name}'{_hint(name)}")
        from importlib import import_module

        return getattr(import_module(_HOME_OF[name]), name)

    def __dir__() -> list[str]:
        """The public names, imported or not."""
        return sorted({*globals(), *__all__})


def _hint(name: str) -> str:
    from tlml.errors import did_you_mean

    return "" if name.startswith("_") else did_you_mean(name, __all__)


def _version() -> str:
    from importlib import metadata

    try:
        return metadata.version("tlml")
    except metadata.PackageNotFoundError:
        return "0+unknown"
