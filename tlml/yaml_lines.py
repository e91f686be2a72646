"""YAML read with the line of each of its parts, so that errors can name it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tlml.errors import TlmlError

Where = tuple[str | int, ...]

_TAG = "tag:yaml.org,2002:"
_SCALARS = {_TAG + kind for kind in ("str", "int", "float", "bool", "null")}


class Problem(NamedTuple):
    """Something wrong with a part: where, what, and whose line to show where it is another's."""

    where: Where
    message: str
    line_of: Where | None = None


@dataclass(frozen=True, slots=True)
class Located:
    """Plain data (as in JSON) and the lines that its parts stand on.

    Args:
        name: The file, as the user wrote it.
        data: Mappings with text keys, lists, text, numbers, booleans and None.
        lines: The line of each part, by its path of keys and list positions.
    """

    name: str
    data: Any
    lines: Mapping[Where, int]

    def error(self, problem: Problem) -> TlmlError:
        """Build ``file:line: path: message``; a part that is not in the file is the one around."""
        path = dotted(self._known(problem.where))
        start = f"{self.name}:{self.line(problem)}: {path}{': ' if path else ''}"
        return TlmlError(start + problem.message)

    def line(self, problem: Problem) -> int:
        """Return the line that a problem is shown at."""
        return self.lines.get(self._known(problem.line_of or problem.where), 1)

    def _known(self, where: Where) -> Where:
        while where and where not in self.lines:
            where = where[:-1]
        return where


def dotted(where: Where) -> str:
    """Write a path as users say it.

    >>> dotted(("domains", "glyphs", "shots", 1))
    'domains.glyphs.shots[1]'
    """
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in where)
    return "".join(parts).removeprefix(".")


def load_located(path: str | Path, name: str | None = None) -> Located:
    """Read a YAML file of one document; errors call it `name` (default: the path).

    Numbers such as ``1e-3`` are numbers and ``no`` is text, as in YAML 1.2.

    Raises:
        TlmlError: It cannot be read, is not YAML, has a key twice, or holds more than plain data.
    """
    name = name or str(path)
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise TlmlError(f"{name}: not a text file in UTF-8 (byte {error.start})") from error
    except OSError as error:
        raise TlmlError(f"{name}: cannot be read ({error.strerror})") from error
    return parse_located(text, name)


def parse_located(text: str, name: str) -> Located:
    """Read YAML from `text`, as `load_located` does from a file."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return Located(name, None, {(): 1})
        reader = _Reader(name, loader)
        return Located(name, reader.read(node, ()), reader.lines)
    except yaml.MarkedYAMLError as error:
        raise TlmlError(f"{name}:{_line(error)}: not YAML: {_words(error)}") from error
    except yaml.YAMLError as error:
        raise TlmlError(f"{name}: not YAML: {str(error).splitlines()[0]}") from error
    except RecursionError as error:
        raise TlmlError(f"{name}: nested too deeply") from error


class _Loader(yaml.SafeLoader):
    """PyYAML reads YAML 1.1, where 1e-3 is text, ``no`` is false and 010 is eight."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


for _kind, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", list("-+0123456789")),
    (
        "float",
        r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|nan)",
        list("-+.0123456789"),
    ),
    ("merge", r"<<", ["<"]),
):
    _Loader.add_implicit_resolver(_TAG + _kind, re.compile(f"^(?:{_pattern})$"), _first)


class _Reader:
    """Turns the nodes of one document into plain data, noting lines on the way."""

    def __init__(self, name: str, loader: _Loader) -> None:
        self.name = name
        self.loader = loader
        self.lines: dict[Where, int] = {}
        self._open: list[yaml.Node] = []
        self._flat: set[int] = set()

    def read(self, node: yaml.Node, where: Where, line: int | None = None) -> Any:
        self.lines[where] = line or node.start_mark.line + 1
        if node in self._open:
            raise self._error(node, where, "holds itself")
        self._open.append(node)
        try:
            return self._value(node, where)
        finally:
            self._open.pop()

    def _value(self, node: yaml.Node, where: Where) -> Any:
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            return self._mapping(node, where)
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            return [self.read(item, (*where, i)) for i, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and node.tag in _SCALARS:
            return self._scalar(node, where)
        tag = node.tag.replace(_TAG, "!!")
        raise self._error(node, where, f"the tag {tag} is not allowed; write plain values")

    def _mapping(self, node: yaml.MappingNode, where: Where) -> dict[str, Any]:
        if id(node) not in self._flat:  # once: merged keys may be overridden, written ones may not
            self._flat.add(id(node))
            self._check_keys(node, where)
            self.loader.flatten_mapping(node)
        return {
            key.value: self.read(value, (*where, key.value), key.start_mark.line + 1)
            for key, value in node.value
        }

    def _check_keys(self, node: yaml.MappingNode, where: Where) -> None:
        first: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if key.tag not in (_TAG + "str", _TAG + "merge"):
                text = key.value if isinstance(key, yaml.ScalarNode) else "a collection"
                raise self._error(key, where, f"the key {text} is not text; put it in quotes")
            if key.value in first:
                first_line = first[key.value]
                raise self._error(
                    key, where, f"key '{key.value}' is there twice, first in line {first_line}"
                )
            first[key.value] = line

    def _scalar(self, node: yaml.ScalarNode, where: Where) -> Any:
        try:
            value = self.loader.construct_object(node)
        except ValueError as error:
            raise self._error(
                node, where, f"'{node.value}' is no {node.tag[len(_TAG) :]}"
            ) from error
        if isinstance(value, float) and not math.isfinite(value):
            raise self._error(node, where, f"must be a finite number, is {node.value}")
        return value

    def _error(self, node: yaml.Node, where: Where, message: str) -> TlmlError:
        located = Located(self.name, None, {where: node.start_mark.line + 1})
        return located.error(Problem(where, message))


def _line(error: yaml.MarkedYAMLError) -> int:
    mark = error.problem_mark or error.context_mark
    return mark.line + 1 if mark else 1


def _words(error: yaml.MarkedYAMLError) -> str:
    problem = str(error.problem or error.context)
    return f"{error.context}, {problem}" if problem.startswith("but ") else problem
