"""What stands in the way of a run of Weights & Biases, with a wandb that is none."""

from __future__ import annotations

import re
import socket
import sys
import time
from types import SimpleNamespace
from typing import Any

import pytest

from tlml.cli import wandb_runs
from tlml.cli.wandb_runs import begin_run
from tlml.errors import TlmlError


class Refused(Exception):
    """What wandb raises."""


class Logger:
    """A logger that notes whether its run was begun."""

    def __init__(self, offline: bool = False, error: Exception | None = None, **init: Any) -> None:
        self._offline, self._wandb_init, self.error, self.begun = offline, init, error, 0

    @property
    def experiment(self) -> object:
        if self.error:
            raise self.error
        self.begun += 1
        return object()


@pytest.fixture
def wandb(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Return a wandb whose host is a port of this machine that nobody listens at."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    settings = SimpleNamespace(mode="online", base_url=f"http://127.0.0.1:{port}")
    made = SimpleNamespace(
        setup=lambda: SimpleNamespace(settings=settings), settings=settings, login=lambda: True,
        errors=SimpleNamespace(Error=Refused),
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, "wandb", made)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setattr(wandb_runs.urllib.request, "getproxies", dict)
    return made


def error_of(logger: Any) -> str:
    with pytest.raises(TlmlError) as caught:
        begin_run(logger)
    assert "\n" not in str(caught.value) and logger.begun == 0
    return str(caught.value)


def test_who_is_not_logged_in_is_told_so(wandb: SimpleNamespace) -> None:
    def login() -> None:
        raise Refused("No API key configured.\nUse `wandb login` to log in.")

    wandb.login = login
    with socket.create_server(("127.0.0.1", 0)) as server:
        wandb.settings.base_url = f"http://127.0.0.1:{server.getsockname()[1]}"
        assert error_of(Logger()) == (
            "wandb: not logged in; run wandb login, or take --trainer.logger.offline true, and "
            "send the run later with wandb sync"
        )


def test_a_host_that_does_not_answer_is_named_soon(
    wandb: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert re.match(
        r"wandb: 127\.0\.0\.1 can't be reached \(.*refused.*\); take ", error_of(Logger())
    )
    monkeypatch.setattr(wandb_runs, "_SECONDS", 0.05)
    monkeypatch.setattr(wandb_runs, "_connect", lambda host, port: time.sleep(2) or "")
    began = time.monotonic()
    assert "can't be reached (no answer within 0.05 seconds)" in error_of(Logger())
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("where", ["logger", "init", "environment", "settings"])
def test_offline_runs_need_neither(
    wandb: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    wandb.login = None  # calling it would fail
    if where == "environment":
        monkeypatch.setenv("WANDB_MODE", "offline")
    if where == "settings":
        wandb.settings.mode = "disabled"
    logger: Any = Logger(where == "logger", **({"mode": "offline"} if where == "init" else {}))
    begin_run(logger)
    assert logger.begun == 1


def test_a_host_that_answers_or_a_proxy_lets_the_run_begin(
    wandb: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    logger: Any = Logger()
    with socket.create_server(("127.0.0.1", 0)) as server:
        wandb.settings.base_url = f"http://127.0.0.1:{server.getsockname()[1]}"
        begin_run(logger)
    wandb.settings.base_url = "https://api.invalid"
    monkeypatch.setattr(
        wandb_runs.urllib.request, "getproxies", lambda: {"https": "http://proxy.invalid"}
    )
    monkeypatch.setattr(wandb_runs.urllib.request, "proxy_bypass", lambda host: False)
    begin_run(logger)
    assert logger.begun == 2


def test_what_wandb_refuses_is_one_line(wandb: SimpleNamespace) -> None:
    logger: Any = Logger(offline=True, error=Refused("entity x\nnot found"))
    assert error_of(logger).startswith("wandb: entity x not found; mend that, or take --trainer.")
