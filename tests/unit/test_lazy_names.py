"""Names that are imported when they are used."""

from __future__ import annotations

import re
import sys

import pytest

from tlml.lazy_names import lazy_names


def test_a_name_is_its_homes() -> None:
    find, names = lazy_names("tlml", {"errors": "TlmlError did_you_mean", "spec": "Spec"})
    from tlml.errors import TlmlError
    from tlml.spec import Spec

    assert find("TlmlError") is TlmlError
    assert find("Spec") is Spec
    assert names() == ["Spec", "TlmlError", "did_you_mean"]


def test_a_home_is_imported_when_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "tlml.reports.latex", raising=False)
    find, _ = lazy_names("tlml.reports", {"latex": "to_latex"})
    assert "tlml.reports.latex" not in sys.modules
    find("to_latex")
    assert "tlml.reports.latex" in sys.modules


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Spce", "module 'tlml' has no attribute 'Spce'; did you mean Spec?"),
        ("__path_", "module 'tlml' has no attribute '__path_'"),
    ],
)
def test_another_name_is_an_error(name: str, message: str) -> None:
    find, _ = lazy_names("tlml", {"spec": "Spec"})
    with pytest.raises(AttributeError, match=f"^{re.escape(message)}$"):
        find(name)
