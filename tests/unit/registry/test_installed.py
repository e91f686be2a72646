"""What is installed, also where a package that is none of ours is damaged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from distributions import Site, declare, site_on_path

from tlml.registry import Registry
from tlml.registry.installed import CORE, installed, installed_plugins, malformed, plugin_packages

MALFORMED = ["nonsense\n[x]\ny", "[console_scripts]\nfoo\n", "[x]\n=\n= b\ny"]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with site_on_path(tmp_path) as site:
        site.install("sea", declare("domain", "waves"), plugin="water", version="2.1")
        yield site


def test_the_core_comes_first_then_ours_then_strangers(site: Site) -> None:
    names = installed_plugins()
    assert (names[0], names[-1]) == (CORE, "water")
    (water,) = [one for one in installed() if one.name == "water"]
    assert (water.distribution, water.version, water.module) == ("sea", "2.1", "sea_module")
    assert {"tlml", "tlml_maml", "sea_module"} <= plugin_packages()
    assert malformed() == []


@pytest.mark.parametrize("text", MALFORMED)
def test_malformed_entry_points_of_any_package_leave_all_others(site: Site, text: str) -> None:
    before = installed_plugins()
    site.write("aaa-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: aaa\nVersion: 1\n")
    site.write("aaa-1.0.dist-info/entry_points.txt", text)
    assert malformed() == ["aaa"]
    assert installed_plugins() == before
    assert Registry().spec("domain", "waves").name == "waves"


def test_bytes_that_are_no_text_leave_all_others(site: Site) -> None:
    site.write("aaa-1.0.dist-info/METADATA", "Name: aaa\nVersion: 1\n")
    site.write("aaa-1.0.dist-info/entry_points.txt", "")
    (site.folder / "aaa-1.0.dist-info" / "entry_points.txt").write_bytes(b"\xff\xfe[tlml]")
    assert "water" in installed_plugins()
    assert malformed() == ["aaa"]


def test_a_malformed_plugin_is_told_as_broken(site: Site) -> None:
    site.write("aaa-1.0.dist-info/METADATA", "Name: aaa\nVersion: 1\n")
    site.write("aaa-1.0.dist-info/entry_points.txt", "nonsense\n[tlml]\ny")
    broken = [plugin for plugin in Registry(strict=False).plugins if plugin.error]
    assert [(plugin.name, plugin.error) for plugin in broken] == [
        ("aaa", "entry_points.txt of aaa is malformed; install it anew")
    ]
