"""The state of files in a short text."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tlml.data import fingerprint_files, fingerprints


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data" / "a").mkdir(parents=True)
    (tmp_path / "data" / "a" / "one.csv").write_text("1,2\n")
    (tmp_path / "data" / "two.csv").write_text("3,4\n")
    return tmp_path / "data"


def test_small_files_count_by_their_content_wherever_they_lie(folder: Path, tmp_path: Path) -> None:
    before = fingerprint_files(folder)
    shutil.copytree(folder, tmp_path / "copy")
    assert fingerprint_files(tmp_path / "copy") == before
    assert before is not None and before.startswith("content ")
    (folder / "two.csv").write_text("4,3\n")
    assert fingerprint_files(folder) != before


def test_names_count_and_hidden_files_do_not(folder: Path) -> None:
    before = fingerprint_files(folder)
    (folder / ".cache").mkdir()
    (folder / ".cache" / "x").write_text("1")
    (folder / ".x.swp").write_text("1")
    assert fingerprint_files(folder) == before
    (folder / "two.csv").rename(folder / "three.csv")
    assert fingerprint_files(folder) != before


def test_large_data_is_looked_at_and_not_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fingerprints, "_READ", 5)
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail(f"{path} was read"))
    before = fingerprint_files(folder)
    assert before == fingerprint_files(folder)
    assert before is not None and before.startswith("times ")
    os.utime(folder / "two.csv", (1, 1))
    assert fingerprint_files(folder) != before


def test_several_paths_are_told_together(folder: Path) -> None:
    both = fingerprint_files(folder / "a", folder / "two.csv")
    assert both not in (None, fingerprint_files(folder / "a"), fingerprint_files(folder))


def test_of_nothing_there_is_no_state(tmp_path: Path) -> None:
    assert fingerprint_files(tmp_path / "nowhere") is None
    assert fingerprint_files(tmp_path) is None


def test_a_link_to_nothing_counts_by_its_name(folder: Path) -> None:
    before = fingerprint_files(folder)
    (folder / "annexed.csv").symlink_to(folder / "not fetched")
    linked = fingerprint_files(folder)
    assert before != linked == fingerprint_files(folder)
    (folder / "not fetched").write_text("5,6")
    assert fingerprint_files(folder) != linked
    (folder / "lost").symlink_to(folder / "nowhere")
    assert fingerprint_files(folder / "lost") is not None


def test_pipes_are_not_read(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    assert fingerprint_files(folder) is not None
    assert fingerprint_files(folder / "pipe") is not None


def test_a_link_to_a_parent_is_not_followed_again(folder: Path) -> None:
    (folder / "a" / "up").symlink_to(folder)
    (folder / "a" / "beside").symlink_to(folder / "a")
    before = fingerprint_files(folder)
    (folder / "two.csv").write_text("4,3\n")
    assert before is not None and fingerprint_files(folder) != before


@pytest.mark.parametrize("error", [PermissionError, FileNotFoundError])
def test_what_cannot_be_read_counts_by_its_time(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: type[OSError]
) -> None:
    def refuse(path: Path) -> bytes:
        raise error(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    before = fingerprint_files(folder)
    assert before is not None and fingerprint_files(folder) == before
    os.utime(folder / "two.csv", (1, 1))
    assert fingerprint_files(folder) != before
