"""Reading suites: of a YAML file, or one that comes with tlml."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tlml.errors import TlmlError, shorten, unknown
from tlml.registry.registry import Registry, default_registry
from tlml.suites.check import problems
from tlml.suites.messages import readable
from tlml.suites.protocols.table import Protocols
from tlml.suites.schema import Suite
from tlml.yaml_lines import LocatedData, Problem, load_located


def load_suite(source: str | Path, registry: Registry | None = None) -> Suite:
    """Read and check a suite: the path of a YAML file, or the name of one that comes with tlml.

    Args:
        source: A path (with a folder or a suffix), or a name.
        registry: What names are checked against; by default all that is installed.

    Relative paths among the options of domains count from the folder of the file.

    Raises:
        TlmlError: The first error in the file, as ``file:line: path: what is wrong``.
    """
    located, registry = _locate(source), registry or default_registry()
    suite = _validate(located, registry)
    for problem in problems(suite, registry):
        raise located.error(problem)
    if str(source) in shipped_suites():
        return suite
    folder = Path(source).absolute().parent
    for problem in _missing_files(suite, folder):
        raise located.error(problem)
    return suite.located(folder)


def _missing_files(suite: Suite, folder: Path) -> Iterator[Problem]:
    for label, part, name, path in suite.paths():
        # What is to be downloaded may be missing yet.
        if not (folder / path).exists() and not suite.domains[label].options.get("download"):
            message = (
                f"'{path}' is not there: there is no {folder / path} (paths count from the folder "
                "of the suite)"
            )
            yield Problem(("domains", label, part, name), message)


def shipped_suites() -> dict[str, Path]:
    """Return the suites that come with tlml, by name."""
    return {Path(path.name).stem: Path(str(path)) for path in _shipped_files()}


def _shipped_files() -> Iterator[Any]:
    folder = resources.files("tlml").joinpath("suites", "shipped")
    yield from sorted(
        (path for path in folder.iterdir() if path.name.endswith(".yaml")), key=lambda p: p.name
    )


def _locate(source: str | Path) -> LocatedData:
    path = Path(source)
    known = shipped_suites()
    if str(source) in known:
        return load_located(known[str(source)], f"{source}.yaml")
    if path.is_file() or path.suffix in (".yaml", ".yml") or len(path.parts) != 1:
        return load_located(path)
    raise TlmlError(f"{unknown('suite', str(source), known)} (or give the path of a YAML file)")


def _validate(located: LocatedData, registry: Registry) -> Suite:
    if not isinstance(located.data, Mapping):
        found = "is empty" if located.data is None else f"is {shorten(repr(located.data))}"
        raise located.error(
            Problem((), f"must be a mapping with name, domains and methods, {found}")
        )
    try:
        return Suite.model_validate(located.data)
    except ValidationError as error:
        raise _first(located, error, registry) from None


def _first(located: LocatedData, error: ValidationError, registry: Registry) -> TlmlError:
    found = [readable(detail, Suite) for detail in error.errors(include_url=False)]
    found += Protocols(registry).problems(located.data.get("domains"))
    # A misspelt key is also a missing one: the misspelling, which has a line, says more.
    return located.error(min(found, key=lambda p: (located.line(p), p.line_of is None)))
