"""Read the options of a class from its source, importing nothing of it."""

from __future__ import annotations

import ast
import builtins
import importlib.util
import sys
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any

from tlml.errors import TlmlError
from tlml.registry.options import FOREIGN, Layer, Option, Options, argument_help, merge

_SELF = 1  # the first parameter of a constructor


def read_options(target: str) -> Options:
    """Read the options of ``"module:Class"`` from its source and that of its bases.

    Bases are followed where the source names them: in the same file, or imported. The result says
    `more` where one of them can't be read.

    Raises:
        TlmlError: The class itself is not found in any source.
    """
    module, _, name = target.partition(":")
    sources = _Sources()
    found = sources.find(module, name)
    if found is None:
        raise TlmlError(
            f"{target}: the source of this class was not found (try tlml info --import)"
        )
    options = merge(sources.layers(*found))
    return Options(options.known, options.more or sources.incomplete)


def find_module(name: str) -> ModuleSpec | None:
    """Find a module without importing it or its parents, as `importlib.util.find_spec` would."""
    found, path = "", None
    spec: ModuleSpec | None = None
    for part in name.split("."):
        found = f"{found}.{part}" if found else part
        loaded = sys.modules.get(found)
        spec = getattr(loaded, "__spec__", None) or _find(found, path)
        if spec is None:
            return None
        path = list(getattr(loaded, "__path__", None) or spec.submodule_search_locations or ())
    return spec


def _find(name: str, path: list[str] | None) -> ModuleSpec | None:
    if path is not None:
        return PathFinder.find_spec(name, path)
    try:
        return importlib.util.find_spec(name)
    except ValueError:  # no name at all, or a module without a spec
        return None


@dataclass(frozen=True, slots=True)
class _Module:
    """The top-level classes of a module, and the paths that its imports bind names to."""

    classes: dict[str, ast.ClassDef]
    imports: dict[str, str]


@dataclass(slots=True)
class _Sources:
    """The modules read so far, and whether a base was met that can't be read."""

    modules: dict[str, _Module | None] = field(default_factory=dict)
    incomplete: bool = False

    def find(self, module: str, name: str, depth: int = 8) -> tuple[str, ast.ClassDef] | None:
        """Find a class in a module, or where that module imports it from."""
        source = self._read(module)
        if source is None or depth == 0:
            return None
        if name in source.classes:
            return module, source.classes[name]
        home, _, original = source.imports.get(name, "").rpartition(".")
        return self.find(home, original, depth - 1) if home else None

    def layers(self, module: str, node: ast.ClassDef) -> Iterator[Layer]:
        """Yield what a class and its bases add, itself first, in the order that calls go."""
        lineage = list(self._lineage(module, node))
        for place, (home, own) in enumerate(lineage):
            later = ((there, other.name) for there, other in lineage[place + 1 :])
            # A base of several is asked after the last of these.
            if (home, own.name) not in later:
                yield _layer(own)

    def _lineage(self, module: str, node: ast.ClassDef) -> Iterator[tuple[str, ast.ClassDef]]:
        yield module, node
        for base in node.bases:
            yield from self._of_base(module, base, node.name)

    def _of_base(
        self, module: str, base: ast.expr, name: str
    ) -> Iterator[tuple[str, ast.ClassDef]]:
        path = self._path(module, base)
        if path.partition(".")[0] in FOREIGN or hasattr(builtins, path):
            return
        home, _, base_name = path.rpartition(".")
        found = None if (home, base_name) == (module, name) else self.find(home, base_name)
        if found is None:
            self.incomplete = True
        else:
            yield from self._lineage(*found)

    def _path(self, module: str, base: ast.expr) -> str:
        """Return the full path of a base class as written in a module."""
        if isinstance(base, ast.Subscript):
            base = base.value
        first, dot, rest = ast.unparse(base).partition(".")
        source = self._read(module)
        if source is not None and first in source.imports:
            return source.imports[first] + dot + rest
        return f"{module}.{first}{dot}{rest}" if source and first in source.classes else first

    def _read(self, name: str) -> _Module | None:
        if name not in self.modules:
            self.modules[name] = _read_module(name)
        return self.modules[name]


def _read_module(name: str) -> _Module | None:
    spec = find_module(name)
    tree = _parse(spec) if spec else None
    if spec is None or tree is None:
        return None
    package = name if spec.submodule_search_locations is not None else name.rpartition(".")[0]
    module = _Module({}, {})
    for statement in _statements(tree.body):
        if isinstance(statement, ast.ClassDef):
            module.classes[statement.name] = statement
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            module.imports.update(_bound(statement, package))
    return module


def _parse(spec: ModuleSpec) -> ast.Module | None:
    try:
        source = _source(spec)
        return None if source is None else _parsed(source)
    except ImportError:
        return None
    except SyntaxError as error:
        raise TlmlError(f"{spec.origin}:{error.lineno}: {error.msg}") from error


@lru_cache(maxsize=256)
def _parsed(source: str) -> ast.Module:
    """Parse a source, that of bases once for all classes; nobody changes what it returns."""
    return ast.parse(source)


def _source(spec: ModuleSpec) -> str | None:
    loader: Any = spec.loader
    if hasattr(loader, "get_source"):
        found: str | None = loader.get_source(spec.name)
        return found
    # Loaders that rewrite what they load, such as pytest's, keep no source.
    if spec.has_location and str(spec.origin).endswith(".py"):
        with tokenize.open(str(spec.origin)) as file:
            return file.read()
    return None


def _statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run at import, those under ``if`` and ``try`` too."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.If | ast.Try):
            yield from _statements([*statement.body, *statement.orelse])


def _bound(statement: ast.Import | ast.ImportFrom, package: str) -> Iterator[tuple[str, str]]:
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            top = alias.name.partition(".")[0]
            yield (alias.asname, alias.name) if alias.asname else (top, top)
        return
    parents = package.split(".")[: len(package.split(".")) - statement.level + 1]
    home = [*(parents if statement.level else []), *filter(None, [statement.module])]
    for alias in statement.names:
        yield alias.asname or alias.name, ".".join([*home, alias.name])


def _layer(node: ast.ClassDef) -> Layer:
    texts = argument_help(ast.get_docstring(node))
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            texts |= argument_help(ast.get_docstring(item))
            passes_on = item.args.kwarg is not None
            return Layer(tuple(_parameters(item.args)), True, passes_on, texts)
    if any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
        return Layer(tuple(_fields(node)), help=texts)
    return Layer(help=texts)


def _parameters(arguments: ast.arguments) -> Iterator[Option]:
    positional = [*arguments.posonlyargs, *arguments.args]
    required = [None] * (len(positional) - len(arguments.defaults))
    pairs = list(zip(positional, [*required, *arguments.defaults], strict=True))[_SELF:]
    pairs += zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    for argument, default in pairs:
        yield Option(argument.arg, _text(argument.annotation) or "", _text(default))


def _fields(node: ast.ClassDef) -> Iterator[Option]:
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            kind, value = ast.unparse(item.annotation), _text(item.value)
            if not kind.startswith(("ClassVar", "typing.ClassVar")):
                yield Option(item.target.id, kind, value)


def _text(node: ast.expr | None) -> str | None:
    return None if node is None else ast.unparse(node)
