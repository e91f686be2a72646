"""`check_protocol` finds what is wrong with a protocol, and says what to mend."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest
import walking

from tlml import Spec
from tlml.registry import default_registry
from tlml.testing import CheckFailed, check_plugin, check_protocol


def test_the_built_in_protocols_pass() -> None:
    for spec in default_registry().specs("protocol"):
        check_protocol(default_registry().resolve("protocol", spec.name), spec)


def test_a_strangers_protocol_passes() -> None:
    check_protocol(walking.Walking)
    alone = ModuleType("walking_alone")
    alone.tlml_protocols = walking.tlml_protocols  # type: ignore[attr-defined]
    assert check_plugin(alone) == ["protocol walking"]


def test_what_its_spec_says_must_be_so() -> None:
    spec = Spec("walking", "walking:Walking", "walking", needs=("pair",))
    with pytest.raises(CheckFailed) as caught:
        check_protocol(walking.Walking, spec)
    assert str(caught.value) == (
        "protocol walking: its Spec says walking and needs pair; Walking says walking and env"
    )
    with pytest.raises(CheckFailed, match=r"dict is not a subclass of tlml\.suites\.Protocol"):
        check_protocol(dict)


def test_its_module_must_be_quick_to_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "import pandas\nfrom walking import Walking\n\nclass Slow(Walking):\n    pass\n"
    (tmp_path / "slow_protocol.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    from slow_protocol import Slow  # type: ignore[import-not-found]

    with pytest.raises(CheckFailed) as caught:
        check_protocol(Slow)
    assert str(caught.value) == (
        "protocol walking: importing slow_protocol imports pandas, and it is imported whenever a "
        "suite is read; import them in check() and run()"
    )
    del sys.modules["slow_protocol"]
