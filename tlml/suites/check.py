"""Checks a suite against what is registered, from specs and sources alone: no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tlml.errors import TlmlError, shorten, unknown
from tlml.suites.cells import RETAINED, VALIDATION_TASKS
from tlml.suites.option_problems import TAKEN, check_given, missing
from tlml.suites.protocols.table import Protocols
from tlml.suites.schema import LEARNER, PRETRAINED, STRATEGY, TRAINER
from tlml.suites.sources import Sources, adapting, union
from tlml.suites.tuning import part_of_choice, whose
from tlml.yaml_lines import Problem

if TYPE_CHECKING:
    from tlml.registry.registry import Registry
    from tlml.spec import Kind
    from tlml.suites.schema import Suite, SuiteFit
    from tlml.yaml_lines import Where

_TRAINER = "pytorch_lightning.trainer.trainer:Trainer"
_EPISODE = {
    **TAKEN,
    "episode": "the suite: a fit that sees the target is made for each of its episodes",
    "episode_seed": "the suite, likewise",
}


# What a suite decides of the Trainer of its fits, with the place or the reason.
_OWNED = {
    **dict.fromkeys(("logger", "default_root_dir"), "the suite: each fit logs to its own folder"),
    **dict.fromkeys(
        ("callbacks", "enable_checkpointing", "enable_progress_bar", "enable_model_summary",
         "barebones"),
        "the suite: it shows the progress of all cells, and keeps their checkpoints",
    ),
    **dict.fromkeys(
        ("devices", "num_nodes", "strategy", "plugins"),
        "the suite: a cell is one process, and --jobs says how many run side by side",
    ),
    "overfit_batches": "limit_train_batches",
}  # fmt: skip


def problems(suite: Suite, registry: Registry) -> Iterator[Problem]:
    """Yield everything that is wrong with a suite, in the order of its parts."""
    protocols = Protocols(registry)
    found = list(protocols.problems(_written(suite)))
    yield from found
    sources = Sources(registry)
    yield from _references(suite, sources.acts)
    yield from _names(suite, registry)
    if not found:
        yield from _protocol_options(suite, protocols, sources)
    yield from _domain_options(suite, sources)
    yield from _fit_options(suite, sources, protocols)
    yield from _method_options(suite, sources)
    yield from _trainer_options(suite, sources, protocols)


def _written(suite: Suite) -> dict[str, Any]:
    return {label: entry.given for label, entry in suite.domains.items()}


def _protocol_options(suite: Suite, protocols: Protocols, sources: Sources) -> Iterator[Problem]:
    named = {label: protocols.of(given) for label, given in _written(suite).items()}
    for protocol in protocols.by_name.values():
        keys = {label: own for label, pairs in named.items() for p, own in pairs if p is protocol}
        yield from protocol.problems(suite, keys, sources)


def _references(suite: Suite, acting: Callable[[str], bool]) -> Iterator[Problem]:
    for label, fit in suite.fits.items():
        if fit.fit is not None and fit.fit not in suite.fits:
            yield Problem(("fits", label, "fit"), str(unknown("fit", fit.fit, suite.fits)))
        elif label in suite.started_from(label):
            yield Problem(("fits", label, "fit"), f"{label} would start from itself")
    for label, method in suite.methods.items():
        where = ("methods", label)
        if method.fit is not None and method.fit not in suite.fits:
            yield Problem((*where, "fit"), str(unknown("fit", method.fit, suite.fits)))
        elif method.fit is None and method.strategy is None and not acting(method.learner):
            yield Problem(where, "needs a strategy, or a fit to start from")
        elif method.fit is not None and "learner" in method.model_fields_set:
            message = f"the learner is that of the fit {method.fit}; leave it out"
            yield Problem((*where, "learner"), message)
    if suite.baseline is not None and suite.baseline not in suite.methods:
        yield Problem(("baseline",), str(unknown("method", suite.baseline, suite.methods)))


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
        yield from check_given((*where, "options"), f"domain {name}", options, entry.options)
        yield from missing((*where, "options"), f"domain {name}", options, entry.options)
        yield from check_given((*where, "view"), "views", sources.views(None), entry.view, TAKEN)
        yield from check_given(
            (*where, "learner"),
            f"learners {', '.join(sorted(learners))}",
            every,
            entry.learner,
            TAKEN,
        )


def _fit_options(suite: Suite, sources: Sources, protocols: Protocols) -> Iterator[Problem]:
    for label, fit in suite.fits.items():
        where, whose = ("fits", label), f"learner {fit.learner}"
        options = sources.of("learner", fit.learner)
        yield from check_given((*where, "options"), whose, options, fit.options, _taken(fit))
        yield from _start((*where, "fit"), fit, sources)
        for entry in suite.domains.values():
            tuned = part_of_choice(fit.tune, LEARNER)
            given = {**entry.learner, **fit.options, **tuned, **dict.fromkeys(TAKEN)}
            yield from missing((*where, "options"), whose, options, given)
        views, shared = sources.views(fit.learner), _shared(suite, fit, sources, protocols)
        yield from check_given(
            (*where, "view"), f"view of {whose}", views, fit.view, _EPISODE | shared
        )
        yield from _fit_strategy(where, fit, sources)
        yield from _fit_choice(where, fit, sources, protocols)
        if fit.labels and not sources.pairs(fit.learner):
            message = f"{whose} trains on no pairs of source and target, which could hold labels"
            yield Problem((*where, "labels"), message)


def _taken(fit: SuiteFit) -> dict[str, str]:
    """Return which options of a learner are set elsewhere, with the place."""
    return {**TAKEN, PRETRAINED: "fit, beside options"} if fit.fit is not None else TAKEN


def _start(where: Where, fit: SuiteFit, sources: Sources) -> Iterator[Problem]:
    """Check that a learner that is to start from another fit can."""
    if fit.fit is not None and not sources.starts(fit.learner):
        names = (spec.name for spec in sources.registry.specs("learner"))
        able = ", ".join(filter(sources.starts, names)) or "no learner"
        message = f"learner {fit.learner} has no option {PRETRAINED} to start from it; {able} can"
        yield Problem(where, message)


def _shared(suite: Suite, fit: SuiteFit, sources: Sources, protocols: Protocols) -> dict[str, str]:
    """Return what a protocol decides of the view of a fit, with the key that does."""
    protocol = protocols.training_on(sources.words(fit.learner))
    if protocol is None:
        return {}
    given = {key for entry in suite.domains.values() for key in entry.given}
    keys = sorted(protocol.keys.model_fields.keys() & given)
    return dict.fromkeys(protocol.shared, f"{', '.join(keys)}, in domains") if keys else {}


def _fit_strategy(where: Where, fit: SuiteFit, sources: Sources) -> Iterator[Problem]:
    tune = part_of_choice(fit.tune, STRATEGY)
    yield from _strategy_options(
        (*where, "strategy_options"),
        sources,
        sources.trained_with(fit),
        fit.strategy_options,
        tune,
    )


def _fit_choice(
    where: Where, fit: SuiteFit, sources: Sources, protocols: Protocols
) -> Iterator[Problem]:
    """Check the options that are to be chosen, of whom they are, and by what to choose."""
    place, named = (*where, "tune"), dict[str, str]()
    for key, tunable in fit.tune.items():
        full = "".join(whose(key))
        if full in named:
            message = f"'{named[full]}' and '{key}' are the same option"
            yield Problem(place, message, (*place, key))
        named[full] = key
        for problem in _chosen(place, key, tunable, fit, sources, protocols):
            yield problem._replace(line_of=(*place, key))
    if fit.criterion is not None and (why := _misjudged(fit, sources)):
        message = f"'{fit.criterion}' cannot judge: learner {fit.learner} {why}"
        yield Problem((*where, "criterion"), message)


def _chosen(
    place: Where, key: str, tunable: Any, fit: SuiteFit, sources: Sources, protocols: Protocols
) -> Iterator[Problem]:
    """Check an option of a fit that is to be chosen, and its values."""
    prefix, name = whose(key)
    strategy = sources.trained_with(fit)
    for value in _values(tunable):
        given = {name: value}
        if prefix == LEARNER:
            options = sources.of("learner", fit.learner)
            yield from check_given(place, f"learner {fit.learner}", options, given, _taken(fit))
        elif prefix == TRAINER:
            yield from _trainer(place, given, sources, _pace(fit, sources, protocols))
        elif "." in name:
            message = f"'{key}' is of none that can be tuned: learner, trainer and strategy"
            yield Problem(place, message)
        elif strategy and not sources.takes_part(fit.learner, strategy):
            message = f"strategy {strategy} takes no part in this training; tune it in methods"
            yield Problem(place, message)
        else:
            yield from _strategy_options(place, sources, strategy, given, fit.strategy_options)


def _misjudged(fit: SuiteFit, sources: Sources) -> str:
    """Say why a criterion can't judge a learner; "" if it can."""
    if sources.streams(fit.learner):
        return "" if fit.criterion == RETAINED else "learns a stream: leave it out, or take stream"
    if fit.criterion == RETAINED:
        return "learns no stream"
    if fit.criterion == VALIDATION_TASKS or sources.pairs(fit.learner):
        return ""
    return f"trains on no pairs of source and target: leave it out, or take {VALIDATION_TASKS}"


def _method_options(suite: Suite, sources: Sources) -> Iterator[Problem]:
    for label, method in suite.methods.items():
        where = ("methods", label)
        name, inherited = adapting(suite, sources, label)
        fit = suite.fits[method.fit] if method.fit else None
        same = fit is not None and name == sources.trained_with(fit)
        chosen = part_of_choice(fit.tune, STRATEGY) if fit and same else {}
        set_otherwise = {**inherited, **chosen, **method.tune}
        yield from _strategy_options(
            (*where, "options"), sources, name, method.options, set_otherwise
        )
        for key, tunable in method.tune.items():
            for value in _values(tunable):
                yield from _strategy_options(
                    (*where, "tune"), sources, name, {key: value},
                    {**set_otherwise, **method.options},
                )  # fmt: skip


def _values(tunable: Any) -> list[Any]:
    """Return the values of a choice, or of a range one: those between its ends are no integers."""
    return list(tunable["values"]) if isinstance(tunable, dict) else [float(tunable[0])]


def _strategy_options(
    where: Where, sources: Sources, name: str | None, given: Mapping[str, Any], inherited: Any
) -> Iterator[Problem]:
    if name is None:
        if given:
            yield Problem(where, f"are options of no strategy: name one beside {where[-1]}")
        return
    options = sources.of("strategy", name)
    yield from check_given(where, f"strategy {name}", options, given)
    yield from missing(where, f"strategy {name}", options, {**inherited, **given})


def _trainer_options(suite: Suite, sources: Sources, protocols: Protocols) -> Iterator[Problem]:
    yield from _trainer(("trainer",), suite.trainer, sources)
    for label, entry in suite.domains.items():
        yield from _trainer(("domains", label, "trainer"), entry.trainer, sources)
    for label, fit in suite.fits.items():
        pace = _pace(fit, sources, protocols)
        yield from _trainer(("fits", label, "trainer"), fit.trainer, sources, pace)


def _pace(fit: SuiteFit, sources: Sources, protocols: Protocols) -> dict[str, str]:
    """Return what the view of a fit decides of the Trainer, with what does."""
    protocol = protocols.training_on(sources.words(fit.learner))
    return dict.fromkeys(protocol.pace, f"the {protocol.word}") if protocol else {}


def _trainer(
    where: Where, given: Mapping[str, Any], sources: Sources, pace: Mapping[str, str] | None = None
) -> Iterator[Problem]:
    elsewhere = {**_OWNED, **(pace or {})}
    if given.get("devices") == 1:
        elsewhere.pop("devices")
    yield from check_given(where, "Trainer", sources.target(_TRAINER), given, elsewhere)
    for name in ("max_epochs", "max_steps"):
        if name in given and name not in elsewhere and not _ends_by(name, given):
            message = (
                f"Trainer: '{name}' must be a whole number of at least 0, or -1 where something "
                f"else ends the training, is {shorten(repr(given[name]))}"
            )
            yield Problem(where, message, (*where, name))


def _ends_by(name: str, given: Mapping[str, Any]) -> bool:
    """Return whether a number of epochs or steps is one that a training can end by."""
    value = given[name]
    if value is None:
        return True
    if isinstance(value, bool) or not isinstance(value, int):
        return False
    others = {"max_epochs", "max_steps", "max_time"} - {name}
    return value >= 0 or (value == -1 and any(given.get(o) not in (None, -1) for o in others))
