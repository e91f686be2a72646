"""From a suite to the cells to run: fits made once, and the trials that share them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tlml.errors import TlmlError
from tlml.suites.cells import ORACLE, AdaptCell, Plan, Refusal, cell_id
from tlml.suites.check import problems
from tlml.suites.fit_plans import FitPlans, Training
from tlml.suites.meeting import Meeting
from tlml.suites.protocols.table import Protocols
from tlml.suites.sources import Sources
from tlml.suites.versions import Versions
from tlml.yaml_lines import dotted_path

if TYPE_CHECKING:
    from tlml.registry.registry import Registry
    from tlml.suites.protocols.base import Keys, Protocol, Trial
    from tlml.suites.schema import Suite


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
        raise TlmlError(f"suite {suite.name}: {dotted_path(where)}: {message}")
    planner = _Planner(suite, registry)
    adapts = list(planner.adapts())
    tuned = [label for label in suite.methods if planner.tunes(label)] if oracle else []
    if oracle and not tuned:
        raise TlmlError(f"oracle: nothing is tuned in suite {suite.name}, so there is no choice")
    adapts += planner.adapts(tuned, oracle=True)
    methods = [
        name
        for label in suite.methods
        for name in ([label, label + ORACLE] if label in tuned else [label])
    ]
    refused = tuple(dict.fromkeys(planner.refused))
    if not adapts:
        reason = refused[0].reason
        raise TlmlError(f"suite {suite.name}: nothing in it can be run: {reason}")
    return Plan(
        suite.name, suite.reference, tuple(methods), tuple(suite.domains),
        tuple(planner.fits.made.values()), tuple(adapts), refused, planner.shown(adapts),
    )  # fmt: skip


class _Planner:
    def __init__(self, suite: Suite, registry: Registry) -> None:
        self.suite, self.registry = suite, registry
        self.sources, self.versions = Sources(registry), Versions(registry)
        self.fits = FitPlans(suite, self.sources, self.versions, self._training)
        self.protocols = Protocols(registry)
        self.named = {
            label: self.protocols.of(entry.given) for label, entry in suite.domains.items()
        }
        self.refused: list[Refusal] = []

    def adapts(
        self, methods: Sequence[str] | None = None, *, oracle: bool = False
    ) -> Iterator[AdaptCell]:
        """Yield what is measured, and collect on the way the fits that it needs."""
        for label in self.suite.domains:
            for method in self.suite.methods if methods is None else methods:
                yield from self._met(label, method, oracle)

    def tunes(self, method: str) -> bool:
        """Say whether target labels could choose something in a method or in its fit."""
        own = self.suite.methods[method]
        return bool(own.tune) or (own.fit is not None and self.fits.by_labels(own.fit))

    def shown(self, adapts: Sequence[AdaptCell]) -> dict[str, Any]:
        """Return how to show the protocols that occur."""
        names = dict.fromkeys(cell.protocol for cell in adapts)
        return {name: self.protocols.by_name[name].shown for name in names}

    def _met(self, label: str, method: str, oracle: bool) -> Iterator[AdaptCell]:
        alone = len(self.named[label]) == 1
        for protocol, keys in self.named[label]:
            meeting = Meeting(
                self.suite, self.sources, self.fits, label, method, protocol.name, oracle
            )
            if reason := _refusal(protocol, meeting):
                name = "" if alone else protocol.name
                self.refused.append(Refusal(label, method, reason, name))
                continue
            for trial in protocol.trials(meeting, keys):
                yield self._cell(meeting, trial)

    def _cell(self, meeting: Meeting, trial: Trial) -> AdaptCell:
        versions = self.versions.of(trial.config)
        ids = tuple(fit.id for fit in trial.fits)
        id = cell_id(self.suite.as_written(trial.config), versions)
        return AdaptCell(
            id, meeting.label, meeting.protocol, trial.point, trial.seed,
            meeting.method + ORACLE * meeting.oracle, ids, trial.config, versions,
        )  # fmt: skip

    def _training(self, label: str, learner: str) -> Training:
        protocol = self.protocols.training_on(self.sources.words(learner))
        if protocol is None:
            return Training()
        own: dict[str, Keys] = {one.name: keys for one, keys in self.named[label]}
        keys = own.get(protocol.name)
        return Training(protocol.training(keys) if keys else {}, protocol.pace)


def _refusal(protocol: Protocol[Any], meeting: Meeting) -> str:
    """Say why a method is left out of a protocol on a domain; "" if it is not."""
    domain, word = meeting.domain, protocol.word
    if word not in domain.gives:
        return f"domain {domain.name} gives no {word}, which protocol {protocol.name} needs"
    return protocol.refusal(meeting)
