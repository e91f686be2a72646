"""From a suite to the cells to run: fits made once, and the adaptations that share them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib import metadata
from typing import TYPE_CHECKING, Any

from tlml.errors import TlmlError
from tlml.registry.combinations import ALONE
from tlml.suites.cells import (
    ORACLE,
    TARGET_LABELS,
    VALIDATION_TASKS,
    AdaptCell,
    FitCell,
    Plan,
    Refused,
    cell_id,
)
from tlml.suites.check import EPISODES, Sources, adapting, problems, taken
from tlml.suites.description import EPISODES as SHOWN
from tlml.yaml_lines import dotted

if TYPE_CHECKING:
    from tlml.registry.registry import Registry
    from tlml.spec import Kind, Spec
    from tlml.suites.schema import Suite, SuiteDomain

EPISODE_SEED = 0  # the key of target episodes, for every method and seed


def plan(suite: Suite, registry: Registry, *, oracle: bool = False) -> Plan:
    """Resolve a suite into cells, from specs and sources alone.

    Args:
        suite: What to compare.
        registry: What its names mean.
        oracle: Add to each method that has something to choose a second one, marked `ORACLE`,
            which chooses by the labels that it is tested on: the bound that no choice can pass.

    Raises:
        TlmlError: Something in the suite is wrong, or nothing in it can be run.
    """
    for where, message, _ in problems(suite, registry):
        raise TlmlError(f"suite {suite.name}: {dotted(where)}: {message}")
    planner = _Planner(suite, registry)
    adapts = list(planner.adapts())
    tuned = [label for label in suite.methods if planner.tunes(label)]
    if oracle and not tuned:
        raise TlmlError(f"oracle: nothing is tuned in suite {suite.name}, so there is no choice")
    if oracle:
        adapts += planner.adapts(tuned, oracle=True)
        methods = [
            name
            for label in suite.methods
            for name in ([label, label + ORACLE] if label in tuned else [label])
        ]
    else:
        methods = list(suite.methods)
    refused = tuple(dict.fromkeys(planner.refused))
    if not adapts:
        reason = refused[0].reason
        raise TlmlError(f"suite {suite.name}: nothing in it can be run: {reason}")
    return Plan(
        suite.name, suite.reference, tuple(methods), tuple(suite.domains),
        tuple(planner.fits.values()), tuple(adapts), refused, {"episodes": SHOWN},
    )  # fmt: skip


class _Planner:
    def __init__(self, suite: Suite, registry: Registry) -> None:
        self.suite, self.registry = suite, registry
        self.sources = Sources(registry)
        self.fits: dict[str, FitCell] = {}
        self.refused: list[Refused] = []

    def adapts(
        self, methods: Sequence[str] | None = None, *, oracle: bool = False
    ) -> Iterator[AdaptCell]:
        """Yield the adaptations, and collect on the way the fits that they need."""
        for domain, entry in self.suite.domains.items():
            for method in self.suite.methods if methods is None else methods:
                reason = self._refusal(domain, method)
                if reason:
                    self.refused.append(Refused(domain, method, reason))
                    continue
                own = self.suite.methods[method].shots
                for shots in (n for n in entry.shots if own is None or n in own):
                    for seed in self.suite.seeds:
                        yield self._adapt(domain, shots, seed, method, oracle)

    def tunes(self, method: str) -> bool:
        """Say whether something is chosen in a method or in its fit."""
        fit = self._fit_of(method)
        return bool(self.suite.methods[method].tune or (fit and fit.tune))

    def _refusal(self, label: str, method: str) -> str:
        """Say why a method cannot be run on a domain; "" if it can."""
        domain = self.registry.spec("domain", self._registered(label))
        if "episodes" not in domain.gives:
            return f"domain {domain.name} gives no episodes, and methods are compared on episodes"
        fit = self._fit_of(method)
        strategy, _ = adapting(self.suite, self.sources, method)
        if fit is None:
            learner = self.suite.methods[method].learner
            return self._clash(domain, learner, strategy) or self._idle(learner, strategy, None)
        trained = self.sources.trained_with(fit)
        in_training = self._clash(domain, fit.learner, trained)
        # What a learner asks of its strategy, it asks of the one that it is trained with.
        in_test = self._clash(domain, fit.learner, strategy, adapting_only=True)
        return in_training or in_test or self._idle(fit.learner, strategy, trained)

    def _idle(self, learner: str, strategy: str | None, trained: str | None) -> str:
        """Say why a strategy would do nothing of its own in a test; "" if it does something."""
        runs = "estimates" in self.registry.spec("learner", learner).gives
        if strategy is None or strategy == trained or runs:
            return ""
        if self.registry.spec("strategy", strategy).gives.isdisjoint({"aligns", "weighs"}):
            return ""
        return (
            f"strategy {strategy} acts in training, and this training is without it; name it in a "
            "fit, and here how to adapt, such as as_trained or full"
        )

    def _clash(
        self, domain: Spec, learner: str, strategy: str | None, adapting_only: bool = False
    ) -> str:
        verdict = self.registry.judge(domain.name, learner, strategy or ALONE)
        if adapting_only:
            kept = tuple(lack for lack in verdict.lacks if lack.kind == "strategy")
            verdict = replace(verdict, lacks=kept)
        return verdict.text() if verdict.lacks else ""

    def _adapt(self, label: str, shots: int, seed: int, method: str, oracle: bool) -> AdaptCell:
        fits = tuple(self._fits(label, shots, seed, method, oracle))
        config = self._adapt_config(label, shots, seed, method, fits, oracle)
        versions = self._versions(config)
        id, name = cell_id(config, versions), method + ORACLE * oracle
        ids = tuple(fit.id for fit in fits)
        point = {"shots": shots}
        return AdaptCell(id, label, "episodes", point, seed, name, ids, config, versions)

    def _adapt_config(
        self, label: str, shots: int, seed: int, method: str, fits: Sequence[FitCell], oracle: bool
    ) -> dict[str, Any]:
        entry, own = self.suite.domains[label], self.suite.methods[method]
        strategy, inherited = adapting(self.suite, self.sources, method)
        view = taken(self.sources.target(EPISODES), entry.view)
        made = fits[0].config if fits else None
        return {
            "kind": "adapt",
            "protocol": "episodes",
            "fits": [fit.id for fit in fits],
            **self._domain(label),
            "learner": made["learner"] if made else own.learner,
            "options": made["options"] if made else self._options(entry, own.learner, {}),
            "strategy": strategy,
            "strategy_options": {**inherited, **own.options},
            "tune": dict(own.tune),
            "criterion": (TARGET_LABELS if oracle else VALIDATION_TASKS) if own.tune else None,
            "head": own.head,
            # All seeds of training meet the same target episodes.
            "view": {
                **view, "shots": shots, "episodes": self._episodes(label), "seed": EPISODE_SEED
            },
            "seed": seed,
        }  # fmt: skip

    def _episodes(self, label: str) -> int:
        return self.suite.domains[label].episodes or self.suite.episodes

    def _fits(
        self, label: str, shots: int, seed: int, method: str, oracle: bool
    ) -> Iterator[FitCell]:
        """Yield the fit of a method: one for all target episodes unless it sees them."""
        name = self.suite.methods[method].fit
        if name is None:
            return
        fit, entry = self.suite.fits[name], self.suite.domains[label]
        shots = shots if fit.labels else 0
        criterion = (TARGET_LABELS if oracle else fit.criterion) if fit.tune else None
        given = {**entry.view, **fit.view} if self.sources.pairs(fit.learner) else {}
        sees = bool(shots or given.get("unlabelled") or given.get("shots"))
        if not sees and criterion != TARGET_LABELS:
            yield self._fit(label, seed, name, {}, criterion, None)
            return
        for episode in range(self._episodes(label)):
            view = {"episode": episode, "episode_seed": EPISODE_SEED}
            if fit.labels:
                view["shots"] = shots
            yield self._fit(label, seed, name, view, criterion, episode)

    def _fit(
        self, label: str, seed: int, name: str, view: dict[str, Any], criterion: str | None,
        episode: int | None,
    ) -> FitCell:  # fmt: skip
        config = self._fit_config(label, seed, name, view, criterion)
        versions = self._versions(config)
        cell = FitCell(cell_id(config, versions), name, label, seed, config, versions, episode)
        return self.fits.setdefault(cell.id, cell)

    def _fit_config(
        self, label: str, seed: int, name: str, view: dict[str, Any], criterion: str | None
    ) -> dict[str, Any]:
        entry, fit = self.suite.domains[label], self.suite.fits[name]
        strategy = self.sources.trained_with(fit)
        matters = strategy is not None and self._takes_part(fit.learner, strategy)
        return {
            "kind": "fit",
            **self._domain(label),
            "learner": fit.learner,
            "options": self._options(entry, fit.learner, fit.options),
            "strategy": strategy if matters else None,
            "strategy_options": dict(fit.strategy_options) if matters else {},
            "tune": dict(fit.tune) if matters else {},
            "criterion": criterion if matters else None,
            "view": {**fit.view, **view},
            "view_defaults": dict(entry.view),
            "trainer": {**self.suite.trainer, **entry.trainer, **fit.trainer},
            "seed": seed,
        }

    def _takes_part(self, learner: str, strategy: str) -> bool:
        """Say whether training is another with this strategy: it aligns, it weighs, or is asked."""
        gives = self.registry.spec("strategy", strategy).gives
        asked = self.registry.spec("learner", learner).needs
        return bool(gives & {"aligns", "weighs"}) or any(
            not gives.isdisjoint(need.split("|")) for need in asked
        )

    def _domain(self, label: str) -> dict[str, Any]:
        options = dict(self.suite.domains[label].options)
        return {"domain": self._registered(label), "domain_options": options}

    def _options(self, entry: SuiteDomain, name: str, own: dict[str, Any]) -> dict[str, Any]:
        return {**taken(self.sources.of("learner", name), entry.learner), **own}

    def _registered(self, label: str) -> str:
        return self.suite.domains[label].domain or label

    def _fit_of(self, method: str) -> Any:
        name = self.suite.methods[method].fit
        return self.suite.fits[name] if name else None

    def _versions(self, config: dict[str, Any]) -> dict[str, str]:
        """Return the versions of all that a cell runs: another release may give other numbers."""
        import tlml

        versions = {"tlml": tlml.__version__, "torch": _installed("torch")}
        kinds: tuple[Kind, ...] = ("domain", "learner", "strategy")
        for kind in kinds:
            if config[kind]:
                plugin = self.registry.plugin_of(kind, config[kind])
                if plugin.distribution:
                    versions[plugin.distribution] = plugin.version
        return versions


def _installed(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "none"
