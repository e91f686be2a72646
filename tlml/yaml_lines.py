"""YAML read with the line of each of its parts, so that errors can name it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.representer import SafeRepresenter
from ruamel.yaml.resolver import VersionedResolver
from ruamel.yaml.tag import Tag

from tlml.errors import TlmlError, shorten

Where = tuple[str | int, ...]

Nodes = tuple[Node, ...]
Entries = dict[str, tuple[Node, int]]

MOST_PARTS = 100_000  # else nine lines of aliases of aliases could stand for billions of values
_TAG = "tag:yaml.org,2002:"
_BOOLS = {"true": True, "false": False}
# What text without quotes is, and how it is read. ruamel itself goes further: 1_000 and 010 are
# numbers to it, and 2026-01-01 is a date.
_KINDS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "null": (r"~|null|Null|NULL|", lambda text: None),
    "bool": (r"true|True|TRUE|false|False|FALSE", lambda text: _BOOLS[text.lower()]),
    "int": (r"[-+]?(?:0|[1-9][0-9]*)", int),
    "float": (
        r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|nan)",
        lambda text: float(re.sub(r"\.(?=inf|nan)", "", text)),
    ),
    "merge": (r"<<", str),
    "str": (r"(?s:.*)", str),
}
# Text that every reader of YAML takes for text, old ones too, to whom no and y are booleans.
_WORD = re.compile(r"(?!(?:y|n|yes|no|on|off|true|false|null)$)[a-z_][\w./-]*", re.IGNORECASE)


class Problem(NamedTuple):
    """Something wrong with a part: where, what, and whose line to show where it is another's."""

    where: Where
    message: str
    line_of: Where | None = None


@dataclass(frozen=True, slots=True)
class LocatedData:
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
        path = dotted_path(self._known(problem.where))
        start = f"{self.name}:{self.line(problem)}: {path}{': ' if path else ''}"
        return TlmlError(start + problem.message)

    def line(self, problem: Problem) -> int:
        """Return the line that a problem is shown at."""
        return self.lines.get(self._known(problem.line_of or problem.where), 1)

    def _known(self, where: Where) -> Where:
        while where and where not in self.lines:
            where = where[:-1]
        return where


def dotted_path(where: Where) -> str:
    """Write a path as users say it.

    >>> dotted_path(("domains", "glyphs", "shots", 1))
    'domains.glyphs.shots[1]'
    """
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in where)
    return "".join(parts).removeprefix(".")


def load_located(path: str | Path, name: str | None = None) -> LocatedData:
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


def parse_located(text: str, name: str) -> LocatedData:
    """Read YAML from `text`, as `load_located` does from a file."""
    yaml, reader = YAML(typ="safe", pure=True), _Reader(name)
    yaml.Resolver = _Resolver
    try:
        node = yaml.compose(text)
        data = None if node is None else reader.read(node, ())
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise TlmlError(f"{name}:{line}: not YAML: {_words(error)}") from error
    except YAMLError as error:
        raise TlmlError(f"{name}: not YAML: {str(error).splitlines()[0]}") from error
    except RecursionError as error:
        raise TlmlError(f"{name}: nested too deeply") from error
    return LocatedData(name, data, reader.lines or {(): 1})


def write_yaml(data: Any) -> str:
    """Return plain data as YAML that `parse_located` and other readers read back as it is."""
    yaml, text = YAML(typ="safe", pure=True), StringIO()
    yaml.Representer = _Representer
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.dump(data, text)
    return text.getvalue()


class _Resolver(VersionedResolver):
    """Says what a scalar without quotes is."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        if kind is not ScalarNode or not implicit[0]:
            return super().resolve(kind, value, implicit)
        return Tag(suffix=_TAG + next(k for k, (p, _) in _KINDS.items() if re.fullmatch(p, value)))


class _Representer(SafeRepresenter):
    """Puts quotes around all text that a reader could take for something else."""


def _write_text(representer: _Representer, text: str) -> Any:
    style = None if _WORD.fullmatch(text) else "'"
    return representer.represent_scalar(_TAG + "str", text, style=style)


def _write_float(representer: _Representer, value: float) -> Any:
    node = representer.represent_float(value)
    if "." not in node.value:  # old readers take 1e-05 for text
        node.value = node.value.replace("e", ".0e")
    return node


_Representer.add_representer(str, _write_text)
_Representer.add_representer(float, _write_float)


class _Reader:
    """Turns the nodes of one document into plain data, noting lines on the way."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: dict[Where, int] = {}
        self.parts = 0

    def read(self, node: Node, where: Where, around: Nodes = (), line: int | None = None) -> Any:
        self.lines[where] = line or _line(node)
        around = self._enter(node, where, around)
        kind = str(node.tag).removeprefix(_TAG)
        if isinstance(node, MappingNode) and kind == "map":
            entries = self._entries(node, where, around)
            return {k: self.read(v, (*where, k), around, at) for k, (v, at) in entries.items()}
        if isinstance(node, SequenceNode) and kind == "seq":
            return [self.read(item, (*where, i), around) for i, item in enumerate(node.value)]
        if isinstance(node, ScalarNode) and kind in _KINDS:
            return self._scalar(node, kind, where)
        tag = str(node.tag).replace(_TAG, "!!")
        raise self._error(node, where, f"the tag {tag} is not allowed; write plain values")

    def _enter(self, node: Node, where: Where, around: Nodes) -> Nodes:
        self.parts += 1
        if self.parts > MOST_PARTS:
            raise TlmlError(f"{self.name}: more than {MOST_PARTS} values once aliases are expanded")
        if node in around:
            raise self._error(node, where, "contains itself")
        return (*around, node)

    def _entries(self, node: MappingNode, where: Where, around: Nodes) -> Entries:
        """Return the value and the line of each key; written keys override merged ones."""
        own: Entries = {}
        for key, value in node.value:
            if str(key.tag) not in (_TAG + "str", _TAG + "merge"):
                text = key.value if isinstance(key, ScalarNode) else "a collection"
                raise self._error(
                    key, where, f"the key {shorten(text)} is not text; put it in quotes"
                )
            if key.value in own:
                message = (
                    f"duplicate key '{shorten(key.value)}' (first on line {own[key.value][1]})"
                )
                raise self._error(key, where, message)
            own[key.value] = value, _line(key)
        merges = [key.value for key, _ in node.value if str(key.tag) == _TAG + "merge"]
        return self._merged(own.pop(merges[0])[0], where, around) | own if merges else own

    def _merged(self, node: Node, where: Where, around: Nodes) -> Entries:
        around = self._enter(node, where, around)
        if isinstance(node, MappingNode):
            return self._entries(node, where, around)
        if not isinstance(node, SequenceNode):
            raise self._error(node, where, "<< takes a mapping, or a list of mappings")
        found: Entries = {}
        for item in reversed(node.value):  # the first one wins
            found |= self._merged(item, where, around)
        return found

    def _scalar(self, node: ScalarNode, kind: str, where: Where) -> Any:
        shown = shorten(node.value)
        try:
            value = _KINDS[kind][1](node.value)
        except (KeyError, ValueError) as error:
            article = "an" if kind == "int" else "a"
            raise self._error(node, where, f"'{shown}' is not {article} {kind}") from error
        if isinstance(value, float) and not math.isfinite(value):
            raise self._error(node, where, f"must be a finite number, is {shown}")
        return value

    def _error(self, node: Node, where: Where, message: str) -> TlmlError:
        return LocatedData(self.name, None, {where: _line(node)}).error(Problem(where, message))


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


def _words(error: MarkedYAMLError) -> str:
    problem = str(error.problem or error.context)
    return f"{error.context}, {problem}" if problem.startswith("but ") else problem
