"""What the documentation shows runs, and what there is is documented."""

from __future__ import annotations

import re
import runpy
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from code_blocks import blocks
from distributions import site_on_path
from places import ROOT
from reader import Reader, cut_shipped_suites, cut_trainers

from tlml import hookspecs
from tlml.cli import COMMANDS
from tlml.registry import Registry, default_registry
from tlml.registry.installed import OURS
from tlml.spec import KINDS

PAGES = sorted(page for page in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")] if blocks(page))
MAY_STAY_UNRUN = 5
# The page whose suite runs in processes, which must know what the page alone has declared.
IN_PROCESSES = ROOT / "docs" / "tutorials" / "compare.md"


@pytest.fixture(autouse=True)
def fresh_registry() -> Iterator[None]:
    """Forget the plugins that a page has shown."""
    yield
    default_registry.cache_clear()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_code_of_a_page_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cut_trainers(monkeypatch)
    cut_shipped_suites(tmp_path, monkeypatch)
    folder = tmp_path / "reader"
    folder.mkdir()
    monkeypatch.chdir(folder)
    with site_on_path(folder) as site:
        reader = Reader(site, monkeypatch, capsys, in_processes=page == IN_PROCESSES)
        for block in blocks(page):
            if block.not_run is None:
                reader.follow(block)


def test_a_project_that_a_page_shows_names_its_packages() -> None:
    """Else pip refuses it once folders of results or data lie beside the package."""
    shown = [tomllib.loads(block.text) for page in PAGES for block in blocks(page)
             if block.language == "toml" and "[project]" in block.text]  # fmt: skip
    assert len(shown) >= 3
    assert all(project["tool"]["setuptools"]["packages"] for project in shown)


def test_what_is_not_run_says_why_and_stays_rare() -> None:
    unrun = [block for page in PAGES for block in blocks(page) if block.not_run is not None]
    assert [block.where for block in unrun if not block.not_run] == []
    assert len(unrun) <= MAY_STAY_UNRUN, [block.where for block in unrun]


def test_every_hook_is_documented() -> None:
    text = documentation("docs/**/*.md")
    hooks = [name for name in vars(hookspecs) if name.startswith("tlml_")]
    assert len(hooks) >= 3
    check_documented(name for name in hooks if name not in text)


def test_every_command_is_documented() -> None:
    text = documentation("README.md", "docs/**/*.md")
    check_documented(f"tlml {name}" for name in COMMANDS if f"tlml {name}" not in text)


def test_every_built_in_name_is_documented() -> None:
    code = "\n".join(re.findall(r"```.*?```|`[^`\n]+`", documentation("docs/**/*.md"), re.DOTALL))
    plugins = [plugin for plugin in Registry().plugins if plugin.distribution in (OURS, "")]
    names = [f"{kind} {name}" for p in plugins for kind in KINDS for name in p.names(kind)]
    assert len(names) >= 10
    words = set(re.findall(r"[a-z][a-z0-9_]*", code))
    check_documented(name for name in names if name.split()[1] not in words)


def test_the_page_of_names_is_what_is_registered() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "list_names.py"))
    assert made["PAGE"].read_text() == made["page"](), "write it anew: make names"


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 200


def check_documented(missing: Iterable[str]) -> None:
    text = ", ".join(missing)
    assert not text, f"no page mentions {text}"


def documentation(*patterns: str) -> str:
    return "\n".join(page.read_text() for pattern in patterns for page in ROOT.glob(pattern))
