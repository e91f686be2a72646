"""Small graphs in the layout of the known ones."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

Triple = tuple[str, str, str]


def dense(entities: int, prefix: str = "e", relations: int = 3, seed: int = 0) -> list[Triple]:
    """Return triples of which each occurs with probability .3."""
    table = np.random.default_rng(seed).random((relations, entities, entities)) < 0.3
    return [(f"{prefix}{h}", f"r{r}", f"{prefix}{t}") for r, h, t in np.argwhere(table).tolist()]


def write(folder: Path, triples: Iterable[Triple], name: str = "train.txt") -> Path:
    """Write triples into a file of a folder, and return the folder."""
    folder.mkdir(exist_ok=True, parents=True)
    (folder / name).write_text("".join("\t".join(triple) + "\n" for triple in triples))
    return folder


def write_all(root: Path) -> None:
    """Write a little graph for each known one that does not come with the plugin."""
    for name in ("kinships", "umls"):
        write(root / "graphs" / name, dense(40))
