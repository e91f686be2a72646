"""Strangers' distributions, as pip would install them, and plugins made in a test."""

from __future__ import annotations

import sys
import textwrap
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tlml.hookspecs import hookimpl

HEAD = "from tlml import Spec, hookimpl\n"


class Site:
    """A folder that holds installed distributions."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(
        self, distribution: str, source: str, plugin: str | None = None, version: str = "1.0"
    ) -> None:
        """Install a distribution whose one module ``<distribution>_module`` is a plugin."""
        module = f"{distribution}_module"
        self.write(f"{module}.py", source)
        self.write(
            f"{distribution}-{version}.dist-info/METADATA",
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n",
        )
        self.write(
            f"{distribution}-{version}.dist-info/entry_points.txt",
            f"[tlml]\n{plugin or distribution} = {module}\n",
        )

    def write(self, path: str, text: str) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))


@contextmanager
def site_on_path(folder: Path) -> Iterator[Site]:
    """Put a folder on the path of this process, and forget its modules afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield Site(folder)
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(folder)):
            del sys.modules[name]


def declare(kind: str, *names: str, target: str = "nowhere:Nothing", extra: str = "") -> str:
    """Write a hook that declares names of one kind."""
    hook = {"domain": "domains", "learner": "learners", "strategy": "strategies"}[kind]
    specs = ", ".join(f"Spec({name!r}, {target!r}, 'made up'{extra})" for name in names)
    return f"{HEAD}@hookimpl\ndef tlml_{hook}():\n    return [{specs}]\n"


def plugin_module(**answers: object) -> types.ModuleType:
    """Make a plugin whose hooks return the answers, or raise them; functions stay as they are."""
    made = types.ModuleType("made_up")
    for name, answer in answers.items():
        given = isinstance(answer, types.FunctionType)
        setattr(made, name, answer if given else hookimpl(_returning(answer)))
    return made


def _returning(answer: object) -> Callable[[], object]:
    def function() -> object:
        if isinstance(answer, BaseException):
            raise answer
        return answer

    return function
