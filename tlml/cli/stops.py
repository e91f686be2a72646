"""Commands that are stopped from outside: by Ctrl-C, or by another program."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

E = TypeVar("E", bound=BaseException)


class Stopped(Exception):
    """A command was stopped, and has cleaned up behind it.

    Args:
        word: How it was stopped, for the user.
        number: The signal.
    """

    def __init__(self, word: str, number: signal.Signals) -> None:
        super().__init__(word)
        self.status = 128 + number  # as shells have it


@contextmanager
def stopping_at_sigterm() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does, so that it can clean up.

    Of both, Lightning's Trainer makes exits with other statuses, or without any.

    Raises:
        Stopped: One of them came.
    """
    came: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        came.append(number)
        raise SystemExit(128 + number)

    before = _handle(stop)
    try:
        yield
    except BaseException as error:
        if came:
            raise Stopped("terminated", signal.SIGTERM) from error
        exits = isinstance(error, KeyboardInterrupt | SystemExit)
        if exits and found_in(error, KeyboardInterrupt) is not None:
            raise Stopped("interrupted", signal.SIGINT) from error
        raise
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def _handle(stop: Callable[[int, FrameType | None], Any]) -> Any:
    """Set a handler and return the one before; None where this isn't the main thread."""
    if threading.current_thread() is not threading.main_thread():
        return None
    return signal.signal(signal.SIGTERM, stop)


def found_in(error: BaseException | None, kind: type[E]) -> E | None:
    """Return the first error of a kind that an error is, or that lies behind it."""
    while error is not None and not isinstance(error, kind):
        error = error.__cause__ or error.__context__
    return error
