"""Checks a suite against what is registered, from specs and sources alone: no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tlml.errors import TlmlError, shorten, unknown
from tlml.suites.cells import RETAINED
from tlml.suites.option_problems import TAKEN, check_given, missing
from tlml.suites.protocols.table import Protocols
from tlml.suites.schema import LEARNER
from tlml.suites.sources import Sources, adapting, union
from tlml.yaml_lines import Problem

if TYPE_CHECKING:
    from tlml.registry.registry import Registry
    from tlml.spec import Kind
    from tlml.suites.schema import Suite, SuiteFit
    from tlml.yaml_lines import Where

TRAINER = "pytorch_lightning.trainer.trainer:Trainer"
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
    yield from _references(suite)
    yield from _names(suite, registry)
    sources = Sources(registry)
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
        yield from check_given((*where, "options"), whose, options, fit.options, TAKEN)
        for entry in suite.domains.values():
            given = {**entry.learner, **fit.options, **_of_learner(fit), **dict.fromkeys(TAKEN)}
            yield from missing((*where, "options"), whose, options, given)
        views, shared = sources.views(fit.learner), _shared(suite, fit, sources, protocols)
        yield from check_given(
            (*where, "view"), f"view of {whose}", views, fit.view, _EPISODE | shared
        )
        yield from _fit_strategy(where, fit, sources)
        yield from _fit_choice(where, fit, sources)
        if fit.labels and not sources.pairs(fit.learner):
            message = f"{whose} trains on no pairs of source and target, which could hold labels"
            yield Problem((*where, "labels"), message)


def _shared(suite: Suite, fit: SuiteFit, sources: Sources, protocols: Protocols) -> dict[str, str]:
    """Return what a protocol decides of the view of a fit, with the key that does."""
    protocol = protocols.training_on(sources.words(fit.learner))
    if protocol is None:
        return {}
    given = {key for entry in suite.domains.values() for key in entry.given}
    keys = sorted(protocol.keys.model_fields.keys() & given)
    return dict.fromkeys(protocol.shared, f"{', '.join(keys)}, in domains") if keys else {}


def _fit_strategy(where: Where, fit: SuiteFit, sources: Sources) -> Iterator[Problem]:
    strategy = sources.trained_with(fit)
    tune = {name: range for name, range in fit.tune.items() if not name.startswith(LEARNER)}
    yield from _strategy_options(
        (*where, "strategy_options"), sources, strategy, fit.strategy_options, tune
    )
    yield from _strategy_options(
        (*where, "tune"), sources, strategy, _tried(tune), fit.strategy_options
    )


def _fit_choice(where: Where, fit: SuiteFit, sources: Sources) -> Iterator[Problem]:
    """Check options of the learner that are to be chosen, and by what to choose."""
    streams, whose = sources.streams(fit.learner), f"learner {fit.learner}"
    options = sources.of("learner", fit.learner)
    for name, value in _tried(_of_learner(fit)).items():
        key, place = f"{LEARNER}{name}", (*where, "tune")
        if not streams:
            message = f"'{key}' is of a learner, and only those that learn a stream are tuned"
            yield Problem(place, f"{message}; {whose} does not", (*place, key))
        for problem in check_given(place, whose, options, {name: value}, TAKEN):
            yield problem._replace(line_of=(*place, key))
    if fit.criterion is not None and streams != (fit.criterion == RETAINED):
        why = "learns a stream: leave it out, or take stream" if streams else "learns no stream"
        yield Problem((*where, "criterion"), f"'{fit.criterion}' cannot judge: {whose} {why}")


def _of_learner(fit: SuiteFit) -> dict[str, Any]:
    """Return what is to be tuned of a fit's learner, by the names of its options."""
    tune = fit.tune.items()
    return {k.removeprefix(LEARNER): v for k, v in tune if k.startswith(LEARNER)}


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
        protocol = protocols.training_on(sources.words(fit.learner))
        pace = dict.fromkeys(protocol.pace, f"the {protocol.word}") if protocol else {}
        yield from _trainer(("fits", label, "trainer"), fit.trainer, sources, pace)


def _trainer(
    where: Where, given: Mapping[str, Any], sources: Sources, pace: Mapping[str, str] | None = None
) -> Iterator[Problem]:
    elsewhere = {**_OWNED, **(pace or {})}
    if given.get("devices") == 1:
        elsewhere.pop("devices")
    yield from check_given(where, "Trainer", sources.target(TRAINER), given, elsewhere)
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
