from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from distributions import plugin_module, site_on_path

from tlml import hookspecs
from tlml.errors import TlmlError
from tlml.hookspecs import hookimpl
from tlml.registry.plugins import HOOKS, Plugin, load_plugin
from tlml.spec import ALL_KINDS, KINDS, Spec

WAVES = Spec("waves", "nowhere:Waves", "made up", gives=frozenset({"episodes"}))


def load(**functions: object) -> Plugin:
    return load_plugin("made", lambda: plugin_module(**functions))[0]


def test_a_plugin_holds_what_its_hooks_return() -> None:
    ride = Spec("ride", "nowhere:Ride", "made up")
    plugin, failure = load_plugin(
        "made",
        lambda: plugin_module(tlml_domains=[WAVES], tlml_strategies=(ride,)),
        "sea",
        "2.1",
    )
    assert failure is None
    assert (plugin.name, plugin.distribution, plugin.version) == ("made", "sea", "2.1")
    assert plugin.declared == (("domain", WAVES), ("strategy", ride))
    assert [plugin.names(kind) for kind in KINDS] == [["waves"], [], ["ride"]]
    assert plugin.error == ""
    assert plugin.load_ms >= 0


@pytest.mark.parametrize(
    ("functions", "error"),
    [
        (
            {"tlml_domain": [WAVES]},
            "no hook is called 'tlml_domain'; did you mean tlml_domains?",
        ),
        (
            {"tlml_domains": lambda: [WAVES]},
            "tlml_domains is not marked with @hookimpl (from tlml import hookimpl)",
        ),
        (
            {},
            "it has no hooks; the hooks are tlml_domains, tlml_learners, tlml_strategies, "
            "tlml_protocols",
        ),
        (
            {"tlml_domains": None},
            "tlml_domains must return a list of Specs, returned None",
        ),
        (
            {"tlml_domains": "waves"},
            "tlml_domains must return a list of Specs, returned str 'waves'",
        ),
        (
            {"tlml_domains": [WAVES, "tides"]},
            "tlml_domains must return a list of Specs, it has str 'tides'",
        ),
        (
            {"tlml_domains": [WAVES, WAVES]},
            "it declares domain 'waves' twice",
        ),
        (
            {"tlml_learners": [WAVES]},
            "learner waves: gives 'episodes', which is not a word for a learner; "
            "choose from estimates, features, loss, policy, rollouts",
        ),
        (
            {"tlml_domains": ZeroDivisionError("two\nlines")},
            "ZeroDivisionError: two lines",
        ),
        ({"tlml_domains": SystemExit(3)}, "SystemExit: 3"),
    ],
)
def test_a_broken_plugin_says_why_in_one_line(functions: dict[str, Any], error: str) -> None:
    assert load(**functions).error == error


def test_a_hook_with_an_argument_that_there_is_not_is_an_error() -> None:
    @hookimpl
    def tlml_domains(registry: object) -> list[Spec]:
        return [WAVES]

    error = load(tlml_domains=tlml_domains).error
    assert error.startswith("PluginValidationError: Plugin 'made_up'")
    assert "registry" in error


def test_nothing_of_a_broken_plugin_is_kept() -> None:
    plugin = load(
        tlml_domains=[WAVES],
        tlml_learners=RuntimeError("late"),
    )
    assert plugin.error == "RuntimeError: late"
    assert plugin.declared == ()


def test_an_interrupt_is_not_the_plugins_error() -> None:
    def interrupted() -> object:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_plugin("made", interrupted)


def test_heavy_modules_of_an_import_are_named(tmp_path: Path) -> None:
    with site_on_path(tmp_path) as site:
        site.write("timm.py", "")
        site.write("skada/__init__.py", "import skada.deep")
        site.write("skada/deep.py", "import timm")
        site.write("slow_plugin.py", "import skada, json")
        importer: Callable[[], object] = lambda: __import__("slow_plugin")  # noqa: E731
        assert load_plugin("slow", importer)[0].heavy == ("skada", "timm")
        assert load_plugin("slow", importer)[0].heavy == ()  # nothing is imported again


def test_there_is_one_documented_hook_for_each_kind() -> None:
    specified = {name for name in vars(hookspecs) if name.startswith("tlml_")}
    assert specified == set(HOOKS.values())
    assert list(HOOKS) == list(ALL_KINDS)
    for name in specified:
        assert "``gives``" in getattr(hookspecs, name).__doc__
        assert "tlml." in getattr(hookspecs, name).__doc__


def test_failures_keep_their_exception() -> None:
    cause = RuntimeError("broken")
    failure = load_plugin("made", lambda: plugin_module(tlml_domains=cause))[1]
    assert failure is cause
    failure = load_plugin("made", plugin_module)[1]
    assert isinstance(failure, TlmlError)


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


class Skipped(BaseException):
    """As pytest's, which a module may raise at its import."""


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (Unspeakable(), "Unspeakable: its text can't be told"),
        (Skipped("not here"), "Skipped: not here"),
        (GeneratorExit(), "GeneratorExit: "),
    ],
)
def test_whatever_a_plugin_raises_breaks_it_alone(error: BaseException, text: str) -> None:
    assert load(tlml_domains=error).error == text

    def importing() -> object:
        raise error

    plugin, failure = load_plugin("made", importing)
    assert (plugin.error, failure) == (text, error)


def test_ctrl_c_stops_the_command() -> None:
    with pytest.raises(KeyboardInterrupt):
        load(tlml_domains=KeyboardInterrupt())


def test_what_a_plugin_prints_is_no_output_of_the_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    @hookimpl
    def tlml_domains() -> list[Spec]:
        print("splash")
        return [WAVES]

    assert load(tlml_domains=tlml_domains).names("domain") == ["waves"]
    assert capsys.readouterr() == ("", "splash\n")
