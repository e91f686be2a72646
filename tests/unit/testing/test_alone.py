"""What a module costs by itself."""

from __future__ import annotations

import pytest

from tlml.testing import CheckFailed
from tlml.testing.alone import run_alone


def test_what_is_printed_last_comes_back() -> None:
    show = "json.dumps([sys.argv[1:], 'torch' in sys.modules])"
    program = f"import json, sys\nprint('noise')\nprint({show})"
    assert run_alone("plugin tides", program, "one", "two") == [["one", "two"], False]


def test_what_fails_says_its_last_line() -> None:
    with pytest.raises(CheckFailed) as caught:
        run_alone("plugin tides", "import no_such")
    assert str(caught.value) == (
        "plugin tides: importing it alone fails: ModuleNotFoundError: No module named 'no_such'"
    )
