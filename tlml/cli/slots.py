"""The names on a heavy command line: which classes they stand for, read without torch.

A name fills a slot: ``--model maml``, ``--data.domain glyphs``, ``--model.strategy sgd``. Options
of what fills it follow under the slot's path, ``--model.strategy.lr 0.1``, and stand beside the
name in YAML, ``strategy: {name: sgd, lr: 0.1}``. Lightning's ``class_path`` with ``init_args`` is
read too. Flags override configuration files, wherever they stand.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from tlml.errors import TlmlError
from tlml.registry.recipes import recipe
from tlml.yaml_lines import LocatedData, Where, load_located, parse_located

SlotKind = Literal["learner", "strategy", "view", "domain"]
SLOTS: Mapping[str, SlotKind] = {
    "model": "learner",
    "model.strategy": "strategy",
    "data": "view",
    "data.domain": "domain",
    "data.adapt": "strategy",
}
ALONE = ("-h", "--help", "--print_config")  # flags that take no value
SKIP_DEFAULT = "skip_default"  # what --print_config may be told
_RECIPE = "--recipe"
_CONFIG = ("-c", "--config", _RECIPE)
_FILES = (".yaml", ".yml", ".json")


@dataclass(slots=True)
class Slot:
    """What fills a slot.

    Args:
        kind: What it takes.
        name: A registered name, the path of a class, or None while nothing is said.
        said: Whether the user or a checkpoint said it, if only that it stays empty.
        given: The options given to it, each with the file and line that says so ("" for a flag).
    """

    kind: SlotKind
    name: str | None = None
    said: bool = False
    given: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Source:
    """A flag (its path and how it is written) or a configuration, names taken out."""

    path: str = ""
    word: str = ""
    config: dict[str, Any] = field(default_factory=dict)


# Names are taken out of the words before a parser sees any: jsonargparse would import the class
# that a name stands for to read its signature, torch with it, before a misspelt name or two names
# that don't go together could be told; and it reports a wrong option of a nested class as a wrong
# class.
# What is left are the options of classes that are known to fit.
@dataclass(slots=True)
class CommandLine:
    """A command line read once: what fills its slots, and all the rest for jsonargparse.

    The last of several names wins, and takes the options of the former one away.
    """

    command: str
    slots: dict[str, Slot]
    sources: list[Source] = field(default_factory=list)
    paths: dict[str, str] = field(default_factory=dict)  # checkpoints: ckpt_path and resume
    helps: bool = False  # help is asked for
    prints: str | None = None  # the value of --print_config, "" without one

    @property
    def filled(self) -> dict[str, str]:
        """The name in each slot that has one."""
        return {path: slot.name for path, slot in self.slots.items() if slot.name is not None}

    def inner(self, path: str) -> list[str]:
        """Return the options of a slot that are slots themselves."""
        return [p.rpartition(".")[2] for p in self.slots if p.rpartition(".")[0] == path]

    def take(
        self, path: str, node: Any, located: LocatedData | None = None, where: Where = ()
    ) -> dict[str, Any]:
        """Fill a slot and the slots inside it; return the other options that the node gives."""
        name, options, where = _divide(path, node, where)
        if not isinstance(node, Mapping) or name is not None:
            self.fill(path, name)
        rest: dict[str, Any] = {}
        for option, value in options.items():
            inner = f"{path}.{option}"
            if inner in self.slots:
                found = self.take(inner, value, located, (*where, option))
                rest |= {option: found} if found else {}
            else:
                rest[option] = value
                self.slots[path].given[option] = _said_at(located, (*where, option))
        return rest

    def fill(self, path: str, name: str | None) -> None:
        """Put a name into a slot."""
        slot = self.slots[path]
        name = None if name is None else canonical(slot.kind, name)
        if slot.said and slot.name != name:
            self._forget(path)
        slot.name, slot.said = name, True

    def begin_with(self, config: dict[str, Any]) -> None:
        """Put options before all others, which override them."""
        self.sources.insert(0, Source(config=config))

    def given(self, known: Collection[str]) -> Iterator[str]:
        """Yield the paths of all options given beside the names, as deep as `known` has them."""
        for source in self.sources:
            if source.word:
                yield source.path.removesuffix("+")  # which appends to a list
            yield from _leaves(source.config, known)

    def arguments(self) -> list[str]:
        """Return the words for jsonargparse, which reads JSON as YAML."""
        words: list[str] = []
        for source in self.sources:
            words += ["--config", json.dumps(source.config)] if source.config else []
            words += [source.word] if source.word else []
        empty = [path for path, slot in self.slots.items() if slot.said and slot.name is None]
        words += [f"--{path}=null" for path in empty if "." in path]
        return words + [f"--{path}={file}" for path, file in self.paths.items()]

    def _forget(self, path: str) -> None:
        for other, slot in self.slots.items():
            if f"{other}.".startswith(f"{path}."):
                slot.name, slot.said, slot.given = None, False, {}
        for source in self.sources:
            *outer, last = path.split(".")
            node = source.config
            for key in outer:
                node = node.get(key, {})
            node.pop(last, None)


def read_words(command: str, words: Sequence[str]) -> CommandLine:
    """Read the words after a command, and the configuration files that they name.

    Raises:
        TlmlError: A file can't be read, or a word is not an option.
    """
    slots = {path: Slot(kind) for path, kind in SLOTS.items()}
    if command == "adapt":
        slots["strategy"] = Slot("strategy")
    line = CommandLine(command, slots)
    flags = list(_flags(words))
    for flag, value in flags:
        if flag in _CONFIG:
            _read_config(line, _configuration(flag, _needed(flag, value)))
    others = [(_path_of(line, flag), value) for flag, value in flags if flag not in _CONFIG]
    # An option belongs to what fills its slot in the end, so names come first, outer before inner.
    for path, value in sorted(others, key=lambda flag: _depth(line, flag[0])):
        _read_flag(line, path, value)
    return line


def canonical(kind: SlotKind, name: str) -> str:
    """Return a name without the module that only stands for registered names and views."""
    known = ("tlml.views.", "tlml.") if kind == "view" else (f"tlml.names.{kind}.",)
    for prefix in known:
        if name.startswith(prefix) and "." not in name.removeprefix(prefix):
            return name.removeprefix(prefix)
    return name


def _flags(words: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    rest = list(words)
    while rest:
        word = rest.pop(0)
        flag, sign, value = word.partition("=")
        if not (word.startswith("--") or flag in ("-c", "-h")):
            raise TlmlError(f"'{word}' is not an option; write options as --data.shots 5")
        if sign or flag in ALONE:
            yield flag, value if sign else None
        else:
            yield flag, rest.pop(0) if rest and not rest[0].startswith("--") else None


def _path_of(line: CommandLine, flag: str) -> str:
    path = "help" if flag == "-h" else flag.lstrip("-")
    if path.partition(".")[0] in line.slots:
        parts = [part for part in path.split(".") if part not in ("init_args", "dict_kwargs")]
        path = ".".join(parts).removesuffix(".class_path")
    return path


def _depth(line: CommandLine, path: str) -> int:
    return path.count(".") if path in line.slots else len(line.slots)


def _read_flag(line: CommandLine, path: str, value: str | None) -> None:
    if path in line.slots:
        node, located = _node(path, _needed(f"--{path}", value))
        rest = line.take(path, node, located)
        for key in reversed(path.split(".")):
            rest = {key: rest} if rest else {}
        line.sources.append(Source(config=rest))
    elif path in ("ckpt_path", "resume"):
        line.paths[path] = _needed(f"--{path}", value)
    elif path == "help":
        line.helps = True
    elif path == "print_config":
        if value not in (None, SKIP_DEFAULT):
            raise TlmlError(
                f"print_config: '{value}' is not understood; it takes nothing or {SKIP_DEFAULT}"
            )
        line.prints = value or ""
    else:
        outer = max(
            (slot for slot in line.slots if path.startswith(f"{slot}.")), key=len, default=""
        )
        if outer:
            option = path.removeprefix(f"{outer}.").partition(".")[0].removesuffix("+")
            line.slots[outer].given.setdefault(option, "")
        line.sources.append(Source(path, f"--{path}" if value is None else f"--{path}={value}"))


def _configuration(flag: str, value: str) -> LocatedData:
    return load_located(recipe(value), f"{value}.yaml") if flag == _RECIPE else load_located(value)


def _read_config(line: CommandLine, located: LocatedData) -> None:
    if not isinstance(located.data, dict):
        raise TlmlError(f"{located.name}: must hold options such as model, data and trainer")
    config = dict(located.data)
    for root in [path for path in line.slots if "." not in path and path in config]:
        node = config.pop(root)
        if isinstance(node, str) and node.endswith(_FILES):
            inside = load_located(node)
            rest = line.take(root, inside.data, inside)
        else:
            rest = line.take(root, node, located, (root,)) if node is not None else {}
        config |= {root: rest} if rest else {}
    for path in ("ckpt_path", "resume"):
        if config.pop(path, None) is not None:
            line.paths[path] = str(located.data[path])
    line.sources.append(Source(config=config))


def _node(path: str, value: str) -> tuple[Any, LocatedData | None]:
    """Return what a slot's flag says: a name, nothing, or options as text or in a file."""
    if value.startswith("{"):
        return parse_located(value, f"--{path}").data, None
    if value.endswith(_FILES):
        located = load_located(value)
        return located.data, located
    return (None if value == "null" else value), None


def _divide(path: str, node: Any, where: Where) -> tuple[str | None, dict[str, Any], Where]:
    """Divide what fills a slot into a name, options, and where these stand."""
    if node is None or isinstance(node, str):
        return node, {}, where
    if not isinstance(node, Mapping):
        raise TlmlError(f"{path}: must be a name or options, is {node!r}")
    if "class_path" in node:
        options = {**(node.get("init_args") or {}), **(node.get("dict_kwargs") or {})}
        return str(node["class_path"]), options, (*where, "init_args")
    if "init_args" in node:
        return None, dict(node["init_args"] or {}), (*where, "init_args")
    name = node.get("name")
    if name is not None and set(node) <= {"name", "options"}:
        return str(name), dict(node.get("options") or {}), (*where, "options")
    options = {key: value for key, value in node.items() if key != "name"}
    return (None if name is None else str(name)), options, where


def _said_at(located: LocatedData | None, where: Where) -> str:
    if located is None:
        return ""
    return f"{located.name}:{located.lines.get(where, 1)}: "


def _leaves(node: Mapping[str, Any], known: Collection[str], around: str = "") -> Iterator[str]:
    for key, value in node.items():
        path = f"{around}{key}"
        if isinstance(value, Mapping) and value and path not in known:
            yield from _leaves(value, known, f"{path}.")
        else:
            yield path


def _needed(flag: str, value: str | None) -> str:
    if value is None:
        raise TlmlError(f"{flag.lstrip('-')}: a value is missing after {flag}")
    return value
