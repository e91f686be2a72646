"""``tlml episodes export`` and ``tlml episodes show``: fixed test episodes in a file."""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tlml.cli.parser import Parser
from tlml.errors import TlmlError, unknown
from tlml.presentation.numbers import percent
from tlml.yaml_lines import parse_located

if TYPE_CHECKING:
    from tlml.data.episode_files import EpisodeFile

_SPLITS = ("source", "validation", "target")  # tlml.data.tasks has them, and imports torch
_OPTION = "--domain."
_HELP = """\
usage: tlml episodes export --domain NAME [--domain.OPTION VALUE ...] ... FILE
       tlml episodes show FILE

Fixed test episodes in a file that numpy reads, for other libraries to be tested on.

  tlml episodes export --help   all options
  tlml episodes show --help     what is shown

How to read such a file: docs/views.md"""
_EPILOG = """\
  tlml episodes export --domain glyphs --ways 5 --shots 1 --number 600 tasks.npz
  tlml test --ckpt_path last --data.domain glyphs --data.file tasks.npz
  tlml episodes export --domain digits --domain.size 14 --ways '[5, 10]' --shots '[1, 5]' d.npz"""


def main(argv: Sequence[str]) -> int:
    """Run ``tlml episodes``.

    Raises:
        TlmlError: The command line is wrong, or the episodes can't be drawn, written or read.
    """
    commands = {"export": export, "show": show}
    if len(argv) < 2 or argv[1] in ("-h", "--help"):
        print(_HELP)
        return 0
    if argv[1] not in commands:
        raise unknown("command of tlml episodes", argv[1], commands)
    return commands[argv[1]](argv[2:])


def export(argv: Sequence[str]) -> int:
    """Run ``tlml episodes export``: draw episodes as a test does, and write them."""
    words, given = _divide(argv)
    options = _parser().parse(words)
    ways, shots, queries = (
        _count(name, getattr(options, name)) for name in ("ways", "shots", "queries")
    )
    from tlml.data.episode_files import read_episodes
    from tlml.make import domain
    from tlml.views.episode import EpisodeView
    from tlml.views.export import write_episodes

    view = EpisodeView(
        domain(options.domain, **given), ways=ways, shots=shots, queries=queries,
        episodes=options.number, split=options.split, seed=options.seed,
    )  # fmt: skip
    write_episodes(options.file, view, progress=True)
    print("\n".join(shown(read_episodes(options.file))))
    return 0


def show(argv: Sequence[str]) -> int:
    """Run ``tlml episodes show``: say what is in a file."""
    parser = Parser("episodes show", "Show what a file of episodes holds, once it was checked.")
    parser.add_argument("file", metavar="FILE", help="what tlml episodes export wrote")
    parser.add_argument("--json", action="store_true", help="print an object")
    options = parser.parse(argv)
    from tlml.data.episode_files import read_episodes

    file = read_episodes(options.file)
    print(json.dumps(summary(file), indent=2) if options.json else "\n".join(shown(file)))
    return 0


def summary(file: EpisodeFile) -> dict[str, Any]:
    """Return what is known of a file as plain data; sizes of episodes as least and most."""
    support, query = (
        [end - start for start, end in itertools.pairwise(ends)] for ends in file.ends
    )
    return {
        **vars(file.about),
        "episodes": len(file),
        "examples": len(file.x),
        "shape": [*file.x.shape[1:]],
        "support": [min(support), max(support)],
        "query": [min(query), max(query)],
        "targets": "classes" if file.classes else "values",
    }


def shown(file: EpisodeFile) -> Iterator[str]:
    """Say in lines what a file holds."""
    about, said = file.about, summary(file)
    options = "".join(f", {key} {value}" for key, value in about.domain["options"].items())
    yield f"{file.path}: {len(file)} {about.split} episodes, written by tlml {about.tlml}"
    yield f"  domain    {about.domain['name']}{options}"
    ways = f"{_range(about.ways)} ways, " if about.ways else ""
    yield f"  episodes  {ways}{_range(about.shots)} shots, {_range(about.queries)} queries"
    yield f"  support   {_range(said['support'])} examples"
    yield f"  query     {_range(said['query'])} examples"
    yield f"  examples  {len(file.x)} different ones of shape {said['shape']}"
    yield f"  seed      {about.seed}"


def _parser() -> Parser:
    parser = Parser("episodes export", "Draw the episodes of a test and write them to a file.")
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    add = parser.add_argument
    add("file", metavar="FILE", help="where to write to, such as tasks.npz")
    add("--domain", metavar="NAME", required=True, help="a domain; --domain.OPTION VALUE sets one")
    add("--ways", metavar="N", help="classes, or '[low, high]' (default: 5 of a pool, else all)")
    other = "'[low, high]', a share or all"
    add("--shots", metavar="N", help=f"support examples a class, {other} (default: 5)")
    add("--queries", metavar="N", help=f"query examples a class, {other} (default: 15)")
    add("--number", metavar="N", type=int, default=600, help="episodes (default: 600)")
    add("--split", choices=_SPLITS, default="target", help="the tasks (default: target)")
    add("--seed", metavar="N", type=int, default=0, help="the key of the draws (default: 0)")
    return parser


def _divide(argv: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """Divide words into those of the command and the domain's options."""
    words, given, rest = [], {}, list(argv)
    while rest:
        word = rest.pop(0)
        if not word.startswith(_OPTION):
            words.append(word)
            continue
        name, sign, value = word.removeprefix(_OPTION).partition("=")
        if not sign and not rest:
            raise TlmlError(f"episodes export: {word} needs a value")
        given[name] = _value(word, value if sign else rest.pop(0))
    return words, given


def _value(word: str, text: str) -> Any:
    try:
        return parse_located(text, word).data
    except TlmlError as error:
        raise TlmlError(f"episodes export: {word}: {text!r} can't be read as YAML") from error


def _count(name: str, text: str | None) -> Any:
    return None if text is None else _value(f"--{name}", text)


def _range(value: Any) -> str:
    if isinstance(value, list | tuple):
        low, high = value
        return str(low) if low == high else f"{low} to {high}"
    return percent(value) if isinstance(value, float) else str(value)
