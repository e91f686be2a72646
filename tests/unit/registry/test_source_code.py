"""Digests of code that is no release."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributions import Site, site_on_path

from tlml.registry.source_code import SourceCode


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Site]:
    """A folder with packages that were never installed."""
    with site_on_path(tmp_path / "checkout") as site:
        site.write("mine/__init__.py", "import mine_helpers, json\n")
        site.write("mine/steps.py", "def step(p):\n    return p\n")
        site.write("mine/table.csv", "1,2\n")
        site.write("mine_helpers.py", "from .. import nothing\n")
        yield site


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Site]:
    """A folder of installed packages."""
    with site_on_path(tmp_path / "site-packages") as site:
        site.install("theirs", "x = 1\n")
        site.write("theirs-1.0.dist-info/RECORD", "theirs_module.py,,\n")
        yield site


def of(module: str) -> dict[str, str]:
    return SourceCode().of(module)


def test_a_checkout_is_told_with_what_it_imports(checkout: Site) -> None:
    assert of("mine.steps").keys() == of("mine").keys() == {"mine", "mine_helpers"}
    assert "mine" not in sys.modules


@pytest.mark.parametrize("file", ["mine/steps.py", "mine/table.csv", "mine/new.py"])
def test_each_change_of_a_file_is_another_state(checkout: Site, file: str) -> None:
    before = of("mine")
    checkout.write(file, "x = 0\n")
    after = of("mine")
    assert before["mine"] != after["mine"]
    assert before["mine_helpers"] == after["mine_helpers"]


def test_a_renamed_file_is_another_state(checkout: Site) -> None:
    before = of("mine")
    (checkout.folder / "mine/steps.py").rename(checkout.folder / "mine/strides.py")
    assert of("mine") != before


def test_what_is_compiled_and_hidden_and_where_it_lies_says_nothing(
    checkout: Site, tmp_path: Path
) -> None:
    before = of("mine")
    for name in ("__pycache__/steps.pyc", "fast.so", ".steps.py.swp", ".cache/x.py"):
        checkout.write(f"mine/{name}", "1")
    assert of("mine") == before
    (checkout.folder / "mine/steps.py").write_bytes(b"def step(p):\r\n    return p\r\n")
    assert of("mine") == before
    checkout.folder.rename(tmp_path / "elsewhere")
    with site_on_path(tmp_path / "elsewhere"):
        assert of("mine") == before


def test_large_data_count_by_their_size(checkout: Site) -> None:
    checkout.write("mine/large.txt", "1" * 2_000_000)
    before = of("mine")
    checkout.write("mine/large.txt", "2" * 2_000_000)
    assert of("mine") == before
    checkout.write("mine/large.txt", "2" * 2_000_001)
    assert of("mine") != before


def test_releases_and_python_itself_have_versions_enough(installed: Site) -> None:
    assert of("theirs_module") == of("torch") == of("json") == of("nowhere.at_all") == {}


def test_a_copy_of_a_local_folder_is_no_release(installed: Site) -> None:
    note = {"url": "file:///home/me/theirs", "dir_info": {}}
    installed.write("theirs-1.0.dist-info/direct_url.json", json.dumps(note))
    before = of("theirs_module")
    assert before.keys() == {"theirs_module"}
    installed.write("theirs_module.py", "x = 2\n")
    assert of("theirs_module") != before


def test_of_a_namespace_only_the_part_that_is_used_is_told(checkout: Site) -> None:
    checkout.write("acme/one/__init__.py", "import acme.three\n")
    checkout.write("acme/two/__init__.py", "")
    checkout.write("acme/three.py", "")
    assert of("acme.one.inner").keys() == {"acme.one", "acme.three"}


def test_each_package_is_read_once(checkout: Site) -> None:
    code = SourceCode()
    before = code.of("mine")
    checkout.write("mine/steps.py", "x = 0\n")
    assert code.of("mine.steps") == before != of("mine")


@pytest.mark.parametrize(
    "line",
    [
        "from acme import nets", "import json; import acme.nets", "if True: import acme.nets as n",
        "def f():\n    from acme.nets import Net, other", "from acme import (\n    nets\n)",
        "from . import nets", "from .nets import Net", "from .nets import *",
        "import json, acme.nets",
    ],
)  # fmt: skip
def test_every_form_of_import_is_seen(checkout: Site, line: str) -> None:
    checkout.write("acme/nets.py", "")
    checkout.write("acme/uses.py", line)
    assert of("acme.uses").keys() == {"acme.uses", "acme.nets"}


def test_of_a_namespace_siblings_are_seen_from_within_a_package(checkout: Site) -> None:
    checkout.write("acme/one/__init__.py", "")
    checkout.write("acme/one/deep/steps.py", "from ... import nets\nfrom .... import beyond\n")
    checkout.write("acme/nets.py", "text = '\\d'\n")
    assert of("acme.one").keys() == {"acme.one", "acme.nets"}


def test_what_is_no_python_imports_nothing(checkout: Site) -> None:
    checkout.write("mine/old.py", "print 'x'; import acme")
    assert of("mine").keys() == {"mine", "mine_helpers"}


def test_what_runs_and_tools_write_into_a_package_says_nothing(checkout: Site) -> None:
    before = of("mine")
    for name in (
        "runs/fit/version_0/metrics.csv", "runs/fit/newest.txt", "build/lib/mine/steps.py",
        "dist/mine.whl", "mine.egg-info/PKG-INFO", "out/plan.json", "out/cells/a/result.json",
        "logs/version_0/hparams.yaml", "lightning_logs/version_0/metrics.csv",
    ):  # fmt: skip
        checkout.write(f"mine/{name}", "1")
    assert of("mine") == before
    checkout.write("mine/build/__init__.py", "")
    assert of("mine") != before
