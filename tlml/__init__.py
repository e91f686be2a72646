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
    from tlml.data.domains import ClassPool, Domain, Metric
    from tlml.data.tasks import (
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
    from tlml.errors import TlmlError
    from tlml.finetuning.callback import Adapt, param_groups
    from tlml.hookspecs import hookimpl
    from tlml.inspection.callback import Diagnose
    from tlml.inspection.cka import linear_cka
    from tlml.inspection.diagnosis import Diagnosis, diagnose
    from tlml.learners.checkpoints import load
    from tlml.learners.gradient_learner import GradientLearner
    from tlml.learners.learner import Learner
    from tlml.learners.retention import Retention
    from tlml.make import domain, learner, strategy
    from tlml.networks.named_tensors import NamedParameters
    from tlml.networks.network import Network
    from tlml.spec import Spec
    from tlml.strategies.context import Context
    from tlml.strategies.gradients import gradient
    from tlml.strategies.phases import Group, Phase
    from tlml.strategies.strategy import Strategy
    from tlml.views.base import View
    from tlml.views.env import EnvView
    from tlml.views.episode import EpisodeView
    from tlml.views.export import write_episodes
    from tlml.views.pair import PairView
    from tlml.views.stream import StreamView

    __version__: str
else:
    # Submodules never share a name with these: importing one would replace the function.
    _HOMES = {
        "tlml.finetuning.callback": "Adapt param_groups",
        "tlml.make": "domain learner strategy",
        "tlml.inspection.cka": "linear_cka",
        "tlml.inspection.diagnosis": "Diagnosis diagnose",
        "tlml.inspection.callback": "Diagnose",
        "tlml.data.domains": "ClassPool Domain Metric",
        "tlml.views.export": "write_episodes",
        "tlml.errors": "TlmlError",
        "tlml.learners.gradient_learner": "GradientLearner",
        "tlml.hookspecs": "hookimpl",
        "tlml.learners.learner": "Learner",
        "tlml.learners.checkpoints": "load",
        "tlml.networks.named_tensors": "NamedParameters",
        "tlml.networks.network": "Network",
        "tlml.learners.retention": "Retention",
        "tlml.strategies.gradients": "gradient",
        "tlml.spec": "Spec",
        "tlml.strategies.context": "Context",
        "tlml.strategies.phases": "Group Phase",
        "tlml.strategies.strategy": "Strategy",
        "tlml.data.tasks": "MDP Batch Episode Episodes Examples Finite Pair Step StoredExamples "
        "Task",
        "tlml.views.env": "EnvView",
        "tlml.views.episode": "EpisodeView",
        "tlml.views.pair": "PairView",
        "tlml.views.stream": "StreamView",
        "tlml.views.base": "View",
    }
    _HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

    def __getattr__(name: str) -> object:
        """Import the home of a public name and return it."""
        if name == "__version__":
            from tlml.version import tlml_version

            return tlml_version()
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
