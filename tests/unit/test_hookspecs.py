"""The hooks: one for each kind, each documented where it is declared."""

from __future__ import annotations

import pluggy
import pytest

from tlml import hookspecs
from tlml.spec import KINDS, Spec

HOOKS = [name for name in vars(hookspecs) if name.startswith("tlml_")]


def test_there_is_a_hook_for_each_kind() -> None:
    plural = {kind: f"tlml_{kind}s" for kind in KINDS} | {"strategy": "tlml_strategies"}
    assert set(plural.values()) <= set(HOOKS)


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_says_what_it_returns(name: str) -> None:
    hook = getattr(hookspecs, name)
    assert hook.__doc__.startswith("Return the plugin's ")
    assert hook.__annotations__ == {"return": "list[Spec]"}


def test_an_implementation_is_called_by_pluggy() -> None:
    class Plugin:
        @hookspecs.hookimpl
        def tlml_domains(self) -> list[Spec]:
            return [Spec("waves", "sea:Waves", "water")]

    manager = pluggy.PluginManager("tlml")
    manager.add_hookspecs(hookspecs)
    manager.register(Plugin())
    manager.check_pending()
    assert manager.hook.tlml_domains() == [[Spec("waves", "sea:Waves", "water")]]
