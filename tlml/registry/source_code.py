"""The code of what is no release: digests of source files, by which one state is told from another.

A release is known by its version. What is installed from a checkout, a path or a repository, or
registered by a script, keeps its version while it changes.
"""

from __future__ import annotations

import ast
import hashlib
import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from warnings import catch_warnings, simplefilter

_INSTALLED = frozenset({"site-packages", "dist-packages"})  # where installers put copies
_COMPILED = frozenset({".pyc", ".pyo", ".so", ".pyd", ".dll", ".dylib"})  # they differ by machine
_LARGEST = 1 << 20  # bytes up to which data in a package counts by what is in it, else by its size
_CORE = "tlml"  # it imports no plugin, so nothing else that is under development
_BUILT = frozenset({"build", "dist"})  # folders of tools that make releases
_RUNS = frozenset({"runs", "lightning_logs", "wandb"})  # folders that commands write into
_RUN_FILES = ("plan.json", "hparams.yaml")  # in the folder of a suite, and of a logger


class _Unit(NamedTuple):
    """A package, or a module that is in none."""

    name: str
    path: Path


class SourceCode:
    """Tells the state of code that is no release, reading each package once.

    A module is released if it came with Python, or was installed from an index: it then lies among
    the installed packages, and its distribution has no ``direct_url.json`` (PEP 610).
    """

    def __init__(self) -> None:
        self._units: dict[str, _Unit | None] = {}
        self._digests: dict[str, str] = {}
        self._imports: dict[str, set[str]] = {}
        self._local: frozenset[str] | None = None

    def of(self, module: str) -> dict[str, str]:
        """Map what a module is made of, as far as it is no release, to digests.

        These are its package and the packages and modules that this imports, by name. They don't
        depend on the machine. What was typed into a notebook has no file, and is not told.
        """
        found: dict[str, str] = {}
        todo = [module]
        while todo:
            unit = self._unit(todo.pop())
            if unit is not None and unit.name not in found:
                self._read(unit)
                found[unit.name] = self._digests[unit.name]
                todo += sorted(self._imports[unit.name])
        return found

    def _unit(self, module: str) -> _Unit | None:
        """Return the outermost package that a module is in, unless it is released."""
        if module not in self._units:
            unit = _located(module)
            released = unit is not None and self._is_released(unit)
            self._units[module] = None if released else unit
        return self._units[module]

    def _is_released(self, unit: _Unit) -> bool:
        if _INSTALLED.isdisjoint(unit.path.parts):
            return False
        if self._local is None:
            self._local = frozenset(_local_names())
        return unit.name.partition(".")[0] not in self._local

    def _read(self, unit: _Unit) -> None:
        if unit.name in self._digests:
            return
        digest, imports = hashlib.sha256(), set[str]()
        for name, path in _files(unit.path):
            content = _content(path)
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
            if path.suffix == ".py" and unit.name != _CORE:
                parents = PurePosixPath(name).parent.parts if unit.path.is_dir() else ()
                package = [*unit.name.split(".")[: None if unit.path.is_dir() else -1], *parents]
                imports |= set(_imported(content, package))
        self._digests[unit.name] = digest.hexdigest()[:16]
        self._imports[unit.name] = imports


def _located(module: str) -> _Unit | None:
    """Return the outermost package, or module, that has a file; None where there is none."""
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names:
        return None
    name = ""
    for part in module.split("."):  # a namespace is no file's
        name = f"{name}.{part}".lstrip(".")
        origin = _origin(name)
        if origin is not None:
            return _Unit(name, origin.parent if origin.name == "__init__.py" else origin)
    return None


def _origin(name: str) -> Path | None:
    """Return the file of a module, importing nothing but the namespaces that it is in."""
    loaded = sys.modules.get(name)
    try:
        spec = getattr(loaded, "__spec__", None) or (find_spec(name) if loaded is None else None)
    except (ImportError, ValueError, AttributeError):
        return None
    if spec is None:  # a script's own module
        file = getattr(loaded, "__file__", None)
    else:
        file = spec.origin if spec.has_location else None
    return Path(file).absolute() if file and Path(file).is_file() else None


def _local_names() -> Iterator[str]:
    """Yield the top-level names of distributions that come from no index, but are copied here."""
    for folder in dict.fromkeys(Path(entry) for entry in sys.path if entry):
        for note in folder.glob("*.dist-info/direct_url.json"):
            try:
                record = note.with_name("RECORD").read_text(encoding="utf-8")
            except (OSError, ValueError):
                continue
            for line in record.splitlines():
                yield line.partition(",")[0].partition("/")[0].removesuffix(".py")


def _files(path: Path) -> Iterator[tuple[str, Path]]:
    """Yield the sources and the data of a package by their names in it, in their order."""
    if path.is_file():
        yield path.name, path
        return
    found = []
    for folder, folders, names in os.walk(path):
        folders[:] = [one for one in folders if not _is_made(Path(folder, one))]
        found += [Path(folder, name) for name in names if not name.startswith(".")]
    named = {one.relative_to(path).as_posix(): one for one in found if one.suffix not in _COMPILED}
    yield from sorted(named.items())


def _is_made(folder: Path) -> bool:
    """Return whether tools and runs made a folder, so that it is no part of a package."""
    name = folder.name
    if name.startswith(".") or name == "__pycache__" or name.endswith((".egg-info", ".dist-info")):
        return True
    if name in _BUILT | _RUNS:  # unless a package has modules there
        return next(folder.glob("*.py"), None) is None
    return any((folder / file).is_file() for file in _RUN_FILES)


def _content(path: Path) -> bytes:
    """Return what counts of a file: all of a source, whatever ends its lines, and of small data."""
    try:
        if path.suffix == ".py":
            return path.read_bytes().replace(b"\r\n", b"\n")
        size = path.stat().st_size
        return path.read_bytes() if size <= _LARGEST else f"{size} bytes".encode()
    except OSError:  # it went away meanwhile, or is nobody's to read
        return b""


def _imported(source: bytes, package: list[str]) -> Iterator[str]:
    """Yield the modules that a source may import by name; what can't be read, imports nothing.

    Args:
        source: Of a module.
        package: The parts of the name of the package that it is in.
    """
    try:
        with catch_warnings():
            simplefilter("ignore")  # escapes of strangers are no concern of ours
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package[: len(package) + 1 - node.level] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            if parents or not node.level:
                # What is imported from a namespace is a module.
                yield from (f"{base}.{alias.name}" for alias in node.names)
