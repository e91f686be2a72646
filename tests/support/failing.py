"""What the tests of `tlml.testing` share: specs made up, and the text of a failure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tlml import Spec
from tlml.testing import CheckFailed

FINITE = frozenset({"pair", "episodes", "stream", "finite", "regression"})


def spec(*gives: str, needs: tuple[str, ...] = ()) -> Spec:
    """Make a spec that declares something."""
    return Spec("made", "no:No", "made up", gives=frozenset(gives), needs=needs)


def failure(check: Callable[..., object], *given: Any, **options: Any) -> str:
    """Return the one line that a check fails with."""
    with pytest.raises(CheckFailed) as error:
        check(*given, **options)
    text = str(error.value)
    assert "\n" not in text
    return text
