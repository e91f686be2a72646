"""All protocols that a registry knows, and their keys in the domains of suites."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from tlml.errors import TlmlError
from tlml.suites.messages import readable, unknown_key
from tlml.suites.protocols.base import Keys, Protocol
from tlml.suites.schema import SuiteDomain
from tlml.yaml_lines import Problem

if TYPE_CHECKING:
    from tlml.registry.registry import Registry
    from tlml.spec import Spec


class Protocols:
    """The protocols of a registry, in the order of its plugins.

    A protocol that cannot be used is left out, with the reason in `broken`: a plugin that no suite
    asks for stops none.
    """

    def __init__(self, registry: Registry) -> None:
        self.by_name: dict[str, Protocol[Any]] = {}
        self.broken: dict[str, str] = {}
        self._by_key: dict[str, Protocol[Any]] = {}
        for plugin in registry.plugins:
            for kind, spec in plugin.declared:
                if kind == "protocol":
                    self._add(registry, spec)

    def of(self, given: Mapping[str, Any]) -> list[tuple[Protocol[Any], Keys]]:
        """Return the protocols that a checked domain names, with their keys."""
        named = [p for p in self.by_name.values() if p.keys.model_fields.keys() & given.keys()]
        return [(one, one.keys.model_validate(_own(one, given))) for one in named]

    def training_on(self, words: set[str]) -> Protocol[Any] | None:
        """Return the protocol whose view a learner trains on, by the words of its views."""
        fitting = (one for one in self.by_name.values() if {one.word} == words)
        return next(fitting, None)

    def problems(self, domains: Any) -> Iterator[Problem]:
        """Yield what is wrong with protocols' keys in the domains of a suite, as written."""
        for label, entry in domains.items() if isinstance(domains, Mapping) else ():
            if isinstance(entry, Mapping):
                known = SuiteDomain.model_fields
                given = {key: value for key, value in entry.items() if key not in known}
                yield from self._of_entry(label, given)

    def _of_entry(self, label: str, given: Mapping[str, Any]) -> Iterator[Problem]:
        where, strange = ("domains", label), [key for key in given if key not in self._by_key]
        for key in strange:
            known = [*SuiteDomain.model_fields, *self._by_key]
            yield Problem(where, unknown_key(key, known) + self._excuse(), (*where, key))
        if not given.keys() & self._by_key.keys() and not strange:
            fields = (one.keys.model_fields for one in self.by_name.values())
            keys = ", ".join(name for own in fields for name in own if own[name].is_required())
            yield Problem(where, f"what to compare over is missing: give one of {keys}")
        for protocol in self.by_name.values():
            if own := _own(protocol, given):
                yield from _invalid(protocol.keys, own, label)

    def _excuse(self) -> str:
        broken = self.broken.items()
        return "".join(f"; protocol {name} cannot be used: {why}" for name, why in broken)

    def _add(self, registry: Registry, spec: Spec) -> None:
        try:
            made = usable(spec, registry.resolve("protocol", spec.name))
            taken = made.keys.model_fields.keys() & {*SuiteDomain.model_fields, *self._by_key}
            if taken:
                raise TlmlError(f"its key '{min(taken)}' has a meaning in suites already")
        except TlmlError as error:
            self.broken[spec.name] = str(error)
            return
        self.by_name[spec.name] = made
        self._by_key |= dict.fromkeys(made.keys.model_fields, made)


def usable(spec: Spec, found: type[Any]) -> Protocol[Any]:
    """Make the protocol of a class.

    Raises:
        TlmlError: It is not what its Spec says, or lacks something.
    """
    if not issubclass(found, Protocol):
        raise TlmlError(f"{found.__name__} is not a subclass of tlml.suites.Protocol")
    lacking = [name for name in ("name", "word", "keys", "shown") if not hasattr(found, name)]
    if lacking:
        raise TlmlError(f"{found.__name__} does not say its {', '.join(lacking)}")
    if (spec.name, spec.needs) != (found.name, (found.word,)):
        raise TlmlError(
            f"its Spec says {spec.name} and needs {', '.join(spec.needs) or 'nothing'}; "
            f"{found.__name__} says {found.name} and {found.word}"
        )
    if not found.keys.model_fields:
        raise TlmlError(f"{found.__name__} has no key in the domains of suites")
    made: Protocol[Any] = found()
    return made


def _own(protocol: Protocol[Any], given: Mapping[str, Any]) -> dict[str, Any]:
    return {key: given[key] for key in protocol.keys.model_fields if key in given}


def _invalid(keys: type[Keys], own: Mapping[str, Any], label: str) -> Iterator[Problem]:
    try:
        keys.model_validate(own)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            where, message, line_of = readable(detail, keys)
            start = ("domains", label)
            yield Problem((*start, *where), message, (*start, *line_of) if line_of else None)
