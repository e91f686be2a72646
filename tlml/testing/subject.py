"""What a check looks at: a registered name, a class or an object, and how to make it again."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from tlml.build import _BASES
from tlml.errors import TlmlError
from tlml.options import check_options, options_of
from tlml.recording import Recorded
from tlml.registry import default_registry
from tlml.spec import Kind, Spec
from tlml.testing.failure import doing, require

Given = str | type[Any] | Recorded | Callable[..., Any]


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
    build: Callable[..., Any]

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
        module, base = _BASES[self.kind]
        wanted = getattr(import_module(module), base)
        require(
            isinstance(made, wanted),
            f"{self.label}: it is a {type(made).__name__}; subclass tlml.{base}",
        )
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
        with doing(f"{kind} {given}: finding its class"):
            given = default_registry().resolve(kind, given)
    if isinstance(given, Recorded):
        own = {**given.options, **own}
        given = type(given)
    spec = spec or _registered(kind, given)
    name = spec.name if spec else getattr(given, "__name__", repr(given))
    return Subject(kind, name, spec, _Builder(f"{kind} {name}", given, own))


@dataclass(frozen=True, slots=True)
class _Builder:
    label: str
    given: Any
    options: dict[str, Any]

    def __call__(self, **more: Any) -> Any:
        options = {**self.options, **more}
        if isinstance(self.given, type):
            check_options(self.label, options_of(self.given), options)
            return self.given(**options)
        taken = inspect.signature(self.given).parameters
        if any(p.kind is p.VAR_KEYWORD for p in taken.values()):
            return self.given(**options)
        return self.given(**{name: value for name, value in options.items() if name in taken})


def _registered(kind: Kind, given: object) -> Spec | None:
    if not isinstance(given, type):
        return None
    name = default_registry().name_of(given)
    try:
        return None if "." in name else default_registry().spec(kind, name)
    except TlmlError:
        return None
