"""tlml: which way of carrying knowledge over works best.

Transfer, meta-, continual and reinforcement learning on the same tasks, compared in one run. The
public names are imported when they are used: ``import tlml`` loads no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlml.lazy_names import lazy_names
from tlml.version import tlml_version

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
    "table",
    "write_episodes",
]

if TYPE_CHECKING:
    from tlml.data.domains import ClassPool, Domain, Metric
    from tlml.data.tables.domain import table
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
    _find, _names = lazy_names(
        __name__,
        {
            "finetuning.callback": "Adapt param_groups",
            "make": "domain learner strategy",
            "inspection.cka": "linear_cka",
            "inspection.diagnosis": "Diagnosis diagnose",
            "inspection.callback": "Diagnose",
            "data.domains": "ClassPool Domain Metric",
            "data.tables.domain": "table",
            "views.export": "write_episodes",
            "errors": "TlmlError",
            "learners.gradient_learner": "GradientLearner",
            "hookspecs": "hookimpl",
            "learners.learner": "Learner",
            "learners.checkpoints": "load",
            "networks.named_tensors": "NamedParameters",
            "networks.network": "Network",
            "learners.retention": "Retention",
            "strategies.gradients": "gradient",
            "spec": "Spec",
            "strategies.context": "Context",
            "strategies.phases": "Group Phase",
            "strategies.strategy": "Strategy",
            "data.tasks": "MDP Batch Episode Episodes Examples Finite Pair Step StoredExamples "
            "Task",
            "views.env": "EnvView",
            "views.episode": "EpisodeView",
            "views.pair": "PairView",
            "views.stream": "StreamView",
            "views.base": "View",
        },
    )

    def __getattr__(name: str) -> object:
        """Import the home of a public name and return it; the version is read where it is asked."""
        return tlml_version() if name == "__version__" else _find(name)

    def __dir__() -> list[str]:
        """The public names, imported or not."""
        return [*_names(), "__version__"]
