"""Which class paths a file may name."""

from __future__ import annotations

import sys

import pytest

from tlml.errors import TlmlError
from tlml.registry.trust import check_trusted

TRUSTED = ["sgd", "pathlib.Path", f"{__name__}.Net", "tlml_maml.no_such.Net", "tlml.no_such.Net"]


@pytest.mark.parametrize("path", TRUSTED)
def test_names_what_is_imported_and_packages_of_plugins_pass(path: str) -> None:
    before = set(sys.modules)
    check_trusted("network", path, "pass it")
    assert set(sys.modules) == before


@pytest.mark.parametrize(
    "path", ["unittest.__main__.X", "tlml.__main__.X", "antigravity.X", "pathlib.no.Path", ".X"]
)
def test_all_else_is_asked_for(path: str) -> None:
    with pytest.raises(TlmlError) as caught:
        check_trusted("network", path, "pass it")
    assert str(caught.value) == (
        f"network {path} is in a module that is not imported and belongs to no plugin; "
        "a file can't have code run: pass it"
    )
