"""`check_plugin` and the fixtures; what all checks do with what can't be made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from distributions import Site, declare, plugin_module, site_on_path
from failing import FINITE, failure, spec

import tlml
import tlml.testing
from tlml.registry import default_registry
from tlml.testing import check_plugin


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with site_on_path(tmp_path) as site:
        yield site


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (
            declare("domain", "tides", target="tides_module:Tides"),
            "domain tides (plugin tides_module, target tides_module:Tides): tides_module has no "
            "class Tides; choose from Spec",
        ),
        (
            declare("domain", "tides", target="no_such:Tides"),
            "domain tides (plugin tides_module, target no_such:Tides): no_such cannot be imported: "
            "ModuleNotFoundError: No module named 'no_such'",
        ),
        (
            declare("learner", "tides", target="tlml.testing.toys:Planes"),
            "learner tides: Planes is not a learner; make it a subclass of tlml.Learner",
        ),
        (
            declare("domain", "sinusoid"),
            "plugin tides_module: domain 'sinusoid' is declared by plugin synthetic and by plugin "
            "tides_module",
        ),
        (
            declare("domain", "tides", extra=", gives={'streem'}"),
            "plugin tides_module: spec tides: gives 'streem', which is not a known word; did you "
            "mean stream? (your own words are written vendor:word)",
        ),
        ("import torch\n" + declare("domain", "tides"), "slows every command down"),
        (
            "x = 1",
            "plugin tides_module: it has no hooks; the hooks are tlml_domains, tlml_learners, "
            "tlml_strategies, tlml_protocols",
        ),
        ("1 / 0", "plugin tides_module: importing it: ZeroDivisionError: division by zero"),
    ],
)
def test_a_broken_plugin_is_found_out(site: Site, source: str, text: str) -> None:
    site.write("tides_module.py", source)
    found = failure(check_plugin, "tides_module")
    assert found == text or (len(text) < 30 and text in found)
    assert "tides_module" not in [plugin.name for plugin in default_registry().plugins]


def test_a_plugin_made_by_hand_is_checked_and_leaves_no_trace() -> None:
    before = [plugin.name for plugin in default_registry().plugins]
    planes = replace(spec(*FINITE), name="planes", target="tlml.testing.toys:Planes")
    assert check_plugin(plugin_module(tlml_domains=[planes])) == ["domain planes"]
    assert [plugin.name for plugin in default_registry().plugins] == before
    with pytest.raises(tlml.TlmlError, match="no domain is called 'planes'"):
        tlml.domain("planes")


def test_options_reach_the_check_of_their_name() -> None:
    assert failure(check_plugin, "synthetic", {"sinusoid": {"options": {"noise": -1.0}}}) == (
        "domain sinusoid: making it: noise: must be at least 0, is -1.0"
    )
    assert failure(check_plugin, "synthetic", {"sinusoids": {}}) == (
        "plugin synthetic: options: no name is called 'sinusoids'; did you mean sinusoid?"
    )


def test_public_names_are_found_and_others_are_not() -> None:
    assert set(tlml.testing.__all__) <= set(dir(tlml.testing))
    with pytest.raises(AttributeError, match=r"module 'tlml.testing' has no attribute 'check'"):
        tlml.testing.check  # noqa: B018
