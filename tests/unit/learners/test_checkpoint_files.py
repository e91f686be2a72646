"""Checkpoints of a Trainer are written whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import torch

from tlml.errors import TlmlError
from tlml.learners.checkpoint_files import WholeFiles


def test_a_checkpoint_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    for value in (1, 2):
        WholeFiles().save_checkpoint({"value": torch.tensor(value)}, path)
        assert torch.load(path, weights_only=True)["value"] == value
    assert WholeFiles().load_checkpoint(path, weights_only=True)["value"] == 2
    assert [entry.name for entry in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_full_disk_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "last.ckpt"
    WholeFiles().save_checkpoint({"value": 1}, path)

    def full(self: Path, content: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(TlmlError, match=r"last.ckpt: the disk is full; make room and run again"):
        WholeFiles().save_checkpoint({"value": 2}, path)
    assert torch.load(path, weights_only=True) == {"value": 1}


def test_a_folder_that_was_taken_away_is_not_made_again(tmp_path: Path) -> None:
    with pytest.raises(TlmlError, match="does not exist"):
        WholeFiles().save_checkpoint({}, tmp_path / "gone" / "last.ckpt")
    assert list(tmp_path.iterdir()) == []
