"""The options of a class: what its constructor takes, and its bases' where it passes them on."""

from __future__ import annotations

import inspect
import numbers
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tlml.errors import TlmlError, did_you_mean, shorten

# Bases whose constructors take none of our options.
FOREIGN = frozenset(
    {"abc", "builtins", "enum", "gymnasium", "lightning", "lightning_fabric", "pytorch_lightning"}
    | {"torch", "torchmetrics", "typing", "typing_extensions", "collections"}
)


@dataclass(frozen=True, slots=True)
class Option:
    """One option: its type and default as the source writes them; None where it is required."""

    name: str
    type: str = ""
    default: str | None = None
    help: str = ""

    @property
    def about(self) -> str:
        """What an error tells where it is missing."""
        kind = f" ({self.type})" if self.type else ""
        return f"{kind}: {self.help}" if self.help else kind


@dataclass(frozen=True, slots=True)
class Options:
    """All options of a class; `more` where it takes others too, or some could not be read."""

    known: tuple[Option, ...]
    more: bool = False


@dataclass(frozen=True, slots=True)
class Layer:
    """What one class of the inheritance adds.

    Args:
        own: Options of its own constructor.
        constructor: Whether it has a constructor.
        passes_on: Whether that takes ``**options`` for the next one.
        help: What its docstrings say on options, inherited ones too.
    """

    own: tuple[Option, ...] = ()
    constructor: bool = False
    passes_on: bool = False
    help: Mapping[str, str] = field(default_factory=dict)


def merge(layers: Iterable[Layer]) -> Options:
    """Join the layers of a class, itself first, until a constructor passes nothing on."""
    known: dict[str, Option] = {}
    texts: dict[str, str] = {}
    more = False
    for layer in layers:
        texts = {**layer.help, **texts}
        for option in layer.own:
            known.setdefault(option.name, option)
        if layer.constructor:
            more = layer.passes_on
            if not more:
                break
    return Options(tuple(replace(o, help=texts.get(o.name, "")) for o in known.values()), more)


def options_of(cls: type[Any]) -> Options:
    """Return the options of an imported class."""
    own = [base for base in cls.__mro__ if base.__module__.partition(".")[0] not in FOREIGN]
    return merge(map(_layer, own))


def check_options(whose: str, options: Options, given: Mapping[str, object]) -> None:
    """Check given options by name and by plain type.

    Raises:
        TlmlError: One is unknown, missing, or not the int, float, bool or str that is asked for.
    """
    known = {option.name: option for option in options.known}
    for name, value in given.items():
        if name in known:
            _check_type(whose, known[name], value)
        elif not options.more:
            raise TlmlError(
                f"{whose}: no option is called '{shorten(name)}'{did_you_mean(name, known)}"
            )
    for option in options.known:
        if option.default is None and option.name not in given:
            raise TlmlError(f"{whose}: option '{option.name}' is missing{option.about}")


def argument_help(docstring: str | None) -> dict[str, str]:
    """Read the ``Args:`` section of a Google-style docstring."""
    if "Args:" not in (docstring or ""):
        return {}
    from docstring_parser import ParseError  # here, for `tlml list` reads no docstring
    from docstring_parser.google import parse

    try:
        entries = parse(docstring).params
    except ParseError:
        return {}
    return {
        entry.arg_name.lstrip("*"): " ".join((entry.description or "").split())
        for entry in entries
        if entry.args[0] == "param"
    }


def _layer(cls: type[Any]) -> Layer:
    constructor = vars(cls).get("__init__")
    texts = argument_help(vars(cls).get("__doc__"))
    if constructor is None:
        return Layer(help=texts)
    parameters = list(inspect.signature(constructor).parameters.values())[1:]
    return Layer(
        tuple(_option(p) for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)),
        constructor=True,
        passes_on=any(p.kind is p.VAR_KEYWORD for p in parameters),
        help={**texts, **argument_help(constructor.__doc__)},
    )


def _option(parameter: inspect.Parameter) -> Option:
    annotation, default = parameter.annotation, parameter.default
    named = "" if annotation is parameter.empty else annotation
    return Option(
        parameter.name,
        named if isinstance(named, str) else inspect.formatannotation(named),
        None if default is parameter.empty else repr(default),
    )


_PLAIN: dict[str, Callable[[object], bool]] = {
    "int": lambda value: isinstance(value, numbers.Integral) and not isinstance(value, bool),
    "float": lambda value: isinstance(value, numbers.Real) and not isinstance(value, bool),
    "bool": lambda value: isinstance(value, bool),
    "str": lambda value: isinstance(value, str),
    "None": lambda value: value is None,
}


def _check_type(whose: str, option: Option, value: object) -> None:
    kinds = [kind.strip() for kind in option.type.split("|")]
    if all(kind in _PLAIN for kind in kinds) and not any(_PLAIN[kind](value) for kind in kinds):
        raise TlmlError(
            f"{whose}: option '{option.name}' must be {' or '.join(kinds)}, "
            f"is {shorten(repr(value))} ({type(value).__name__})"
        )
