"""Owners of cells: known gone only where that is certain."""

from __future__ import annotations

import os
import sys
from dataclasses import replace

import pytest

from tlml.suites.execution import owners
from tlml.suites.execution.owners import Owner


def nobody() -> int:
    """Return a number that no process has."""
    return 2**22 + 1  # Linux gives none above 2^22, others far smaller ones


def test_this_process_is_there_and_reads_back() -> None:
    owner = Owner.here("token")
    assert (owner.pid, owner.token) == (os.getpid(), "token")
    assert not owner.is_gone()
    assert Owner.parse(owner.text()) == owner


@pytest.mark.parametrize("text", ["", "{", "null", "[1]", '{"pid": 3}', '{"more": 1}'])
def test_what_describes_no_owner_is_none(text: str) -> None:
    assert Owner.parse(text) is None


def test_a_number_that_no_process_has_is_gone() -> None:
    assert replace(Owner.here("t"), pid=nobody()).is_gone()
    assert replace(Owner.here("t"), pid=nobody(), started="").is_gone()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says when a process started")
def test_a_number_that_another_process_got_since_is_gone() -> None:
    assert replace(Owner.here("t"), started="1").is_gone()


def test_of_other_computers_nothing_is_certain() -> None:
    dead = replace(Owner.here("t"), pid=nobody())
    assert not replace(dead, host="elsewhere").is_gone()
    assert not replace(dead, boot="before").is_gone()


def test_where_the_system_says_little_a_number_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owners, "_started", lambda pid: "")
    monkeypatch.setattr(owners, "_boot", lambda: "")
    mine = Owner.here("t")
    assert mine.started == mine.boot == ""
    assert not mine.is_gone()
    assert replace(mine, pid=nobody()).is_gone()

    def refused(pid: int, number: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refused)
    assert not replace(mine, pid=nobody()).is_gone()


def test_windows_would_end_a_process_that_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owners, "_started", lambda pid: "")
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(os, "kill", None)  # calling it would fail
    assert not replace(Owner.here("t"), pid=nobody()).is_gone()
