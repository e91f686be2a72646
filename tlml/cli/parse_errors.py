"""One line for what Lightning's command line reports in many."""

from __future__ import annotations

import inspect
import re
from collections.abc import Collection, Mapping
from importlib import import_module

from tlml.errors import TlmlError, did_you_mean

_KEY = re.compile(r'Parser key "([^"]+)"')
_CLASS = re.compile(r"given class_path '([^']+)'")
_EXPECTED = re.compile(r"Expected an? (.+?)(?:\. Got value: .*)?$", re.MULTILINE)
_GIVEN = re.compile(r"(?:Given value|Got value): (.*)$", re.MULTILINE)
_LITERAL = re.compile(r"typing\.Literal\[(.*)\]")
_TYPE = re.compile(r"<class '(?:[\w.]*\.)?(\w+)'>")
_PLAIN = {"NoneType": "null", "str": "text", "dict": "a mapping", "list": "a list"}


def parse_error(message: str, known: Collection[str], filled: Mapping[str, str]) -> TlmlError:
    """Return jsonargparse's complaint as one line that begins with the option's whole path.

    Args:
        message: What the parser reported.
        known: The paths of all options.
        filled: The names that fill slots, to point to their ``tlml info``.
    """
    path = _path(message)
    refused = _refused(message)
    if refused is not None:
        return _unknown(".".join(filter(None, (path, refused))), message, known, filled)
    missing = re.search(r"arguments? (?:is|are) required: (.+)", message)
    if missing:
        names = ", ".join(name.partition(".")[2] or name for name in missing[1].split(", "))
        return TlmlError(f"{path}{': ' if path else ''}{names} is missing")
    argument = re.search(r"argument (?:-c/)?--([\w.]+): (.+)", message)
    if argument:
        return TlmlError(f"{argument[1]}: {argument[2]}")
    return TlmlError(f"{path}{': ' if path else ''}{_wrong_value(message, known)}")


def _path(message: str) -> str:
    keys = _KEY.findall(message)
    # A union reports the same inner key once for each of its types.
    return ".".join(dict.fromkeys(keys))


def _refused(message: str) -> str | None:
    """Return the option that nothing takes."""
    for pattern in (
        r"unrecognized arguments: --([^\s=]+)",
        r"does not accept option '([^']+)'",
        r"Option '([^']+)' is not accepted",
    ):
        found = re.search(pattern, message)
        if found:
            return found[1]
    return None


def _unknown(
    path: str, message: str, known: Collection[str], filled: Mapping[str, str]
) -> TlmlError:
    path = _first_unknown(path, known)
    owner = max((slot for slot in filled if path.startswith(f"{slot}.")), key=len, default="")
    cls = _CLASS.search(message)
    names = _options_of(cls[1]) if cls else [o for o in known if _beside(path, o)]
    last = path.rpartition(".")[2]
    hint = did_you_mean(last, (name.rpartition(".")[2] for name in names))
    whose = f" of {filled[owner]}" if owner else ""
    # A long list of alternatives hides the message.
    hint = hint if len(hint) < 200 else ""
    info = f" (tlml info {filled[owner]})" if owner and "View" not in filled[owner] else ""
    return TlmlError(f"{path}: no such option{whose}{hint}{info}")


def _first_unknown(path: str, known: Collection[str]) -> str:
    """Return as much of a path as it takes to leave what is known."""
    parts = path.split(".")
    heads = [".".join(parts[:count]) for count in range(1, len(parts) + 1)]
    there = [head for head in heads if any(f"{name}.".startswith(f"{head}.") for name in known)]
    return heads[min(len(there), len(heads) - 1)]


def _beside(path: str, option: str) -> bool:
    return option.rpartition(".")[0] == path.rpartition(".")[0]


def _options_of(path: str) -> list[str]:
    module, _, name = path.rpartition(".")
    cls = getattr(import_module(module), name)
    return list(inspect.signature(cls).parameters)


def _wrong_value(message: str, known: Collection[str]) -> str:
    given = _GIVEN.findall(message)
    value = given[-1].strip() if given else ""
    nested = re.search(r"NestedArg\(key='[^']*', val=(.*)\)", value)
    value = (nested[1] if nested else value).strip("'\"")
    if "dot import path" in message or "Not a valid subclass" in message:
        return f"no class is called '{value}'{_near_class(value)}"
    expected = dict.fromkeys(_readable(kind) for kind in _EXPECTED.findall(message))
    if expected and value:
        return f"must be {' or '.join(expected)}, is '{value}'"
    return " ".join(message.split())


def _readable(kind: str) -> str:
    literal = _LITERAL.search(kind)
    if literal:
        return "one of " + literal[1].replace("'", "")
    name = _TYPE.sub(lambda found: found[1], kind)
    return _PLAIN.get(name, name)


def _near_class(value: str) -> str:
    from pytorch_lightning import callbacks, loggers

    return did_you_mean(value, [*callbacks.__all__, *loggers.__all__])
