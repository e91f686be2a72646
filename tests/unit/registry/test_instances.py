"""From a name and options to an instance."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributions import Site, declare, site_on_path

import tlml
from tlml.errors import TlmlError
from tlml.registry import Registry, default_registry
from tlml.registry.instances import build

WAVES = """
class Waves:
    def __init__(self, height: float, name: str = "sea"):
        self.height, self.name = height, name
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    default_registry.cache_clear()
    with site_on_path(tmp_path) as site:
        site.write("sea_waves.py", WAVES)
        for kind in ("domain", "learner", "strategy"):
            source = declare(kind, f"waves_{kind}", target="sea_waves:Waves")
            site.install(f"{kind}_sea", source)
        yield site
    default_registry.cache_clear()


@pytest.mark.parametrize("kind", ["domain", "learner", "strategy"])
def test_a_name_and_options_make_an_instance(site: Site, kind: str) -> None:
    made = getattr(tlml, kind)(f"waves_{kind}", height=2, name="lake")
    assert type(made) is sys.modules["sea_waves"].Waves
    assert (made.height, made.name) == (2, "lake")


@pytest.mark.parametrize("kind", ["domain", "learner", "strategy"])
def test_wrong_options_are_named_before_anything_is_made(site: Site, kind: str) -> None:
    make, name = getattr(tlml, kind), f"waves_{kind}"
    for options, error in (
        ({}, "option 'height' is missing (float)"),
        ({"height": "2"}, "option 'height' must be float, is '2' (str)"),
        ({"height": 2, "hight": 2}, "no option is called 'hight'; did you mean height?"),
    ):
        with pytest.raises(TlmlError) as caught:
            make(name, **options)
        assert str(caught.value) == f"{kind} {name}: {error}"


def test_a_registry_of_ones_own_is_asked(site: Site) -> None:
    with pytest.raises(TlmlError, match="no domain is called 'waves_domain'"):
        build("domain", "waves_domain", {"height": 1}, Registry(block=["domain_sea"]))


def test_an_unknown_name_has_a_near_one(site: Site) -> None:
    with pytest.raises(TlmlError) as caught:
        tlml.domain("wave_domain")
    assert str(caught.value) == "no domain is called 'wave_domain'; did you mean waves_domain?"


def test_a_name_is_text(site: Site) -> None:
    with pytest.raises(TlmlError, match=r"^domain: expected a name, got 3$"):
        tlml.domain(3)  # type: ignore[arg-type]


def test_a_class_path_makes_an_instance_of_the_right_kind(site: Site) -> None:
    site.write(
        "sea_tides.py",
        """
        from tlml import Domain

        class Tides(Domain):
            def __init__(self, moons: int = 1):
                self.moons = moons
        """,
    )
    assert tlml.domain("sea_tides.Tides", moons=2).moons == 2  # type: ignore[attr-defined]
    with pytest.raises(TlmlError) as caught:
        tlml.domain("sea_tides.Tides", moon=2)
    text = "domain sea_tides.Tides: no option is called 'moon'; did you mean moons?"
    assert str(caught.value) == text
    with pytest.raises(TlmlError) as caught:
        tlml.domain("sea_waves.Waves", height=1)
    text = "domain sea_waves.Waves: Waves is not a subclass of tlml.Domain"
    assert str(caught.value) == text
