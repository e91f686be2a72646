"""Commands that are stopped: by Ctrl-C, by SIGTERM, and as Lightning passes both on."""

from __future__ import annotations

import os
import signal
import sys
import threading
import types

import pytest

from tlml import cli
from tlml.cli.stops import Stopped, stopping_at_sigterm


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_sigterm_ends_the_block_and_has_a_status_of_its_own() -> None:
    before, cleaned = signal.getsignal(signal.SIGTERM), []
    with pytest.raises(Stopped, match="terminated") as stop, stopping_at_sigterm():
        try:
            terminate()
        finally:
            cleaned.append(True)
    assert stop.value.status == 143
    assert cleaned == [True]
    assert signal.getsignal(signal.SIGTERM) == before


def test_an_exit_that_follows_sigterm_is_one_too() -> None:
    """Lightning ends a fit with a SystemExit without a code."""
    for error in (SystemExit(), RuntimeError("out of the way")):
        with pytest.raises(Stopped, match="terminated"), stopping_at_sigterm():
            try:
                terminate()
            except SystemExit:
                raise error from None


def test_ctrl_c_has_a_status_also_where_lightning_made_an_exit_of_it() -> None:
    with pytest.raises(Stopped, match="interrupted") as stop, stopping_at_sigterm():
        raise KeyboardInterrupt
    assert stop.value.status == 130
    with pytest.raises(Stopped, match="interrupted"), stopping_at_sigterm():
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            sys.exit(1)


def test_other_exits_and_errors_pass() -> None:
    with pytest.raises(SystemExit, match="3"), stopping_at_sigterm():
        sys.exit(3)
    with pytest.raises(ValueError, match="wrong"), stopping_at_sigterm():
        raise ValueError("wrong")


def test_in_a_thread_signals_stay_as_they_are() -> None:
    before, seen = signal.getsignal(signal.SIGTERM), []

    def run() -> None:
        with stopping_at_sigterm():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [before]


@pytest.mark.parametrize(
    ("words", "how"),
    [
        ("bench quickstart", "; the same command goes on"),
        ("bench quickstart --fresh --rerun maml",
         "; the same command goes on without --fresh and --rerun"),
        ("fit --model maml", "; the same command goes on with --ckpt_path last"),
        ("adapt --config bench", "; the same command goes on with --resume last"),
        ("test --ckpt_path last", ""),
    ],
)  # fmt: skip
def test_a_command_that_was_stopped_says_how_to_go_on(
    words: str, how: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = types.ModuleType("stopped")
    module.main = lambda argv: terminate()  # type: ignore[attr-defined]
    monkeypatch.setattr(cli, "import_module", lambda name: module)
    assert cli.main(words.split()) == 143
    assert capsys.readouterr().err == f"tlml: terminated{how}\n"
