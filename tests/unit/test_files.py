"""Files are written whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tlml.errors import TlmlError
from tlml.files import file_name_problem, make_folder, replacing, write_atomic


def failing(number: int) -> Callable[..., None]:
    """Make a function that fails as the system would."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def test_text_and_bytes_are_written_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomic(path, "Größe\n")
    assert path.read_bytes() == "Größe\n".encode()
    write_atomic(str(path), b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_file_gets_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("x")
    write_atomic(tmp_path / "atomic", "x")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("function", ["fsync", "replace"])
@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, "the disk is full; make room and run again, what was done is kept"),
        (errno.EDQUOT, "the disk is full; make room and run again, what was done is kept"),
        (errno.EROFS, "cannot be written (Read-only file system); choose another folder"),
        (errno.EACCES, "cannot be written (Permission denied); choose another folder"),
        (errno.EIO, "cannot be written (Input/output error)"),
    ],
)
def test_a_failed_write_leaves_the_previous_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str, number: int, reason: str
) -> None:
    path = tmp_path / "result.json"
    write_atomic(path, "old")
    monkeypatch.setattr(os, function, failing(number))
    with pytest.raises(TlmlError) as caught:
        write_atomic(path, "new")
    assert str(caught.value) == f"{path}: {reason}"
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["result.json"]


def test_an_interrupted_write_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomic(tmp_path / "file", "new")
    assert list(tmp_path.iterdir()) == []


def test_an_error_inside_replacing_is_passed_on_and_keeps_the_file(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    write_atomic(path, "old")
    with pytest.raises(RuntimeError, match="half"), replacing(path) as temporary:
        temporary.write_text("ha")
        raise RuntimeError("half")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["last.ckpt"]


def test_missing_and_wrong_folders_are_named(tmp_path: Path) -> None:
    path = tmp_path / "none" / "file"
    with pytest.raises(TlmlError) as caught:
        write_atomic(path, "x")
    assert (
        str(caught.value) == f"{path}: cannot be written: the folder {path.parent} does not exist"
    )
    (tmp_path / "file").write_text("x")
    path = tmp_path / "file" / "below"
    with pytest.raises(TlmlError) as caught:
        write_atomic(path, "x")
    assert str(caught.value) == f"{path}: cannot be written (Not a directory); choose another path"


def test_make_folder_makes_parents_and_leaves_no_trace(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "a" / "b")
    assert folder.is_dir()
    assert list(folder.iterdir()) == []
    assert make_folder(folder) == folder


def test_make_folder_refuses_what_cannot_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(TlmlError, match=r"file: cannot be written \(File exists\)"):
        make_folder(tmp_path / "file")
    monkeypatch.setattr(Path, "write_bytes", failing(errno.EROFS))
    with pytest.raises(TlmlError, match="Read-only file system\\); choose another folder"):
        make_folder(tmp_path / "new")


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["sinusoid", "letters14", "console", "com", "a.b"], ""),
        (["CON"], "'CON' cannot be the name of a file on Windows"),
        (["x", "nul.v2"], "'nul.v2' cannot be the name of a file on Windows"),
        (["Com1"], "'Com1' cannot be the name of a file on Windows"),
        (["end."], "'end.' cannot be the name of a file on Windows"),
        (["a", "b", "A"], "'a' and 'A' would be the same file on macOS and Windows"),
    ],
)
def test_names_of_files_hold_on_every_system(names: list[str], problem: str) -> None:
    assert file_name_problem(names) == problem
