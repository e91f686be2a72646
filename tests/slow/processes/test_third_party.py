"""A stranger's distribution takes part in everything, alone too, and broken ones break nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from distributions import Site, site_on_path
from failing import failure
from places import TESTS

from tlml.registry import Registry
from tlml.registry.installed import CORE, OURS
from tlml.testing import check_plugin

SOURCE = TESTS / "third_party" / "stranger"
NAMES = {("domain", "tides"), ("learner", "averaging"), ("strategy", "heavy_ball")}
BUILT_IN = [p.name for p in Registry().plugins if p.distribution == OURS and p.name != CORE]


@dataclass(frozen=True)
class Stranger:
    """Somebody's machine: a virtual environment, and a folder that holds the distribution."""

    python: Path
    folder: Path

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.python), *command], cwd=self.folder, capture_output=True, text=True,
            env={**os.environ, "COLUMNS": "200", **environment}, check=False,
        )  # fmt: skip

    def tlml(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return self.run("-m", "tlml", *words, **environment)


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Stranger:
    home = tmp_path_factory.mktemp("stranger")
    venv.create(home / "venv", with_pip=False)
    made = Stranger(home / "venv" / "bin" / "python", home / "tides")
    shutil.copytree(SOURCE, made.folder, ignore=shutil.ignore_patterns("__pycache__"))
    # Heavy packages are shared with the environment that runs the tests, and so is tlml.
    (site_packages,) = (home / "venv").glob("lib/python*/site-packages")
    outer = sysconfig.get_path("purelib")
    (site_packages / "shared.pth").write_text(f"import site; site.addsitedir({outer!r})\n")
    pip = [sys.executable, "-m", "pip", "--python", str(made.python), "install", "--quiet"]
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    subprocess.run([*pip, *offline, str(made.folder)], check=True, capture_output=True)
    shutil.rmtree(made.folder / "tides_tlml")  # what runs is what was installed
    return made


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with a distribution whose plugin can't be imported."""
    site = Site(tmp_path_factory.mktemp("broken"))
    site.install("wreck", "raise OSError('run aground')")
    return str(site.folder)


def names(done: subprocess.CompletedProcess[str], **wanted: str) -> set[tuple[str, str]]:
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return {(e["kind"], e["name"]) for e in found if wanted.items() <= e.items()}


def test_it_is_listed_beside_the_built_in_names(stranger: Stranger) -> None:
    done = stranger.tlml("list", "--json")
    assert names(done, plugin="tides") == NAMES
    assert ("learner", "maml") in names(done)
    plugins = json.loads(stranger.tlml("plugins", "--json").stdout)
    (own,) = [plugin for plugin in plugins if plugin["name"] == "tides"]
    assert (own["distribution"], own["version"]) == ("tlml-tides", "0.3.0")
    assert (own["error"], own["heavy"]) == ("", [])


def test_it_is_listed_where_all_built_ins_are_blocked(stranger: Stranger) -> None:
    done = stranger.tlml("list", "--json", TLML_BLOCK=",".join(BUILT_IN))
    assert names(done) == NAMES | {("learner", "estimator")}
    left_out = [word for name in BUILT_IN for word in ("-p", f"no:{name}")]
    assert names(stranger.tlml(*left_out, "list", "--json")) == names(done)


def test_it_goes_together_with_the_built_ins_and_with_itself(stranger: Stranger) -> None:
    done = stranger.tlml("check", "tides", "maml", "heavy_ball")
    assert done.stdout == "tides, maml and heavy_ball go together\n"
    done = stranger.tlml("check", "glyphs", "averaging", "linear_probe")
    assert done.returncode == 0
    done = stranger.tlml("info", "heavy_ball")
    assert "momentum" in done.stdout
    assert "How much of the last step is kept" in done.stdout


def test_a_suite_of_its_names_runs_without_built_ins_and_beside_a_broken_plugin(
    stranger: Stranger, broken: str
) -> None:
    alone = {"TLML_BLOCK": ",".join(BUILT_IN), "PYTHONPATH": broken}
    done = stranger.tlml("bench", "harbours.yaml", "--jobs", "1", **alone)
    assert done.returncode == 0, done.stderr
    results = [
        json.loads(path.read_text())
        for path in (stranger.folder / "runs" / "harbours" / "cells").glob("*/result.json")
    ]
    adapted = {(r["method"], r["seed"]): r for r in results if r["kind"] == "adapt"}
    assert set(adapted) == {(method, seed) for method in ("own", "pushed") for seed in (0, 1)}
    assert {r["learner"] for r in results} == {"averaging"}
    assert all(r["episodes"] == [0, 1, 2, 3] for r in adapted.values())
    assert adapted["pushed", 0]["strategy"] == "heavy_ball"
    assert adapted["pushed", 0]["cost"]["gradient_steps"] == 10  # of each episode
    assert (stranger.folder / "runs" / "harbours" / "report.md").is_file()


@pytest.mark.parametrize("block", ["", ",".join(BUILT_IN)], ids=["beside", "alone"])
def test_a_trainer_script_runs(stranger: Stranger, block: str) -> None:
    done = stranger.run("train.py", TLML_BLOCK=block)
    assert done.returncode == 0, done.stderr
    assert "test_mse" in done.stdout


def test_its_own_tests_use_the_fixtures(stranger: Stranger) -> None:
    done = stranger.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_a_broken_plugin_is_named_and_stops_no_command(stranger: Stranger, broken: str) -> None:
    done = stranger.tlml("plugins", PYTHONPATH=broken)
    assert done.returncode == 1
    assert "OSError: run aground" in done.stdout
    done = stranger.tlml("list", PYTHONPATH=broken)
    assert (done.returncode, "tides" in done.stdout) == (0, True)
    assert done.stderr == "tlml: left out as broken: wreck (tlml plugins)\n"
    for words in (["info", "tides"], ["check", "tides", "averaging", "heavy_ball"], ["--version"]):
        assert stranger.tlml(*words, PYTHONPATH=broken).returncode == 0, words


# Variants of the distribution that are broken on purpose


@dataclass(frozen=True)
class Variant:
    """A change of one file, and what `check_plugin` says to it."""

    file: str
    old: str
    new: str
    text: str


VARIANTS = {
    "gives what it has not": Variant(
        "domain.py",
        "def tasks(self, split):",
        "def harbours_of(self, split):",
        "domain tides: drawing a task of split 'source': Tides has endless tasks: it has draw(), "
        "not tasks()",
    ),
    "gives pairs of tasks without end": Variant(
        "domain.py",
        "def tasks(self, split):",
        "def draw(self, split, rng):\n"
        "        return self.harbours_of(split)[int(rng.integers(self.harbours))]\n\n"
        "    def harbours_of(self, split):",
        "domain tides: spec gives 'pair' but tasks('source') is not there, and its tasks have no "
        "sample(); write one of them or drop 'pair' from gives",
    ),
    "has classes as targets": Variant(
        "__init__.py",
        '"regression", "finite"',
        '"classification", "finite"',
        "domain tides: spec gives 'classification' but y is a Box space; make it a Discrete or "
        "drop 'classification' from gives",
    ),
    "draws from the global state": Variant(
        "domain.py",
        "rng = np.random.default_rng(self.seed)",
        "rng = np.random.mtrand._rand",
        "domain tides: drawing from split 'source' draws from the global random state of NumPy; "
        "draw from the generator that is passed, or make one from a seed",
    ),
    "draws from a generator without a seed": Variant(
        "domain.py",
        "rng = np.random.default_rng(self.seed)",
        "rng = np.random.default_rng()",
        "domain tides: two draws from split 'source' with equal generators differ; draw() and "
        "sample() must be functions of the split and the rng that they are given only",
    ),
    "imports torch": Variant(
        "__init__.py",
        "from tlml import Spec, hookimpl",
        "import torch\n\nfrom tlml import Spec, hookimpl",
        "plugin tides_tlml: importing tides_tlml imports torch, which slows every command down; "
        "import them in the files of the classes, which specs only name",
    ),
    "does not pickle": Variant(
        "domain.py",
        "self.harbours = harbours",
        "self.harbours, self.unit = harbours, lambda metres: metres",
        "domain tides: pickling it: AttributeError: Can't pickle local object "
        "'Tides.__init__.<locals>.<lambda>'; loader processes need it: no lambdas, no open files, "
        "no local classes",
    ),
    "calls the loss too often": Variant(
        "strategy.py",
        "            yield params",
        "            loss(params, support)\n            yield params",
        "strategy heavy_ball: after inner step 1 the loss was called 2 times; call it once in a "
        "step and at no other time (on environments a call collects rollouts)",
    ),
    "learns nothing": Variant(
        "learner.py",
        "(p * (p - adapted[name]).detach()).sum()",
        "0 * p.sum()",
        "learner averaging on Planes: two batches change nothing of it; does the loss depend on "
        "its parameters, and does configure_optimizers() hold them?",
    ),
    "names a class that is not there": Variant(
        "__init__.py",
        "tides_tlml.strategy:HeavyBall",
        "tides_tlml.strategy:HeavyBal",
        "strategy heavy_ball (plugin tides_tlml, target tides_tlml.strategy:HeavyBal): "
        "tides_tlml.strategy has no class HeavyBal; did you mean HeavyBall?",
    ),
}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    shutil.copytree(SOURCE / "tides_tlml", tmp_path / "tides_tlml")
    with site_on_path(tmp_path) as site:
        yield site


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_a_broken_variant_is_rejected_with_what_to_mend(site: Site, variant: Variant) -> None:
    file = site.folder / "tides_tlml" / variant.file
    text = file.read_text()
    assert text.count(variant.old) == 1
    file.write_text(text.replace(variant.old, variant.new))
    options: dict[str, Any] = {"tides": {"options": {"harbours": 3}}}
    assert failure(check_plugin, "tides_tlml", options) == variant.text
