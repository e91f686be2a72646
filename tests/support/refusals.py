"""What is refused, and with which words."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tlml import TlmlError


def fails(message: str) -> Any:
    """Expect an error of exactly this message."""
    return pytest.raises(TlmlError, match=f"^{re.escape(message)}$")


def stops(start: str) -> Any:
    """Expect to be stopped by an error whose message begins so."""
    return pytest.raises(TlmlError, match=f"^{re.escape(start)}")
