"""The parser of commands that aren't Lightning's."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NoReturn

from tlml.errors import TlmlError, did_you_mean


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line and name what was meant."""

    def __init__(self, command: str, purpose: str) -> None:
        super().__init__(prog=f"tlml {command}", description=purpose, allow_abbrev=False)
        self._command = command

    def parse(self, argv: Sequence[str]) -> argparse.Namespace:
        """Parse all of `argv`.

        Raises:
            TlmlError: An argument is missing or unknown.
        """
        options, extra = self.parse_known_args(argv)
        if extra:
            flags = [flag for flag in self._option_string_actions if flag.startswith("--")]
            hint = did_you_mean(extra[0], flags) if extra[0].startswith("-") else ""
            raise TlmlError(f"{self._command}: '{extra[0]}' is not understood{hint}")
        return options

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage."""
        raise TlmlError(f"{self._command}: {message} ({self.prog} --help)")
