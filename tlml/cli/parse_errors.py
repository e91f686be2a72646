"""One line for what Lightning's command line reports in many."""

from __future__ import annotations

import inspect
import re
from collections.abc import Collection, Iterable, Mapping
from importlib import import_module
from itertools import accumulate

from tlml.errors import TlmlError, did_you_mean

_KEY = re.compile(r'Parser key "([^"]+)"')
_CLASS = re.compile(r"given class_path '([^']+)'")
_REFUSED = re.compile(r"(?:[Oo]ption|[Kk]ey) '([^']+)'")
_EXPECTED = re.compile(r"Expected an? (.+?)(?:\. Got value: .*)?$", re.MULTILINE)
_GIVEN = re.compile(r"(?:Given value|Got value): (.*)$", re.MULTILINE)
_LITERAL = re.compile(r"typing\.Literal\[(.*)\]")
_TYPE = re.compile(r"<class '(?:[\w.]*\.)?(\w+)'>")
_PLAIN = {"NoneType": "null", "str": "text", "dict": "a mapping", "list": "a list"}


def check_known(given: Iterable[str], known: Collection[str], filled: Mapping[str, str]) -> None:
    """Refuse options that nothing takes.

    Args:
        given: The paths of the options that the user gave.
        known: The paths of all options.
        filled: The names that fill slots, to point to their ``tlml info``.

    Raises:
        TlmlError: The first of them, with the nearest name beside it.
    """
    for path in given:
        if not any(_is_in(path, name) or _is_in(name, path) for name in known):
            raise _unknown(path, known, filled)


def parse_error(message: str) -> TlmlError:
    """Return jsonargparse's complaint as one line that begins with the option's whole path."""
    # A union reports the same inner key once for each of its types.
    path = ".".join(dict.fromkeys(_KEY.findall(message)))
    refused, cls = _REFUSED.search(message), _CLASS.search(message)
    if refused and cls:
        return _no_such(f"{path}.{refused[1]}", _options_of(cls[1]))
    missing = re.search(r"arguments? (?:is|are) required: (.+)", message)
    if missing:
        return TlmlError(f"{missing[1]} is missing")
    argument = re.search(r"argument --([\w.]+): (.+)", message)
    if argument:
        return TlmlError(f"{argument[1]}: {argument[2]}")
    return TlmlError(f"{path}{': ' if path else ''}{_wrong_value(message, path)}")


def _unknown(path: str, known: Collection[str], filled: Mapping[str, str]) -> TlmlError:
    # As much of it as it takes to leave what is known.
    heads = accumulate(path.split("."), "{}.{}".format)
    path = next(head for head in heads if not any(_is_in(name, head) for name in known))
    around = path.rpartition(".")[0]
    depth = path.count(".")
    beside = {name.split(".")[depth] for name in known if _is_in(name, around)}
    owner = filled.get(around, "")
    whose = f" of {owner}" if owner else ""
    info = f" (tlml info {owner})" if owner and "View" not in owner else ""
    return _no_such(path, beside, whose, info)


def _is_in(path: str, outer: str) -> bool:
    return not outer or f"{path}.".startswith(f"{outer}.")


def _no_such(path: str, names: Iterable[str], whose: str = "", info: str = "") -> TlmlError:
    hint = did_you_mean(path.rpartition(".")[2], names)
    # A long list of alternatives hides the message.
    return TlmlError(f"{path}: no such option{whose}{hint if len(hint) < 200 else ''}{info}")


def _options_of(path: str) -> list[str]:
    module, _, name = path.rpartition(".")
    return list(inspect.signature(getattr(import_module(module), name)).parameters)


def _wrong_value(message: str, path: str) -> str:
    given = _GIVEN.findall(message)
    value = given[-1].strip() if given else ""
    nested = re.search(r"NestedArg\(key='[^']*', val=(.*)\)", value)
    value = (nested[1] if nested else value).strip("'\"")
    if "dot import path" in message or "Not a valid subclass" in message:
        return f"no class is called '{value}'{_near_class(value, path)}"
    kinds = {_readable(kind) for kind in _EXPECTED.findall(message)}
    expected = sorted(kinds, key=lambda kind: (kind == "null", kind))  # null last
    if expected and value:
        return f"must be {' or '.join(expected)}, is '{value}'"
    return " ".join(message.split())


def _readable(kind: str) -> str:
    literal = _LITERAL.search(kind)
    if literal:
        return "one of " + literal[1].replace("'", "")
    name = _TYPE.sub(lambda found: found[1], kind)
    return _PLAIN.get(name, name)


def _near_class(value: str, path: str) -> str:
    if path and not path.startswith("trainer."):
        return f"; give a registered name alone (--{path} {value}), or a class path"
    from pytorch_lightning import callbacks, loggers

    return did_you_mean(value, [*callbacks.__all__, *loggers.__all__])
