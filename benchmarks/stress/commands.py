"""Commands in this process, with their output, which must hold no traceback."""

from __future__ import annotations

import contextlib
import io
import logging
import random
import signal
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NamedTuple

from tlml.cli import main

LONGEST = 120  # seconds after which a command hangs


class Hung(BaseException):
    """A command did not end."""


class Ended(NamedTuple):
    """How a command ended.

    Args:
        status: Its exit status; None where it raised or hung.
        said: What it wrote, and the traceback.
    """

    status: int | None
    said: str

    def wrong(self, *good: int) -> str:
        """Say what is wrong with it; "" if it ended with one of some statuses, in words."""
        if self.status in good and "Traceback" not in self.said:
            return ""
        return f"status {self.status}: {self.said[-1500:]}"


def run_command(words: list[str]) -> Ended:
    """Run ``tlml`` with some words, and stop it where it hangs."""
    text = io.StringIO()
    logging.getLogger("lightning_fabric").setLevel(logging.ERROR)  # they write where none can catch
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    try:
        with _alarm(), _to(text):
            status: int | None = main(words)
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else None
    except (Exception, Hung):
        status = None
        text.write(traceback.format_exc())
    return Ended(status, text.getvalue())


def vary(rng: random.Random, words: list[str]) -> str:
    """Return one of several words, mostly damaged, as a typing error would do it."""
    word = rng.choice(words)
    at = rng.randrange(len(word) + 1)
    return rng.choice(
        [word, word[:at] + word[at + 1 :], word[:at] + "x" + word[at:], word.upper(), word[::-1]]
    )


@contextmanager
def _to(text: io.StringIO) -> Iterator[None]:
    to = contextlib.redirect_stdout(text), contextlib.redirect_stderr(text)
    with to[0], to[1], warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _alarm() -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise Hung(f"it did not end within {LONGEST} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(LONGEST)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
