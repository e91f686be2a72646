"""Checkpoints that are refused."""

from __future__ import annotations

import decimal
from pathlib import Path
from typing import Any

import pytest
import torch

import tlml
from tlml import TlmlError


def error_of(path: Path | str, **options: Any) -> str:
    with pytest.raises(TlmlError) as error:
        tlml.load(path, **options)
    return str(error.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing.ckpt"
    assert error_of(missing) == f"{missing}: cannot be read (No such file or directory)"
    assert error_of(tmp_path) == f"{tmp_path}: cannot be read (Is a directory)"


def test_python_objects_are_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "objects.ckpt"
    torch.save({"price": decimal.Decimal(1)}, path)
    assert error_of(path) == (
        f"{path}: holds Python objects, which could run code; only tensors and plain data are "
        "loaded"
    )


@pytest.mark.parametrize("content", [{"state_dict": {}}, [1, 2], {"tlml": {"learner": 3}}])
def test_other_files_of_torch_are_no_checkpoints_of_tlml(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "other.ckpt"
    torch.save(content, path)
    assert error_of(path) == (
        f"{path}: not a tlml checkpoint: it does not record which learner wrote it"
    )
