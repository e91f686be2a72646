"""The four hooks of a plugin. This file is the plugin author's page.

A plugin is a module named by an entry point of the group ``tlml``:

    [project.entry-points.tlml]
    tides = "tides_tlml"

The module says what there is, and imports none of it:

    from tlml import Spec, hookimpl

    @hookimpl
    def tlml_domains():
        return [Spec("tides", "tides_tlml.data:Tides", "tide gauges of 40 harbours",
                     gives={"pair", "episodes", "regression", "finite"})]

``tlml plugins`` shows whether it was loaded, or why not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from tlml.spec import Spec

hookspec = pluggy.HookspecMarker("tlml")
hookimpl = pluggy.HookimplMarker("tlml")


@hookspec
def tlml_domains() -> list[Spec]:  # type: ignore[empty-body]
    """Return the plugin's domains: families of tasks, subclasses of `tlml.Domain`.

    ``gives`` says which views can be made of it (``pair episodes stream env``), what its targets
    are (``regression``, ``classification``, ``control``, or ``reconstruction`` where there are no
    labels), and ``finite`` where its tasks are data sets of a fixed size.
    """


@hookspec
def tlml_learners() -> list[Spec]:  # type: ignore[empty-body]
    """Return the plugin's learners: LightningModules that learn across source tasks.

    They are subclasses of `tlml.Learner`. ``gives`` says what a strategy can ask of it (``loss``,
    ``rollouts``, ``policy``, ``features``, ``estimates``); ``needs`` what it asks of the domain
    and of the strategy, such as ``("episodes", "regression|classification", "differentiable")``.
    """


@hookspec
def tlml_strategies() -> list[Spec]:  # type: ignore[empty-body]
    """Return the plugin's strategies: ways to carry what was learned to a target task.

    They are subclasses of `tlml.Strategy`. ``gives`` says what it does (``differentiable`` steps,
    ``weighs`` samples, ``aligns`` features, ``maps`` inputs, ``relates`` tasks, ``estimates``, uses
    ``unlabelled`` data); ``needs`` what it asks of the domain and of the learner. ``approach`` is
    its row in ``tlml list``.
    """


@hookspec
def tlml_protocols() -> list[Spec]:  # type: ignore[empty-body]
    """Return the plugin's protocols: ways in which methods meet a domain in a suite.

    They are subclasses of `tlml.suites.Protocol`. ``needs`` is the one word of a domain that it
    runs over, such as ``("env",)``; ``gives`` stays empty. The class is imported whenever a suite
    is read, so its module must be quick to import: no torch at its top.
    """
