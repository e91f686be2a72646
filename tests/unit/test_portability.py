"""What only some systems have is called in a few guarded places; text and names are everybody's."""

from __future__ import annotations

import ast
import functools
import multiprocessing
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from places import ROOT

from tlml.suites.executors import local

# What macOS or Windows lack, or do otherwise.
_OWN = re.compile(
    r"os\.(sched_\w+|fork\w*|wait\w*|get[eu]+id|setsid|killpg|kill|getpg\w+|mkfifo|uname|link|chown"
    r"|nice|posix_\w+|statvfs|pread|pwrite|rename|getloadavg|O_(?!RDWR|RDONLY|WRONLY)\w+)"
    r"|signal\.(SIG(?!INT|TERM|_IGN|_DFL|nals)\w+|alarm|setitimer|pthread_\w+|sig(?!nal)\w+)"
    r"|\w*\.set_forkserver_preload|ctypes\.CDLL|\w+\.rename"
)
_MODULES = {
    "fcntl",
    "resource",
    "pwd",
    "grp",
    "termios",
    "tty",
    "pty",
    "syslog",
    "msvcrt",
    "winreg",
}
_ROOTS = re.compile(r"/(proc|dev|sys|tmp|etc)\b")

# Where such calls stand, with their guard.
ALLOWED = {
    ("suites/execution/owners.py", "/proc"): "OSError: then the start of a process is unknown",
    ("suites/execution/owners.py", "os.kill"): "not on Windows, where it would end the process",
    ("suites/executors/worker.py", "ctypes.CDLL"): "on Linux only",
    ("suites/executors/worker.py", "signal.SIGKILL"): "on Linux only",
    ("suites/executors/local.py", "context.set_forkserver_preload"): "where forkserver is there",
    ("suites/execution/claims.py", "os.link"): "OSError: then the claim is taken anew",
    ("suites/execution/claims.py", "path.rename"): "to a name that nothing has",
    ("suites/execution/attempts.py", "os.rename"): "a folder, to a name that nothing has",
    ("suites/execution/published.py", "os.rename"): "a folder, to a name that nothing has",
    ("suites/execution/folder.py", "published.rename"): "a folder, to a name that nothing has",
    ("inspection/plots.py", "layers.rename"): "pandas",
    (
        "tlml_rl/off_policy/free_memory.py",
        "/proc/meminfo",
    ): "OSError: then os.sysconf tells, or nothing",
}


@functools.cache
def sources() -> list[tuple[str, ast.AST]]:
    """Return all modules of core and plugins with their paths, from the package in the core."""
    return [
        (path.relative_to(ROOT / folder).as_posix(), ast.parse(path.read_text(encoding="utf-8")))
        for folder in ("tlml", "plugins")
        for path in sorted((ROOT / folder).rglob("*.py"))
    ]


def names_in(tree: ast.AST) -> Iterator[str]:
    """Yield what a module has of its own system."""
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(ast.Name(owner) | ast.Attribute(attr=owner), name):
                if _OWN.fullmatch(f"{owner}.{name}"):
                    yield f"{owner}.{name}"
            case ast.Import(names) if _MODULES & {one.name for one in names}:
                yield names[0].name
            case ast.ImportFrom(module=str(module), names=names):
                yield from (module for _ in [0] if module in _MODULES)
                found = (f"{module}.{one.name}" for one in names)
                yield from (name for name in found if _OWN.fullmatch(name))
            case ast.Constant(str(text)) if _ROOTS.match(text) and id(node) not in docstrings:
                yield text


def test_what_some_systems_lack_is_called_in_guarded_places_only() -> None:
    found = {(path, name) for path, tree in sources() for name in names_in(tree)}
    assert found == ALLOWED.keys()


@pytest.mark.parametrize(
    "text",
    [
        "import os\nos.sched_getaffinity(0)", "from os import fork", "import fcntl",
        "from resource import setrlimit", "import signal\nsignal.SIGKILL", "open('/proc/1/stat')",
        "import signal\nsignal.pthread_sigmask(1, [])", "import os\nos.rename(a, b)",
        "import os\nos.getuid()", "p.rename(q)",
    ],
)  # fmt: skip
def test_the_search_finds_what_it_looks_for(text: str) -> None:
    assert list(names_in(ast.parse(text)))


def unnamed_encodings(tree: ast.AST) -> Iterator[str]:
    """Yield the calls that read or write text in the encoding of the machine."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        match node.func:
            case ast.Attribute(attr=("read_text" | "write_text" | "open") as name):
                owner = ast.unparse(node.func.value)
            case ast.Name(("open") as name):
                owner = ""
            case _:
                continue
        modes = [one.value for one in node.args if isinstance(one, ast.Constant)]
        binary = any(isinstance(mode, str) and "b" in mode for mode in modes)
        named = any(keyword.arg == "encoding" for keyword in node.keywords)
        # These open no text: the metadata of packages, sources, compressed data and images.
        other = owner in {"distribution", "tokenize", "gzip", "Image", "os", "zipfile"}
        if not (named or other or (name == "open" and binary)):
            yield ast.unparse(node)


def test_text_is_read_and_written_as_utf_8() -> None:
    found = {path: list(unnamed_encodings(tree)) for path, tree in sources()}
    assert {path: calls for path, calls in found.items() if calls} == {}
    assert list(unnamed_encodings(ast.parse("p.read_text()\nopen(p)\nopen(p, 'w')")))


def test_without_forkserver_processes_are_started_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: ["spawn"])
    assert local._context().get_start_method() == "spawn"


def test_on_macos_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert local._context().get_start_method() == "spawn"


def test_paths_in_names_of_files_are_no_part_of_the_sources() -> None:
    """Names that Windows or macOS can't hold apart would break a checkout there."""
    files = [path for path in ROOT.glob("[!.]*/**/*") if "__pycache__" not in path.parts]
    names = [path.relative_to(ROOT).as_posix() for path in files if ".venv" not in path.parts]
    assert len({name.casefold() for name in names}) == len(names)
    assert [name for name in names if re.search(r'[<>:"|?*\\]', name)] == []


def test_guards_are_still_there() -> None:
    for path, _ in ALLOWED:
        assert any(Path(ROOT / folder / path).is_file() for folder in ("tlml", "plugins"))
