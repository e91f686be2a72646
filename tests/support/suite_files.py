"""Suite files that are written and read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tlml.errors import TlmlError
from tlml.registry import Registry
from tlml.suites import Suite, load_suite


def load(text: str, registry: Registry) -> Suite:
    Path("bad.yaml").write_text(text)
    return load_suite("bad.yaml", registry)


def error_of(text: str, registry: Registry) -> str:
    with pytest.raises(TlmlError) as caught:
        load(text, registry)
    return str(caught.value)
