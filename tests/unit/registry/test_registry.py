from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from distributions import HEAD, Site, declare, plugin_module, site_on_path

from tlml.errors import TlmlError
from tlml.registry import Registry, default_registry, installed_plugins
from tlml.spec import Spec


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with site_on_path(tmp_path) as site:
        yield site


def names(registry: Registry) -> list[str]:
    return [plugin.name for plugin in registry.plugins]


def error_of(registry: Registry, name: str) -> str:
    return next(plugin.error for plugin in registry.plugins if plugin.name == name)


def spec(name: str, target: str = "nowhere:Nothing", **more: Any) -> Spec:
    return Spec(name, target, "made up", **more)


def test_a_strangers_plugin_is_found_with_its_distribution(site: Site) -> None:
    site.install("sea", declare("domain", "waves", "tides"), plugin="water", version="2.1")
    registry = Registry()
    plugin = registry.plugin_of("domain", "tides")
    assert (plugin.name, plugin.distribution, plugin.version) == ("water", "sea", "2.1")
    assert {"tides", "waves"} <= {found.name for found in registry.specs("domain")}
    assert registry.spec("domain", "waves").target == "nowhere:Nothing"


@pytest.mark.parametrize(
    ("source", "error"),
    [
        (
            "import no_such",
            "ModuleNotFoundError: No module named 'no_such'",
        ),
        ("def f(:", "SyntaxError: invalid syntax (sea_module.py, line 1)"),
        ("raise SystemExit('no tides today')", "SystemExit: no tides today"),
        (f"{HEAD}@hookimpl\ndef tlml_domains():\n    raise OSError('dry')", "OSError: dry"),
        (
            f"{HEAD}@hookimpl\ndef tlml_domain():\n    return []",
            "no hook is called 'tlml_domain'; did you mean tlml_domains?",
        ),
        (
            f"{HEAD}@hookimpl\ndef tlml_domains():\n    return ['waves']",
            "tlml_domains must return a list of Specs, it has str 'waves'",
        ),
        (
            declare("domain", "waves", extra=", gives={'epsodes'}"),
            "spec waves: gives 'epsodes', which is not a known word; did you mean episodes? "
            "(your own words are written vendor:word)",
        ),
        (
            declare("learner", "waves", extra=", gives={'finite'}"),
            "learner waves: gives 'finite', which is not a word for a learner; "
            "choose from estimates, features, loss, policy, rollouts",
        ),
    ],
)
def test_a_broken_plugin_breaks_no_other(site: Site, source: str, error: str) -> None:
    site.install("sea", source)
    site.install("wood", declare("domain", "trees"))
    registry = Registry()
    assert error_of(registry, "sea") == error
    assert error_of(registry, "wood") == ""
    assert registry.spec("domain", "trees").name == "trees"
    with pytest.raises(TlmlError, match="no domain is called 'waves'"):
        registry.spec("domain", "waves")


def test_strict_raises_at_the_first_broken_plugin(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.install("sea", "import no_such")
    text = "^plugin sea: ModuleNotFoundError: No module named 'no_such'$"
    with pytest.raises(TlmlError, match=text) as caught:
        Registry(strict=True)
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)
    monkeypatch.setenv("TLML_STRICT", "1")
    with pytest.raises(TlmlError, match=text):
        Registry()
    assert error_of(Registry(strict=False), "sea")


def test_of_two_that_declare_a_name_the_later_is_broken_as_a_whole(site: Site) -> None:
    site.install("b_sea", declare("domain", "waves", "tides"))
    site.install("a_sea", declare("domain", "waves"), plugin="z")
    registry = Registry()
    assert error_of(registry, "z") == ""
    assert error_of(registry, "b_sea") == (
        "domain 'waves' is declared by plugin z and by plugin b_sea"
    )
    assert registry.plugin_of("domain", "waves").name == "z"
    with pytest.raises(TlmlError, match="no domain is called 'tides'"):
        registry.spec("domain", "tides")


def test_a_stranger_cannot_take_a_built_in_name(site: Site) -> None:
    site.install("aaa", declare("learner", "estimator"), plugin="aaa")
    registry = Registry()
    assert error_of(registry, "core") == ""
    assert error_of(registry, "aaa") == (
        "learner 'estimator' is declared by plugin core and by plugin aaa"
    )
    ours = [plugin.distribution for plugin in registry.plugins]
    assert ours.index("aaa") == ours.count("tlml")


def test_one_name_may_be_held_by_several_kinds(site: Site) -> None:
    site.install("sea", declare("domain", "waves") + declare("strategy", "waves"))
    registry = Registry()
    assert registry.spec("domain", "waves") == registry.spec("strategy", "waves")
    assert registry.plugin_of("strategy", "waves").name == "sea"


def test_two_plugins_of_one_name_are_an_error(site: Site) -> None:
    site.install("a_sea", declare("domain", "waves"), plugin="sea")
    site.install("b_sea", declare("domain", "tides"), plugin="sea")
    plugins = [plugin for plugin in Registry().plugins if plugin.name == "sea"]
    assert [plugin.error for plugin in plugins] == [
        "",
        "two plugins are called sea: one of a_sea, one of b_sea",
    ]


def test_the_order_is_core_then_ours_then_distributions_by_name(site: Site) -> None:
    site.install("zebra", declare("domain", "stripes"), plugin="a")
    site.install("adder", declare("domain", "scales"), plugin="z")
    found = installed_plugins()
    assert found[0] == "core"
    assert found[-2:] == ["z", "a"]
    assert names(Registry()) == found


def test_blocked_plugins_are_not_imported(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.install("sea", "raise RuntimeError('imported')")
    site.install("wood", "raise RuntimeError('imported')")
    site.install("fire", declare("domain", "flames"))
    monkeypatch.setenv("TLML_BLOCK", "sea, nothing")
    registry = Registry(block=["wood"])
    assert not {"sea", "wood"} & set(names(registry))
    assert {"core", "fire"} <= set(names(registry))
    assert "sea_module" not in sys.modules


def test_a_stranger_works_where_everything_of_ours_is_blocked(site: Site) -> None:
    ours = [name for name in installed_plugins() if name != "fire"]
    site.install("fire", declare("domain", "flames"))
    registry = Registry(block=ours)
    assert names(registry) == ["core", "fire"]
    assert [found.name for found in registry.specs("domain")] == ["flames"]


def test_damaged_metadata_stops_nothing(site: Site) -> None:
    site.install("sea", declare("domain", "waves"))
    (site.folder / "sea-1.0.dist-info/METADATA").unlink()
    plugin = Registry().plugin_of("domain", "waves")
    assert (plugin.name, plugin.version) == ("sea", "")


def test_a_script_can_register_a_module() -> None:
    registry = Registry()
    waves = spec("waves")
    plugin = registry.register(plugin_module(tlml_domains=[waves]), "script")
    assert plugin.declared == (("domain", waves),)
    assert registry.plugin_of("domain", "waves") is plugin
    assert Registry().specs("domain") == [
        found for found in registry.specs("domain") if found is not waves
    ]


def test_a_broken_module_is_refused_and_leaves_nothing() -> None:
    registry = Registry()
    before = registry.plugins
    broken = plugin_module(tlml_domains=[spec("waves")], tlml_learners=KeyError("tides"))
    with pytest.raises(TlmlError, match=r"^plugin script: KeyError: 'tides'$"):
        registry.register(broken, "script")
    taken = plugin_module(tlml_domains=[spec("waves")], tlml_learners=[spec("estimator")])
    with pytest.raises(TlmlError, match=r"^plugin script: learner 'estimator' is declared by"):
        registry.register(taken, "script")
    assert registry.plugins == before
    assert "waves" not in [found.name for found in registry.specs("domain")]


def test_an_unknown_name_has_a_near_one() -> None:
    registry = Registry()
    with pytest.raises(TlmlError) as caught:
        registry.spec("learner", "estimater")
    assert str(caught.value) == "no learner is called 'estimater'; did you mean estimator?"


def test_a_name_resolves_to_its_class(site: Site) -> None:
    site.install("sea", declare("domain", "waves", target="sea_waves:Waves"))
    site.write("sea_waves.py", "class Waves: pass\nwaves = Waves()")
    registry = Registry()
    assert "sea_waves" not in sys.modules
    found = registry.resolve("domain", "waves")
    assert found is sys.modules["sea_waves"].Waves
    assert registry.resolve("domain", "sea_waves.Waves") is found
    assert registry.name_of(found) == "waves"


def test_a_class_that_is_not_registered_is_named_by_its_path() -> None:
    assert Registry().name_of(Path) == f"{Path.__module__}.Path"


@pytest.mark.parametrize(
    ("target", "error"),
    [
        (
            "nosea:Waves",
            "nosea cannot be imported: ModuleNotFoundError: No module named 'nosea'",
        ),
        ("sea_waves:Wave", "sea_waves has no class Wave; did you mean Waves?"),
        ("sea_waves:waves", "sea_waves has no class waves; did you mean Waves?"),
        ("sea_rough:Waves", "sea_rough cannot be imported: RuntimeError: storm"),
    ],
)
def test_a_target_that_cannot_be_imported_names_its_plugin(
    site: Site, target: str, error: str
) -> None:
    site.install("sea", declare("domain", "waves", target=target))
    site.write("sea_waves.py", "class Waves: pass\nwaves = Waves()")
    site.write("sea_rough.py", "raise RuntimeError('storm')")
    with pytest.raises(TlmlError) as caught:
        Registry().resolve("domain", "waves")
    assert (caught.value.__cause__ is None) == ("cannot be imported" not in error)
    assert str(caught.value) == f"domain waves (plugin sea, target {target}): {error}"


def test_a_class_path_that_leads_nowhere_is_an_error() -> None:
    with pytest.raises(TlmlError, match=r"^learner nosea\.Waves: nosea cannot be imported"):
        Registry().resolve("learner", "nosea.Waves")


def registry_of_trios() -> Registry:
    registry = Registry(block=installed_plugins())
    registry.register(
        plugin_module(
            tlml_domains=[spec("waves", gives={"episodes", "regression"}), spec("maze")],
            tlml_learners=[
                spec("climber", gives={"loss"}, needs=("episodes", "differentiable")),
                spec("plain", gives={"loss"}),
            ],
            tlml_strategies=[
                spec("step", gives={"differentiable"}, needs=("loss",)),
                spec("jump", needs=("loss",)),
            ],
        ),
        "script",
    )
    return registry


def test_a_trio_that_goes_together_passes() -> None:
    registry_of_trios().check("waves", "climber", "step")


def test_a_wrong_trio_is_refused_with_trios_that_work() -> None:
    with pytest.raises(TlmlError) as caught:
        registry_of_trios().check("waves", "climber", "jump")
    assert str(caught.value) == (
        "waves, climber and jump do not go together: learner climber needs differentiable, "
        "which neither domain waves nor strategy jump gives; "
        "these do: waves climber step, waves plain jump"
    )


def test_checking_refuses_unknown_names_but_not_class_paths() -> None:
    registry = registry_of_trios()
    registry.check("waves", "my.own.Learner", "jump")
    with pytest.raises(TlmlError, match=r"^no strategy is called 'jmp'; did you mean jump\?$"):
        registry.check("waves", "my.own.Learner", "jmp")
    with pytest.raises(TlmlError, match=r"^no domain is called 'wave'; did you mean waves\?$"):
        registry.check("wave", "climber", "jump")


def test_partners_are_what_some_working_trio_joins() -> None:
    registry = registry_of_trios()
    assert registry.partners("learner", "climber") == {"domain": ["waves"], "strategy": ["step"]}
    assert registry.partners("domain", "maze") == {
        "learner": ["plain"],
        "strategy": ["jump", "step"],
    }
    with pytest.raises(TlmlError, match="no learner is called 'climbr'"):
        registry.partners("learner", "climbr")


def test_the_default_registry_is_made_once() -> None:
    assert default_registry() is default_registry()


def test_an_unknown_name_tells_which_plugins_were_left_out(site: Site) -> None:
    site.install("sea", "import no_such")
    with pytest.raises(TlmlError) as caught:
        Registry(strict=False).spec("domain", "sunlit")
    assert str(caught.value).endswith("; left out as broken, see tlml plugins: sea")


def test_an_unknown_name_among_many_names_the_command_that_lists_them(site: Site) -> None:
    site.install("sea", declare("domain", *(f"wave{number:02}" for number in range(30))))
    with pytest.raises(TlmlError) as caught:
        Registry().spec("domain", "zzzz")
    text = str(caught.value)
    assert re.fullmatch(
        r"no domain is called 'zzzz'; there are \d+, such as (\w+, ){4}\w+; "
        "tlml list --kind domain",
        text,
    )
