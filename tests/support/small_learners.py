"""Small learners, and the text of an error."""

from __future__ import annotations

import re

import pytest
from tiny import Tables

from tlml import TlmlError

SMALL = {"network": "mlp", "network_options": {"hidden": [4]}}


FOUR = Tables(classes=4, train=24)


def fails(message: str):
    return pytest.raises(TlmlError, match=f"^{re.escape(message)}$")
