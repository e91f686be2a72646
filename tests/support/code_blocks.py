"""The fenced code blocks of a Markdown page, with their lines and the marks before them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

FENCE = re.compile(r"(?P<indent> *)(?P<ticks>`{3,}|~{3,})(?P<language>[\w{}+-]*).*")
NOT_RUN = re.compile(r"<!-- not run:(?P<reason>.*)-->")
FILE_NAME = re.compile(r"# (?P<name>[\w./-]+\.(?:py|yaml|toml))$")


@dataclass(frozen=True, slots=True)
class Block:
    """One code block: `line` is the number of its first line of code."""

    page: Path
    line: int
    language: str
    text: str
    not_run: str | None = None

    @property
    def where(self) -> str:
        """The page and the line, as an editor wants them."""
        return f"{self.page}:{self.line}"

    @property
    def file_name(self) -> str | None:
        """The file that the block shows, where its first line is a comment with a file's name."""
        match = FILE_NAME.match(self.text.partition("\n")[0])
        return match["name"] if match else None


@dataclass(slots=True)
class Command:
    """One command of a shell block, and what the page shows as its output."""

    line: int
    words: list[str]
    output: list[str] = field(default_factory=list)


def blocks(page: Path) -> list[Block]:
    """Return the code blocks of a page from top to bottom."""
    lines = page.read_text().splitlines()
    found, number = [], 0
    while number < len(lines):
        match = FENCE.fullmatch(lines[number])
        number += 1
        if match:
            end = _end(lines, number, match["ticks"], page)
            indent = len(match["indent"])
            text = "\n".join(line[indent:] for line in lines[number:end])
            reason = _not_run(lines, number - 2)
            found.append(Block(page, number + 1, match["language"], text, reason))
            number = end + 1
    return found


def commands(block: Block) -> Iterator[Command]:
    """Yield the commands of a shell block; in a console block they begin with ``$``."""
    console = block.language == "console"
    current: Command | None = None
    for line, text in _joined(block):
        if not console or text.startswith("$ "):
            if current:
                yield current
            words = shlex.split(text.removeprefix("$ "), comments=True)
            current = Command(line, words) if words else None
        elif current:
            current.output.append(text)
    if current:
        yield current


def _end(lines: list[str], start: int, ticks: str, page: Path) -> int:
    for number in range(start, len(lines)):
        if lines[number].strip() == ticks:
            return number
    raise ValueError(f"{page}:{start}: the code block is not closed")


def _not_run(lines: list[str], before: int) -> str | None:
    while before >= 0 and not lines[before].strip():
        before -= 1
    match = NOT_RUN.fullmatch(lines[before].strip()) if before >= 0 else None
    return match["reason"].strip() if match else None


def _joined(block: Block) -> Iterator[tuple[int, str]]:
    """Yield lines with their numbers, those that end in a backslash joined to the next."""
    held, first = "", None
    for number, text in enumerate(block.text.splitlines(), block.line):
        first = first or number
        held += text.removesuffix("\\")
        if not text.endswith("\\"):
            yield first, held
            held, first = "", None
