"""From the fits of a suite to the cells that make them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tlml.suites.cells import RETAINED, VALIDATION_TASKS, FitCell, cell_id
from tlml.suites.schema import STRATEGY
from tlml.suites.sources import accepted_options
from tlml.suites.tuning import choices_of, in_full, whose, with_options

if TYPE_CHECKING:
    from tlml.suites.schema import Suite, SuiteDomain
    from tlml.suites.sources import Sources
    from tlml.suites.versions import Versions

CHOICE_SEED = 0  # on streams options are chosen once, for all seeds of training


@dataclass(frozen=True, slots=True)
class Training:
    """What a protocol says of the fits on its view.

    Args:
        view: Options of the view, over those of the domain.
        pace: Options of the Trainer that the view decides, so that the suite's are not for it.
    """

    view: Mapping[str, Any] = field(default_factory=dict)
    pace: frozenset[str] = frozenset()


# Training is what costs, and methods that differ only in how they adapt share it. A fit is known
# by what changes its result and nothing else: the strategy is part of it only where it takes part
# in training (`Sources.takes_part`), shots only where the fit sees the target. Two labels that come
# to the same configuration have the same id, so that they are the same cell.
class FitPlans:
    """Plans each fit once, whoever asks for it.

    Args:
        suite: Whose fits they are.
        sources: Options of what it names.
        versions: Of what they run.
        training: What a protocol says of fits, by the label of the domain and the learner.
    """

    def __init__(
        self,
        suite: Suite,
        sources: Sources,
        versions: Versions,
        training: Callable[[str, str], Training],
    ) -> None:
        self.suite, self.sources, self.versions, self.training = suite, sources, versions, training
        self.made: dict[str, FitCell] = {}

    def criterion(self, label: str, name: str) -> str | None:
        """Return by what the options of a fit are chosen; None where there is no choice."""
        fit = self.suite.fits[name]
        if not fit.tune:
            return None
        if fit.criterion is not None:
            return fit.criterion
        if self.sources.streams(fit.learner):
            return RETAINED
        # Inputs of the target may be looked at where training looks at them anyway.
        return "weighted_source_risk" if self.sees_target(label, name) else VALIDATION_TASKS

    def by_labels(self, label: str, name: str) -> bool:
        """Return whether labels of the test could choose its options, in place of its criterion."""
        return self.criterion(label, name) not in (None, RETAINED)

    def sees_target(self, label: str, name: str, *, labelled: bool = True) -> bool:
        """Return whether a fit trains beside the target, and so is made for each episode.

        Args:
            label: The domain's.
            name: The fit's.
            labelled: Whether a fit that learns from labels of the target has some.
        """
        fit = self.suite.fits[name]
        if not self.sources.pairs(fit.learner):
            return False
        given = {**self.suite.domains[label].view, **fit.view}
        return bool((fit.labels and labelled) or given.get("unlabelled") or given.get("shots"))

    def several(self, label: str, name: str) -> str:
        """Say why a fit is several cells, from which no other can start; "" if it is one."""
        if self.sees_target(label, name):
            return f"fit {name} is made for each target episode, and another can't start from it"
        if self.criterion(label, name) == VALIDATION_TASKS:
            return f"fit {name} is chosen as each method adapts, and another can't start from it"
        return ""

    def choices(self, label: str, seed: int, name: str) -> list[FitCell]:
        """Return the cells of a fit that is tuned on validation tasks: one for each choice.

        Each is trained once, whatever adapts it afterwards. One that diverges is a result, too.
        """
        config = self._config(label, seed, name, self.suite.fits[name].view)
        found = []
        for options in choices_of(in_full(config["tune"])):
            own = {**with_options(config, options), "tried": options}
            found.append(self._made(label, seed, name, own, tried=options))
        return found

    def of(
        self, label: str, seed: int, name: str, *, view: Mapping[str, Any] | None = None,
        criterion: str | None = None, episode: int | None = None,
    ) -> FitCell:  # fmt: skip
        """Return the cell of a fit.

        Args:
            label: The domain's.
            seed: Of training.
            name: The label of the fit.
            view: Options of its view that the suite sets.
            criterion: By what to choose, where something is to be chosen.
            episode: The target episode that it sees.
        """
        whole = {**self.suite.fits[name].view, **(view or {})}
        config = self._config(label, seed, name, whole)
        tune = config["tune"]
        if tune and criterion == RETAINED:
            choice = self._choice(label, name, whole)
            chosen = {"tune": {}, "criterion": RETAINED, "choice": choice.id}
            return self._made(label, seed, name, {**config, **chosen}, after=(choice.id,))
        config["criterion"] = criterion if tune else None
        return self._made(label, seed, name, config, episode=episode)

    def _choice(self, label: str, name: str, view: Mapping[str, Any]) -> FitCell:
        config = self._config(label, CHOICE_SEED, name, view)
        own = {"kind": "choose", "criterion": RETAINED}
        return self._made(label, CHOICE_SEED, f"choice for {name}", {**config, **own})

    def _made(
        self, label: str, seed: int, name: str, config: dict[str, Any],
        after: tuple[str, ...] = (), **more: Any,
    ) -> FitCell:  # fmt: skip
        versions = self.versions.of(config)
        id = cell_id(self.suite.as_written(config), versions)
        after = (*after, config["start"]) if "start" in config else after
        cell = FitCell(id, name, label, seed, config, versions, after=after, **more)
        return self.made.setdefault(cell.id, cell)

    def _config(self, label: str, seed: int, name: str, view: Mapping[str, Any]) -> dict[str, Any]:
        entry, fit = self.suite.domains[label], self.suite.fits[name]
        training = self.training(label, fit.learner)
        strategy = self.sources.trained_with(fit)
        matters = strategy is not None and self.sources.takes_part(fit.learner, strategy)
        return {
            "kind": "fit",
            **domain_of(self.suite, label),
            "learner": fit.learner,
            "options": self.options(entry, fit.learner, fit.options),
            "strategy": strategy if matters else None,
            "strategy_options": dict(fit.strategy_options) if matters else {},
            "tune": {k: v for k, v in fit.tune.items() if matters or whose(k)[0] != STRATEGY},
            "criterion": None,
            "view": dict(view),
            "view_defaults": {**entry.view, **training.view},
            "trainer": {**self._trainer(entry, training.pace), **fit.trainer},
            "seed": seed,
            **self._start(label, seed, fit.fit),
        }

    def _start(self, label: str, seed: int, name: str | None) -> dict[str, str]:
        """Plan the fit that another one starts from, and return what the latter says of it."""
        if name is None:
            return {}
        return {"start": self.of(label, seed, name, criterion=self.criterion(label, name)).id}

    def _trainer(self, entry: SuiteDomain, pace: frozenset[str]) -> dict[str, Any]:
        given = {**self.suite.trainer, **entry.trainer}
        return {name: value for name, value in given.items() if name not in pace}

    def options(self, entry: SuiteDomain, name: str, own: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options of a learner: its own over the domain's."""
        return {**accepted_options(self.sources.of("learner", name), entry.learner), **own}


def domain_of(suite: Suite, label: str) -> dict[str, Any]:
    """Return what a configuration says of a domain."""
    entry = suite.domains[label]
    return {"domain": entry.domain or label, "domain_options": dict(entry.options)}
