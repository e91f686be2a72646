"""Heavy commands in processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_mistakes_are_told_before_torch_is_imported() -> None:
    code = (
        "import sys; from tlml.cli import main; status = main(sys.argv[1:]); "
        "print(status, sorted({'torch', 'pytorch_lightning'} & set(sys.modules)))"
    )
    for words, status in (
        (["fit", "--model", "maml", "--model.lrr", "3"], 2),
        (["test", "--data.domain", "glyphs", "--model", "maml", "--model.strategy", "full"], 2),
        (["adapt", "--help"], 0),
    ):
        found = subprocess.run(
            [sys.executable, "-c", code, *words], capture_output=True, text=True, check=True
        )
        assert found.stdout.splitlines()[-1] == f"{status} []", found.stderr
