"""Options of what a suite names, read from sources: no torch."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tlml.errors import TlmlError
from tlml.registry.options import Option, Options
from tlml.registry.source_options import read_options
from tlml.spec import VIEWS
from tlml.suites.schema import PRETRAINED, STRATEGY
from tlml.suites.tuning import part_of_choice

if TYPE_CHECKING:
    from tlml.registry.registry import Registry
    from tlml.spec import Kind
    from tlml.suites.schema import Suite, SuiteFit

EPISODES, STREAM = VIEWS["episodes"], VIEWS["stream"]


@dataclass(slots=True)
class Sources:
    """Reads options of registered classes from their sources, each once."""

    registry: Registry
    _read: dict[str, Options] = field(default_factory=dict)

    def of(self, kind: Kind, name: str) -> Options:
        """Return the options of a registered name; any are allowed where none can be read."""
        return self.target(self.registry.spec(kind, name).target)

    def target(self, target: str) -> Options:
        """Return the options of ``"module:Class"``; any are allowed where none can be read."""
        if target not in self._read:
            try:
                self._read[target] = read_options(target)
            except TlmlError:
                self._read[target] = Options((), more=True)
        return self._read[target]

    def words(self, learner: str) -> set[str]:
        """Return the words of the views that a learner may train on; none where it says none."""
        needs = self.registry.spec("learner", learner).needs
        return {word for need in needs for word in need.split("|")} & VIEWS.keys()

    def views(self, learner: str | None) -> Options:
        """Return the options of the views that a learner may train on (None: of all)."""
        words = self.words(learner) if learner else set()
        targets = [VIEWS[word] for word in VIEWS if word in words] or list(VIEWS.values())
        return union(self.target(target) for target in targets)

    def pairs(self, learner: str) -> bool:
        """Return whether a learner trains on source and target side by side."""
        return "pair" in self.registry.spec("learner", learner).needs

    def streams(self, learner: str) -> bool:
        """Return whether a learner trains on streams."""
        return self.words(learner) == {"stream"}

    def starts(self, learner: str) -> bool:
        """Return whether a learner can start from another's checkpoint."""
        return any(option.name == PRETRAINED for option in self.of("learner", learner).known)

    def acts(self, learner: str) -> bool:
        """Return whether a learner trains in environments, by itself; false of unknown ones."""
        try:
            return self.words(learner) == {"env"}
        except TlmlError:
            return False

    def takes_part(self, learner: str, strategy: str) -> bool:
        """Say whether training is another with this strategy: it aligns, it weighs, or is asked."""
        gives = self.registry.spec("strategy", strategy).gives
        asked = self.registry.spec("learner", learner).needs
        return bool(gives & {"aligns", "weighs"}) or any(
            not gives.isdisjoint(need.split("|")) for need in asked
        )

    def trained_with(self, fit: SuiteFit) -> str | None:
        """Return the strategy of a fit: the named one, or its learner's default."""
        if fit.strategy is not None:
            return fit.strategy
        for option in self.of("learner", fit.learner).known:
            if option.name == "strategy" and option.default is not None:
                return _literal_name(option.default)
        return None


def accepted_options(options: Options, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of `given` that a class takes."""
    names = {option.name for option in options.known}
    return {name: value for name, value in given.items() if options.more or name in names}


def union(several: Iterable[Options]) -> Options:
    """Return the options that at least one of several classes takes, of any of their types."""
    every, known = list(several), dict[str, Option]()
    for option in (option for options in every for option in options.known):
        before = known.get(option.name, option)
        known[option.name] = replace(option, type=_either(before.type, option.type))
    return Options(tuple(known.values()), any(options.more for options in every))


def adapting(suite: Suite, sources: Sources, label: str) -> tuple[str | None, dict[str, Any]]:
    """Return the strategy that a method adapts with, and the options it has from its fit.

    Those that are tuned in the fit are not among them: what is chosen comes in their place.
    """
    method = suite.methods[label]
    if method.fit is None:
        return method.strategy, {}
    fit = suite.fits[method.fit]
    trained = sources.trained_with(fit)
    if method.strategy in (None, trained):
        tuned = part_of_choice(fit.tune, STRATEGY)
        return trained, {k: v for k, v in fit.strategy_options.items() if k not in tuned}
    return method.strategy, {}


def _either(*types: str) -> str:
    """Return a type that all values of some types have; nothing is said where one says nothing."""
    parts = (part.strip() for written in types for part in written.split("|"))
    return " | ".join(dict.fromkeys(parts)) if all(types) else ""


def _literal_name(source: str) -> str | None:
    try:
        value = ast.literal_eval(source)
    except ValueError:
        return None
    name = value.get("name") if isinstance(value, dict) else value
    return name if isinstance(name, str) else None
