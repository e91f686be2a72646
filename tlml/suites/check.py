"""Checks a suite against what is registered, from specs and sources alone: no torch."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tlml.errors import TlmlError, unknown
from tlml.registry.options import Option, Options, check_options
from tlml.registry.source_options import read_options
from tlml.yaml_lines import Problem

if TYPE_CHECKING:
    from tlml.registry.registry import Registry
    from tlml.spec import Kind
    from tlml.suites.schema import Suite, SuiteFit
    from tlml.yaml_lines import Where

TRAINER = "pytorch_lightning.trainer.trainer:Trainer"
EPISODES = "tlml.views.episode:EpisodeView"
# What a learner's Spec needs of a domain says on which view it trains.
_VIEWS = {
    "pair": "tlml.views.pair:PairView",
    "episodes": EPISODES,
    "stream": "tlml.views.stream:StreamView",
    "env": "tlml.views.env:EnvView",
}
# Options that a suite decides itself, with the place where it does.
_TAKEN = {
    "seed": "seeds",
    "spaces": "the view",
    "strategy": "strategy, beside options",
    "domain": "domains",
    "split": "the suite: fits see source and validation, tests the target",
    "adapt": "methods",
    "head": "methods",
}
_EPISODE = {
    **_TAKEN,
    "episode": "the suite: a fit that sees the target is made for each of its episodes",
    "episode_seed": "the suite, likewise",
}


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

    def views(self, learner: str | None) -> Options:
        """Return the options of the views that a learner may train on (None: of all)."""
        needs = self.registry.spec("learner", learner).needs if learner else ()
        words = {word for need in needs for word in need.split("|")}
        targets = [_VIEWS[word] for word in _VIEWS if word in words] or list(_VIEWS.values())
        return union(self.target(target) for target in targets)

    def pairs(self, learner: str) -> bool:
        """Return whether a learner trains on source and target side by side."""
        return "pair" in self.registry.spec("learner", learner).needs

    def trained_with(self, fit: SuiteFit) -> str | None:
        """Return the strategy of a fit: the named one, or its learner's default."""
        if fit.strategy is not None:
            return fit.strategy
        for option in self.of("learner", fit.learner).known:
            if option.name == "strategy" and option.default is not None:
                return _literal_name(option.default)
        return None


def problems(suite: Suite, registry: Registry) -> Iterator[Problem]:
    """Yield everything that is wrong with a suite, in the order of its parts."""
    yield from _references(suite)
    yield from _names(suite, registry)
    sources = Sources(registry)
    yield from _domain_options(suite, sources)
    yield from _fit_options(suite, sources)
    yield from _method_options(suite, sources)
    yield from _trainer_options(suite, sources)


def taken(options: Options, given: Mapping[str, Any]) -> dict[str, Any]:
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


def _either(*types: str) -> str:
    """Return a type that all values of some types have; nothing is said where one says nothing."""
    parts = (part.strip() for written in types for part in written.split("|"))
    return " | ".join(dict.fromkeys(parts)) if all(types) else ""


def _references(suite: Suite) -> Iterator[Problem]:
    for label, method in suite.methods.items():
        where = ("methods", label)
        if method.fit is not None and method.fit not in suite.fits:
            yield Problem((*where, "fit"), str(unknown("fit", method.fit, suite.fits)))
        elif method.fit is None and method.strategy is None:
            yield Problem(where, "needs a strategy, or a fit to start from")
        elif method.fit is not None and "learner" in method.model_fields_set:
            message = f"the learner is that of the fit {method.fit}; leave it out"
            yield Problem((*where, "learner"), message)
        yield from _shots(suite, label)
    if suite.baseline is not None and suite.baseline not in suite.methods:
        yield Problem(("baseline",), str(unknown("method", suite.baseline, suite.methods)))


def _shots(suite: Suite, label: str) -> Iterator[Problem]:
    own, where = suite.methods[label].shots, ("methods", label, "shots")
    there = sorted({shots for entry in suite.domains.values() for shots in entry.shots})
    if own is None:
        return
    for shots in own:
        if shots not in there:
            numbers = ", ".join(map(str, there))
            yield Problem(where, f"no domain is compared at {shots} shots, but at {numbers}")
    if label == suite.reference:
        yield Problem(where, "the others are compared with this method, at all shots: leave it out")


def _names(suite: Suite, registry: Registry) -> Iterator[Problem]:
    for where, kind, name in _named(suite):
        try:
            registry.spec(kind, name)
        except TlmlError as error:
            yield Problem(where, str(error))


def _named(suite: Suite) -> Iterator[tuple[Where, Kind, str]]:
    for label, entry in suite.domains.items():
        yield ("domains", label, "domain"), "domain", entry.domain or label
    for label, fit in suite.fits.items():
        yield ("fits", label, "learner"), "learner", fit.learner
        if fit.strategy is not None:
            yield ("fits", label, "strategy"), "strategy", fit.strategy
    for label, method in suite.methods.items():
        if method.strategy is not None:
            yield ("methods", label, "strategy"), "strategy", method.strategy
        if method.fit is None:
            yield ("methods", label, "learner"), "learner", method.learner


def _domain_options(suite: Suite, sources: Sources) -> Iterator[Problem]:
    learners = {fit.learner for fit in suite.fits.values()}
    learners |= {method.learner for method in suite.methods.values() if method.fit is None}
    every = union(sources.of("learner", name) for name in learners)
    for label, entry in suite.domains.items():
        where, name = ("domains", label), entry.domain or label
        options = sources.of("domain", name)
        yield from _checked((*where, "options"), f"domain {name}", options, entry.options)
        yield from _missing((*where, "options"), f"domain {name}", options, entry.options)
        yield from _checked((*where, "view"), "views", sources.views(None), entry.view, _TAKEN)
        yield from _checked(
            (*where, "learner"),
            f"learners {', '.join(sorted(learners))}",
            every,
            entry.learner,
            _TAKEN,
        )


def _fit_options(suite: Suite, sources: Sources) -> Iterator[Problem]:
    for label, fit in suite.fits.items():
        where, whose = ("fits", label), f"learner {fit.learner}"
        options = sources.of("learner", fit.learner)
        yield from _checked((*where, "options"), whose, options, fit.options, _TAKEN)
        for entry in suite.domains.values():
            given = {**entry.learner, **fit.options, **dict.fromkeys(_TAKEN)}
            yield from _missing((*where, "options"), whose, options, given)
        views = sources.views(fit.learner)
        yield from _checked((*where, "view"), f"view of {whose}", views, fit.view, _EPISODE)
        strategy = sources.trained_with(fit)
        yield from _strategy_options(
            (*where, "strategy_options"), sources, strategy, fit.strategy_options, fit.tune
        )
        yield from _strategy_options(
            (*where, "tune"), sources, strategy, _tried(fit.tune), fit.strategy_options
        )
        if fit.labels and not sources.pairs(fit.learner):
            message = f"{whose} trains on no pairs of source and target, which could hold labels"
            yield Problem((*where, "labels"), message)


def _method_options(suite: Suite, sources: Sources) -> Iterator[Problem]:
    for label, method in suite.methods.items():
        where = ("methods", label)
        name, inherited = adapting(suite, sources, label)
        fit = suite.fits[method.fit] if method.fit else None
        chosen = fit.tune if fit and name == sources.trained_with(fit) else {}
        set_otherwise = {**inherited, **chosen, **method.tune}
        yield from _strategy_options(
            (*where, "options"), sources, name, method.options, set_otherwise
        )
        yield from _strategy_options(
            (*where, "tune"),
            sources,
            name,
            _tried(method.tune),
            {**set_otherwise, **method.options},
        )


def _tried(tune: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, ends in tune.items() for value in _ends(ends)}


def _ends(tunable: Any) -> list[Any]:
    """Return values that a range or a choice holds, of which one tells the type."""
    values = tunable["values"] if isinstance(tunable, dict) else tunable
    return list(values[:1])


def adapting(suite: Suite, sources: Sources, label: str) -> tuple[str | None, dict[str, Any]]:
    """Return the strategy that a method adapts with, and the options it has from its fit."""
    method = suite.methods[label]
    if method.fit is None:
        return method.strategy, {}
    fit = suite.fits[method.fit]
    trained = sources.trained_with(fit)
    if method.strategy in (None, trained):
        return trained, dict(fit.strategy_options)
    return method.strategy, {}


def _strategy_options(
    where: Where, sources: Sources, name: str | None, given: Mapping[str, Any], inherited: Any
) -> Iterator[Problem]:
    if name is None:
        if given:
            yield Problem(where, f"are options of no strategy: name one beside {where[-1]}")
        return
    options = sources.of("strategy", name)
    yield from _checked(where, f"strategy {name}", options, given)
    yield from _missing(where, f"strategy {name}", options, {**inherited, **given})


def _trainer_options(suite: Suite, sources: Sources) -> Iterator[Problem]:
    options = sources.target(TRAINER)
    places: list[tuple[Where, Mapping[str, Any]]] = [(("trainer",), suite.trainer)]
    places += [(("domains", label, "trainer"), d.trainer) for label, d in suite.domains.items()]
    places += [(("fits", label, "trainer"), f.trainer) for label, f in suite.fits.items()]
    for where, given in places:
        yield from _checked(where, "Trainer", options, given)


def _checked(
    where: Where,
    whose: str,
    options: Options,
    given: Mapping[str, Any],
    elsewhere: Mapping[str, str] | None = None,
) -> Iterator[Problem]:
    """Check given options one by one, so that each error has its own line."""
    optional = Options(tuple(replace(o, default="") for o in options.known), options.more)
    for key, value in given.items():
        if elsewhere and key in elsewhere:
            message = f"'{key}' is not an option here, it is set by {elsewhere[key]}"
            yield Problem(where, message, (*where, key))
            continue
        try:
            check_options(whose, optional, {key: value})
        except TlmlError as error:
            yield Problem(where, str(error), (*where, key))


def _missing(
    where: Where, whose: str, options: Options, given: Mapping[str, Any]
) -> Iterator[Problem]:
    """Check that what must be given is."""
    needed = Options(tuple(o for o in options.known if o.name not in given), more=True)
    try:
        check_options(whose, needed, {})
    except TlmlError as error:
        yield Problem(where, str(error))


def _literal_name(source: str) -> str | None:
    try:
        value = ast.literal_eval(source)
    except ValueError:
        return None
    return value if isinstance(value, str) else None
