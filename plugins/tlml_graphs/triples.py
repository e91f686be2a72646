"""Reads a folder of triples: text files of head, relation and tail, tab-separated."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tlml.errors import TlmlError

FILES = ("train.txt", "valid.txt", "test.txt")
Named = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Graph:
    """A knowledge graph.

    Args:
        entities: Their names, sorted.
        relations: Theirs.
        triples: ``[n, 3]`` numbers of head, relation and tail, in the order of their names.
    """

    entities: tuple[str, ...]
    relations: tuple[str, ...]
    triples: NDArray[np.int64]


def read_graph(folder: Path) -> Graph:
    """Read the triples of ``train.txt``, ``valid.txt`` and ``test.txt`` as one graph.

    Raises:
        TlmlError: There are none, a line is malformed, or a triple is there twice.
    """
    places: dict[Named, str] = {}
    for name in FILES:
        if (folder / name).is_file():
            _read_file(folder / name, places)
    if not places:
        raise TlmlError(
            f"{folder}: there are no triples; a graph is a folder with {', '.join(FILES)} (or some "
            "of them), a line for each triple: head, relation and tail, tab-separated"
        )
    entities = sorted({end for head, _, tail in places for end in (head, tail)})
    relations = sorted({relation for _, relation, _ in places})
    number = {name: i for i, name in enumerate(entities)}
    kind = {name: i for i, name in enumerate(relations)}
    rows = [(number[head], kind[relation], number[tail]) for head, relation, tail in sorted(places)]
    return Graph(tuple(entities), tuple(relations), np.array(rows, dtype=np.int64))


def _read_file(path: Path, places: dict[Named, str]) -> None:
    """Add the triples of a file, each with its place as ``file:line``."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TlmlError(f"{path}: cannot be read as text ({error})") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        place, triple = f"{path}:{number}", _parse(line, f"{path}:{number}")
        if triple in places:
            raise TlmlError(
                f"{place}: the triple {' '.join(triple)} is in {places[triple]} already, so that "
                "what is asked could also be told; remove one of them"
            )
        places[triple] = place


def _parse(line: str, place: str) -> Named:
    parts = [part.strip() for part in line.split("\t")]
    if len(parts) != 3 or not all(parts):
        raise TlmlError(
            f"{place}: '{line.strip()}' is not a triple; write head, relation and tail, "
            "tab-separated"
        )
    head, relation, tail = parts
    return head, relation, tail
