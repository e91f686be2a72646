"""The wheel, the pins and the Makefile hold what the rest relies on."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from configparser import ConfigParser
from importlib import metadata
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from places import ROOT

CONFIGURATION = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = CONFIGURATION["project"]
PLUGINS = sorted(path.parent.name for path in ROOT.glob("plugins/*/__init__.py"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZipFile]:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    with ZipFile(next(folder.glob("*.whl"))) as opened:
        yield opened


def test_the_wheel_holds_the_core_and_each_plugin_at_top_level(wheel: ZipFile) -> None:
    top = {name.split("/")[0] for name in wheel.namelist() if ".dist-info/" not in name}
    assert top == {"tlml", *PLUGINS}


def test_the_wheel_holds_every_file_of_the_core_and_none_else(wheel: ZipFile) -> None:
    skipped = {"__pycache__"}
    files = [path for path in (ROOT / "tlml").rglob("*") if path.is_file()]
    sources = {str(p.relative_to(ROOT)) for p in files if skipped.isdisjoint(p.parts)}
    assert {name for name in wheel.namelist() if name.startswith("tlml/")} == sources
    assert "tlml/py.typed" in sources
    assert "tlml/suites/shipped/quickstart.yaml" in sources


def test_the_wheel_holds_the_graph_that_comes_with_tlml_and_whose_it_is(wheel: ZipFile) -> None:
    files = {"README.md", "test.txt", "train.txt", "valid.txt"}
    assert {f"tlml_graphs/nations/{file}" for file in files} <= set(wheel.namelist())


def test_the_wheel_declares_its_command_its_plugins_and_its_fixtures(wheel: ZipFile) -> None:
    text = next(name for name in wheel.namelist() if name.endswith("/entry_points.txt"))
    points = ConfigParser()
    points.read_string(wheel.read(text).decode())
    assert points["console_scripts"]["tlml"] == "tlml.cli:main"
    assert sorted(points["tlml"].values()) == PLUGINS
    assert list(points["pytest11"]) == ["tlml"]


def test_the_licence_is_apache_2_in_full_and_in_the_wheel(wheel: ZipFile) -> None:
    text = (ROOT / "LICENSE").read_text()
    assert PROJECT["license"] == "Apache-2.0"
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
    copy = next(name for name in wheel.namelist() if name.endswith("licenses/LICENSE"))
    assert wheel.read(copy).decode() == text


def test_every_package_under_plugins_is_built_declared_and_walled_in() -> None:
    contracts = CONFIGURATION["tool"]["importlinter"]
    packages = CONFIGURATION["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert packages == ["tlml", *(f"plugins/{name}" for name in PLUGINS)]
    assert sorted(contracts["root_packages"]) == ["tlml", *PLUGINS]
    apart = [c for c in contracts["contracts"] if c["type"] == "independence"]
    assert [sorted(c["modules"]) for c in apart] == [PLUGINS]


def test_no_folder_of_the_core_or_of_a_plugin_has_more_than_25_files() -> None:
    packages = [ROOT / "tlml", *(ROOT / "plugins" / name for name in PLUGINS)]
    files = (path for package in packages for path in package.rglob("*") if path.is_file())
    held = Counter(path.parent for path in files if path.suffix != ".pyc")
    assert {str(room.relative_to(ROOT)): n for room, n in held.items() if n > 25} == {}


def test_the_top_folder_has_at_most_12_modules() -> None:
    assert len(list((ROOT / "tlml").glob("*.py"))) <= 12


@pytest.mark.parametrize(
    "target", "demo test test-fast lint bench docs format clean constraints help".split()
)
def test_make_knows_the_target(target: str) -> None:
    plan = subprocess.run(
        ["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert plan.stdout.strip()
    assert "Nothing to be done" not in plan.stdout


def test_make_builds_the_environment_with_the_pins_on_a_clean_clone(tmp_path: Path) -> None:
    plan = subprocess.run(
        ["make", "--dry-run", "test", f"VENV={tmp_path / 'new'}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    create, install = plan.index("-m venv"), plan.index("pip install -c constraints.txt")
    assert create < install < plan.index("-m pytest")


def test_every_requirement_is_pinned_within_its_range() -> None:
    pinned = pins()
    for requirement in requirements():
        assert requirement.name in pinned, requirement
        assert requirement.specifier.contains(pinned[requirement.name]), requirement


def test_whatever_is_installed_for_tlml_is_pinned() -> None:
    """Torch pins what it needs of CUDA itself."""
    missing = {name for name in installed_for("tlml") if name not in pins()} - {"tlml"}
    assert not {name for name in missing if not name.startswith(("nvidia-", "cuda-", "triton"))}


def test_pins_are_exact_and_know_no_machine() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    given = [line for line in lines if not line.startswith("#")]
    assert [line for line in given if not re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", line)] == []
    assert given == sorted(given, key=lambda line: line.split("==")[0])
    assert pins()["torch"] == "2.13.0"


def test_continuous_integration_lints_and_tests_in_an_environment_of_its_own() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    text = script.read_text()
    assert "set -euo pipefail" in text
    assert text.index("VENV=") < text.index("make lint") < text.index("make test")


def test_the_tests_run_on_two_cores_slow_ones_first_and_tell_the_ten_slowest() -> None:
    plan = subprocess.run(
        ["make", "--dry-run", "test"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert "-n 2 --dist loadscope --no-loadscope-reorder" in plan
    assert "--durations 10" in plan
    folders = CONFIGURATION["tool"]["pytest"]["testpaths"]
    assert folders[0] == "tests/slow"
    with_tests = {path.relative_to(ROOT).parts[1] for path in ROOT.glob("tests/**/test_*.py")}
    assert {f"tests/{name}" for name in with_tests - {"third_party"}} == set(folders)


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))


def requirements() -> list[Requirement]:
    """What pyproject.toml names: to run, to build, and for each extra."""
    extras = [text for extra in PROJECT["optional-dependencies"].values() for text in extra]
    texts = [*PROJECT["dependencies"], *extras, *CONFIGURATION["build-system"]["requires"]]
    found = [Requirement(text) for text in texts]
    for requirement in found:
        requirement.name = canonicalize_name(requirement.name)
    return found


def installed_for(root: str) -> set[str]:
    """The distributions in this environment that `root` needs, and those that they need."""
    found: set[str] = set()
    waiting = [root]
    while waiting:
        name = waiting.pop()
        if name not in found and (needs := needs_of(name)) is not None:
            found.add(name)
            waiting += needs
    return found


def needs_of(name: str) -> list[str] | None:
    try:
        texts = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return None
    extras = ("", "dev", "docs") if name == "tlml" else ("",)
    return [
        canonicalize_name(need.name)
        for need in map(Requirement, texts)
        if not need.marker or any(need.marker.evaluate({"extra": extra}) for extra in extras)
    ]
