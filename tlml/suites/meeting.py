"""A method and a domain of a suite: what a protocol plans from. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tlml.registry.combinations import ALONE
from tlml.suites.cells import VALIDATION_TASKS
from tlml.suites.fit_plans import domain_of
from tlml.suites.sources import adapting

if TYPE_CHECKING:
    from tlml.spec import Spec
    from tlml.suites.cells import FitCell
    from tlml.suites.fit_plans import FitPlans
    from tlml.suites.schema import Suite, SuiteDomain, SuiteFit, SuiteMethod
    from tlml.suites.sources import Sources


@dataclass(frozen=True, slots=True)
class Meeting:
    """A method that meets a domain.

    Args:
        suite: The whole comparison.
        sources: Options of what it names, and the registry.
        fits: Where fits are planned.
        label: The domain's.
        method: The method's label.
        protocol: The name of the protocol.
        oracle: Choose by the labels of the test.
    """

    suite: Suite
    sources: Sources
    fits: FitPlans
    label: str
    method: str
    protocol: str
    oracle: bool = False

    @property
    def entry(self) -> SuiteDomain:
        """What the suite says of the domain."""
        return self.suite.domains[self.label]

    @property
    def own(self) -> SuiteMethod:
        """What the suite says of the method."""
        return self.suite.methods[self.method]

    @property
    def fit(self) -> SuiteFit | None:
        """What the method starts from; None: an untrained learner."""
        return self.suite.fits[self.own.fit] if self.own.fit else None

    @property
    def episodes(self) -> int:
        """How many target episodes the domain is to have."""
        return self.entry.episodes or self.suite.episodes

    @property
    def learner(self) -> str:
        """The learner of the fit, or the untrained one."""
        return self.fit.learner if self.fit else self.own.learner

    def fit_cell(
        self, seed: int, view: Mapping[str, Any] | None = None, episode: int | None = None,
        criterion: str | None = None,
    ) -> FitCell:  # fmt: skip
        """Return the cell of the method's fit, which is planned by that.

        Args:
            seed: Of training.
            view: Options of its view that the protocol sets.
            episode: The target episode that it sees.
            criterion: By what to choose, where the fit has options to choose; None: as it says.
        """
        assert self.own.fit is not None
        chosen = criterion or self.fits.criterion(self.label, self.own.fit)
        return self.fits.of(
            self.label, seed, self.own.fit, view=view, criterion=chosen, episode=episode
        )

    @property
    def chooses_fit(self) -> bool:
        """Whether the options of its fit are chosen on validation tasks, as the method adapts."""
        name = self.own.fit
        return name is not None and self.fits.criterion(self.label, name) == VALIDATION_TASKS

    def fit_choices(self, seed: int) -> list[FitCell]:
        """Return the cells of all choices of the fit, of which a protocol keeps the best."""
        assert self.own.fit is not None
        return self.fits.choices(self.label, seed, self.own.fit)

    def config(self, seed: int, fits: Sequence[FitCell]) -> dict[str, Any]:
        """Return what every configuration says: domain, learner, strategy, fits and seed."""
        strategy, inherited = adapting(self.suite, self.sources, self.method)
        made = fits[0].config if fits else None
        own = self.own.learner
        return {
            "kind": "adapt",
            "protocol": self.protocol,
            "fits": [fit.id for fit in fits],
            **domain_of(self.suite, self.label),
            "learner": made["learner"] if made else own,
            "options": made["options"] if made else self.fits.options(self.entry, own, {}),
            "strategy": strategy,
            "strategy_options": {**inherited, **self.own.options},
            "seed": seed,
        }

    def misfit(self) -> str:
        """Say why domain, learner and strategies do not go together; "" if they do."""
        strategy, _ = adapting(self.suite, self.sources, self.method)
        if self.fit is None:
            return self._clash(self.learner, strategy) or self._idle(strategy, None)
        trained = self.sources.trained_with(self.fit)
        # What a learner asks of its strategy, it asks of the one that it is trained with.
        in_test = self._clash(self.learner, strategy, adapting_only=True)
        return self.misfit_in_training() or in_test or self._idle(strategy, trained)

    def misfit_in_training(self) -> str:
        """Say why the fit, or what it starts from, cannot be made on the domain; "" if both can."""
        if self.own.fit is None:
            return ""
        before = self.suite.started_from(self.own.fit)
        fits = [self.suite.fits[name] for name in (self.own.fit, *before)]
        clashes = (self._clash(fit.learner, self.sources.trained_with(fit)) for fit in fits)
        several = (self.fits.several(self.label, name) for name in before)
        return next(filter(None, (*clashes, *several)), "")

    def _idle(self, strategy: str | None, trained: str | None) -> str:
        """Say why a strategy would do nothing of its own in a test; "" if it does something."""
        registry = self.sources.registry
        runs = "estimates" in registry.spec("learner", self.learner).gives
        if strategy is None or strategy == trained or runs:
            return ""
        if registry.spec("strategy", strategy).gives.isdisjoint({"aligns", "weighs"}):
            return ""
        return (
            f"strategy {strategy} acts in training, and this training is without it; name it in a "
            "fit, and here how to adapt, such as as_trained or full"
        )

    def _clash(self, learner: str, strategy: str | None, adapting_only: bool = False) -> str:
        verdict = self.sources.registry.judge(self.domain.name, learner, strategy or ALONE)
        if adapting_only:
            kept = tuple(lack for lack in verdict.lacks if lack.kind == "strategy")
            verdict = replace(verdict, lacks=kept)
        return verdict.text() if verdict.lacks else ""

    @property
    def domain(self) -> Spec:
        """The domain's Spec."""
        return self.sources.registry.spec("domain", self.entry.domain or self.label)
