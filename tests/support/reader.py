"""Somebody who follows a page of the documentation: what its code blocks do, each in its way."""

from __future__ import annotations

import importlib
import json
import re
import sys
import tomllib
import traceback
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from code_blocks import Block, Command, commands
from distributions import Site
from places import ROOT

from tlml.cli import main
from tlml.registry import default_registry

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SHELLS = ("bash", "console")
UNCHECKED = ("text", "markdown", "diff", "{toctree}")


class Reader:
    """Somebody who types what one page shows, from top to bottom, in an empty folder.

    Suites run in this process unless `in_processes`: each process imports Lightning for itself.
    """

    def __init__(
        self,
        site: Site,
        patch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        in_processes: bool = False,
    ) -> None:
        self.site, self.patch, self.capsys, self.in_processes = site, patch, capsys, in_processes
        # As in a script: classes are found by pickle and by the registry under __main__.
        self.script = types.ModuleType("__main__")
        patch.setitem(sys.modules, "__main__", self.script)

    def follow(self, block: Block) -> None:
        """Do what a block shows, and fail with its page and line."""
        try:
            if block.file_name:
                self.site.write(block.file_name, block.text + "\n")
            self._action(block)(block)
        except pytest.fail.Exception:
            raise
        except (Exception, SystemExit) as error:
            line = next((f.lineno for f in frames(error) if f.filename == str(block.page)), None)
            where = f"{block.page}:{line}" if line else block.where
            pytest.fail(f"{where}: {type(error).__name__}: {error}\n{traceback.format_exc()}")

    def _action(self, block: Block) -> Callable[[Block], None]:
        if block.language in UNCHECKED:
            return lambda block: None
        if block.language in SHELLS:
            return self._type
        actions = {"python": self._run, "yaml": self._load, "toml": parse_toml, "json": parse_json}
        known = [*actions, *SHELLS, *UNCHECKED]
        assert block.language in actions, f"'{block.language}' is none of {', '.join(known)}"
        return actions[block.language]

    def _run(self, block: Block) -> None:
        # Empty lines before it give tracebacks the lines of the page.
        source = "\n" * (block.line - 1) + block.text
        exec(compile(source, block.page, "exec"), vars(self.script))

    def _load(self, block: Block) -> None:
        data = yaml.safe_load(block.text)
        if not (isinstance(data, dict) and "methods" in data):
            return
        from tlml.suites import load_suite

        path = self.site.folder / (block.file_name or "suite.yaml")
        path.write_text(block.text)
        load_suite(path)
        path.write_text(yaml.safe_dump(small(data)))

    def _type(self, block: Block) -> None:
        for command in commands(block):
            where = f"{block.page}:{command.line}: {' '.join(command.words)}"
            while re.fullmatch(r"[A-Z_]+=.*", command.words[0]):
                self.patch.setenv(*command.words.pop(0).split("=", 1))
            program = command.words[0]
            assert program in ("tlml", *CHECKS), f"{where}: neither run nor checked"
            if program == "tlml":
                self._tlml(command, where)
            else:
                CHECKS[program](command.words[1:], self.site)

    def _tlml(self, command: Command, where: str) -> None:
        """Run a line; where the page shows an error of tlml's, exactly that must come."""
        self.capsys.readouterr()
        expected = [line for line in command.output if line.startswith("tlml: ")]
        words = command.words[1:]
        if words[0] == "bench" and "--jobs" not in words and not self.in_processes:
            words += ["--jobs", "1"]
        status = main(words)
        printed = self.capsys.readouterr().err
        assert status == (2 if expected else 0), f"{where}: exit {status}\n{printed}"
        assert [line for line in expected if line not in printed.splitlines()] == [], printed


def frames(error: BaseException) -> list[traceback.FrameSummary]:
    """Return where an error came from, innermost first."""
    return traceback.extract_tb(error.__traceback__)[::-1]


def parse_toml(block: Block) -> None:
    tomllib.loads(block.text)


def parse_json(block: Block) -> None:
    json.loads(block.text)


def check_make(words: list[str], site: Site) -> None:
    """A target must be in the Makefile."""
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert [word for word in words if "=" not in word and word not in targets] == []


def check_pip(words: list[str], site: Site) -> None:
    """Extras must exist; the reader's own distribution is put where pip would have put it."""
    assert words[0] == "install"
    for word in words[1:]:
        for extra in re.findall(r"(?:tlml|\.)\[(.*)\]", word):
            assert set(extra.split(",")) <= set(PROJECT["optional-dependencies"]), word
    if words[-1] == "." and (site.folder / "pyproject.toml").exists():
        install(tomllib.loads((site.folder / "pyproject.toml").read_text())["project"], site)


def install(project: dict[str, Any], site: Site) -> None:
    info = f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    head = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    points = project["entry-points"]["tlml"]
    lines = [f"{name} = {module}" for name, module in points.items()]
    site.write(f"{info}/METADATA", head)
    site.write(f"{info}/entry_points.txt", "\n".join(["[tlml]", *lines, ""]))
    importlib.invalidate_caches()  # metadata is looked up anew when a folder is older than a tick
    default_registry.cache_clear()


def check_python(words: list[str], site: Site) -> None:
    """A script must be one that the page shows (and that has run there)."""
    assert words[0].startswith("-") or (site.folder / words[0]).is_file(), words[0]


def unchecked(words: list[str], site: Site) -> None:
    """What moves about, or fetches what no test may fetch."""


CHECKS: dict[str, Callable[[list[str], Site], None]] = {
    "make": check_make,
    "pip": check_pip,
    "python": check_python,
    "git": unchecked,
    "cd": unchecked,
    "pre-commit": unchecked,
}


def cut_trainers(patch: pytest.MonkeyPatch) -> None:
    """Let every Trainer stop after two batches of two epochs."""
    from pytorch_lightning import Trainer

    run = Trainer._run

    def cut(trainer: Trainer, *args: Any, **kwargs: Any) -> object:
        for part in ("train", "val", "test"):
            setattr(trainer, f"limit_{part}_batches", 2)
        epochs = trainer.max_epochs
        trainer.fit_loop.max_epochs = 2 if epochs in (None, -1) else min(2, epochs)
        return run(trainer, *args, **kwargs)

    patch.setattr(Trainer, "_run", cut)


def cut_shipped_suites(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Let the suites that come with tlml run on one seed, two episodes and two batches."""
    from tlml.suites import load as suite

    cut = {}
    for name, path in suite.shipped_suites().items():
        cut[name] = folder / f"{name}.yaml"
        cut[name].write_text(yaml.safe_dump(small(yaml.safe_load(path.read_text()))))
    patch.setattr(suite, "shipped_suites", lambda: cut)


def small(data: dict[str, Any]) -> dict[str, Any]:
    """Return a suite that asks the same questions of the least data."""
    few = {"max_epochs": 1, "limit_train_batches": 2, "limit_val_batches": 1}
    data = {**data, "seeds": 1, "episodes": 2, "trainer": {**data.get("trainer", {}), **few}}
    for part in ("domains", "fits"):
        for each in (data.get(part) or {}).values():
            each.pop("trainer", None)
            each.pop("episodes", None)
    for method in data["methods"].values():
        method.pop("tune", None)
    return data
