"""What is wrong with the names and options of a heavy command line, said before torch loads."""

from __future__ import annotations

import ast
import sys
from dataclasses import replace

from tlml.cli.slots import CommandLine, SlotKind
from tlml.errors import TlmlError, did_you_mean, unknown
from tlml.registry.options import Options, options_of
from tlml.registry.registry import Registry
from tlml.registry.source_options import read_options
from tlml.spec import VIEWS

VIEW_NAMES = tuple(sorted(target.rpartition(":")[2] for target in VIEWS.values()))
_MISSING = {
    "model": "model is missing: name a learner, --model maml (tlml list --kind learner)",
    "data.domain": "data.domain is missing: name a domain, --data.domain glyphs "
    "(tlml list --kind domain)",
}
# Filled in by tlml itself.
_INTERNAL = {"learner": {"spaces"}, "domain": set(), "strategy": set()}


def check_names(line: CommandLine, registry: Registry) -> None:
    """Check names, options and whether the names go together; fill in the learner's own strategy.

    Raises:
        TlmlError: The first thing that is wrong.
    """
    for path, name in line.filled.items():
        _check_name(path, line.slots[path].kind, name, registry)
    _fill_strategy(line, registry)
    if line.command == "adapt" and line.slots["data.adapt"].name is not None:
        name = line.filled["data.adapt"]
        raise TlmlError(f"data: no option is called 'adapt'; say --strategy {name}")
    for path, name in line.filled.items():
        known = known_options(line, path, registry)
        if known is not None:
            _check_options(line, path, name, known)
    _check_trios(line, registry)


def check_complete(line: CommandLine, registry: Registry) -> None:
    """Check that what can't be left out is there.

    Raises:
        TlmlError: A name or a required option is missing.
    """
    for path, message in _MISSING.items():
        if path not in line.filled:
            raise TlmlError(message)
    for path, name in line.filled.items():
        known = known_options(line, path, registry)
        for option in known.known if known else ():
            if option.default is None and not _is_given(line, path, option.name):
                raise TlmlError(f"{path}.{option.name} is missing{option.about} (tlml info {name})")


def known_options(line: CommandLine, path: str, registry: Registry) -> Options | None:
    """Return the options of what fills a slot, read from its source; None where that can't be."""
    kind, name = line.slots[path].kind, line.filled[path]
    if kind == "view" or "." in name:
        return None
    target = registry.spec(kind, name).target
    try:
        return read_options(target)
    except TlmlError:  # a loader that keeps no source; the class itself knows, once it is imported
        loaded = target.partition(":")[0] in sys.modules
        return options_of(registry.resolve(kind, name)) if loaded else None


def _check_name(path: str, kind: SlotKind, name: str, registry: Registry) -> None:
    if "." in name or (name in VIEW_NAMES and kind == "view"):
        return
    try:
        if kind == "view":
            raise unknown("view", name, VIEW_NAMES)
        registry.spec(kind, name)
    except TlmlError as error:
        raise TlmlError(f"{path}: {error}") from None


def _fill_strategy(line: CommandLine, registry: Registry) -> None:
    """Name the strategy that the learner takes by default, so that its options can be given."""
    if line.slots["model.strategy"].said or "model" not in line.filled:
        return
    known = known_options(line, "model", registry)
    default = (
        {option.name: option.default for option in known.known}.get("strategy") if known else None
    )
    name = ast.literal_eval(default) if default and default[0] in "'\"" else None
    if isinstance(name, str):
        line.fill("model.strategy", name)


def _check_options(line: CommandLine, path: str, name: str, known: Options) -> None:
    slot = line.slots[path]
    names = {option.name for option in known.known} - _INTERNAL[slot.kind]
    for option, place in slot.given.items():
        if option not in names and not known.more:
            hint = did_you_mean(option, names) if names else "; it has none"
            raise TlmlError(
                f"{place}{path}.{option}: no such option of {name}{hint} (tlml info {name})"
            )


def _check_trios(line: CommandLine, registry: Registry) -> None:
    names = line.filled
    domain, learner = names.get("data.domain", "."), names.get("model", ".")
    for path, name in names.items():
        if line.slots[path].kind != "strategy" or "." in domain + learner + name:
            continue  # the path of a class has no spec to judge by
        verdict = registry.judge(domain, learner, name)
        # What the learner needs is for its training; what adapts it later may be anything.
        lacks = tuple(k for k in verdict.lacks if path == "model.strategy" or k.kind != "learner")
        if lacks:
            raise TlmlError(replace(verdict, lacks=lacks).text())


def _is_given(line: CommandLine, path: str, option: str) -> bool:
    slot = line.slots[path]
    inner = line.slots.get(f"{path}.{option}")
    return option in slot.given or bool(inner and inner.said)
