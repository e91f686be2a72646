"""What a check looks at: a registered name, a class or an object, and how to make it again."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from tlml.data.domains import Domain
from tlml.errors import TlmlError
from tlml.learners.learner import Learner
from tlml.recorded import Recorded
from tlml.registry.options import check_options, options_of
from tlml.registry.registry import default_registry
from tlml.spec import Kind, Spec
from tlml.strategies.strategy import Strategy
from tlml.testing.failure import as_it_is, doing, require

BASES: Mapping[Kind, type[Any]] = MappingProxyType(
    {"domain": Domain, "learner": Learner, "strategy": Strategy}
)
Given = str | type[Any] | Recorded | Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Builder:
    """What makes an object, and the options that it is made with."""

    given: Callable[..., Any]
    options: Mapping[str, Any]

    def __call__(self, **more: Any) -> Any:
        """Make a new one; of a function's options, those that it takes."""
        options = {name: _copied(value) for name, value in {**self.options, **more}.items()}
        if isinstance(self.given, type):
            check_options("the constructor", options_of(self.given), options)
            return self.given(**options)
        taken = inspect.signature(self.given).parameters
        if not any(p.kind is p.VAR_KEYWORD for p in taken.values()):
            options = {name: value for name, value in options.items() if name in taken}
        return self.given(**options)


@dataclass(frozen=True, slots=True)
class Subject:
    """A domain, learner or strategy to be checked.

    Args:
        kind: Which of the three.
        name: What messages call it.
        spec: What it declares; None where nothing is registered.
        build: Makes a new one.
    """

    kind: Kind
    name: str
    spec: Spec | None
    build: Builder

    @property
    def cls(self) -> type[Any]:
        """Its class; what makes it by a function is made to find out."""
        return self.build.given if isinstance(self.build.given, type) else type(self.make())

    @property
    def label(self) -> str:
        """Its kind and name."""
        return f"{self.kind} {self.name}"

    def gives(self, word: str) -> bool:
        """Return whether its spec gives a word."""
        return self.spec is not None and word in self.spec.gives

    def make(self, **more: Any) -> Any:
        """Make a new one, with more options than those it is checked with.

        Raises:
            CheckFailed: Its constructor raises, or makes something of another kind.
        """
        with doing(f"{self.label}: making it"):
            made = self.build(**more)
        _check_base(self.kind, self.label, type(made))
        return made


def find_subject(
    kind: Kind, given: Given, spec: Spec | None, options: Mapping[str, Any] | None
) -> Subject:
    """Find out what to check.

    Args:
        kind: Which of the three it is.
        given: A registered name, a path such as ``package.module.Class``, a class, an object, or
            a function that makes one.
        spec: What it declares; that of the registered name where None.
        options: Of the constructor; an object's own come first.
    """
    own = dict(options or {})
    if isinstance(given, str):
        with as_it_is():
            given = default_registry().resolve(kind, given)
    if isinstance(given, Recorded):
        own = {**given.options, **own}
        given = type(given)
    spec = spec or _registered(kind, given)
    if spec is not None:
        with as_it_is():
            spec.check_kind(kind)
    name = spec.name if spec else getattr(given, "__name__", repr(given))
    if isinstance(given, type):
        _check_base(kind, f"{kind} {name}", given)
    return Subject(kind, name, spec, Builder(given, own))


def _check_base(kind: Kind, label: str, cls: type[Any]) -> None:
    base = BASES[kind]
    require(
        issubclass(cls, base),
        f"{label}: {cls.__name__} is not a {kind}; make it a subclass of tlml.{base.__name__}",
    )


def _copied(value: Any) -> Any:
    # A strategy belongs to one learner: each gets its own.
    return type(value)(**value.options) if isinstance(value, Strategy) else value


def _registered(kind: Kind, given: object) -> Spec | None:
    if not isinstance(given, type):
        return None
    name = default_registry().name_of(given)
    try:
        return None if "." in name else default_registry().spec(kind, name)
    except TlmlError:
        return None
