"""Relations of two graphs that are known to correspond."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

import numpy as np

from tlml import TlmlError
from tlml.errors import unknown

Anchors = int | Sequence[Sequence[int | str]]


class Anchoring:
    """Pairs of relations as places in two lists of relations.

    Args:
        anchors: Pairs of a relation of the source and one of the target, or a number of pairs with
            equal names to draw.
        names: What relations are called, in the order of their numbers, where pairs are names of
            relations that graphs have as numbers.

    Raises:
        TlmlError: A pair is none, or names an unknown relation or one twice.
    """

    def __init__(self, anchors: Anchors, names: Sequence[str] = ()) -> None:
        self.number = anchors if isinstance(anchors, int) else 0
        self.pairs = list(_check(anchors, names)) if not isinstance(anchors, int) else []

    @property
    def targets(self) -> list[Hashable]:
        """The relations of the target in the pairs: known, though it may have no links of them."""
        return [far for _, far in self.pairs]

    def places(
        self, source: Sequence[Hashable], target: Sequence[Hashable], rng: np.random.Generator
    ) -> dict[int, int]:
        """Return the places of anchored relations in `target`, and in `source`.

        Raises:
            TlmlError: A relation is in none, or they share too few to draw from.
        """
        pairs = self._draw(source, target, rng) if self.number else self.pairs
        return {_place("target", b, target): _place("source", a, source) for a, b in pairs}

    def _draw(
        self, source: Sequence[Hashable], target: Sequence[Hashable], rng: np.random.Generator
    ) -> list[tuple[Hashable, Hashable]]:
        there = set(target)
        shared = [name for name in source if name in there]
        if len(shared) < self.number:
            raise TlmlError(
                f"anchors: {self.number} were asked for, and source and target share {len(shared)} "
                "relations"
            )
        return [(shared[i], shared[i]) for i in rng.permutation(len(shared))[: self.number]]


def _check(
    anchors: Sequence[Sequence[int | str]], names: Sequence[str]
) -> Iterator[tuple[Hashable, Hashable]]:
    for pair in anchors:
        if isinstance(pair, str) or len(pair) != 2:
            raise TlmlError(
                f"anchors: {pair!r} is not a pair; give a relation of the source and one of the "
                "target"
            )
    for side, relations in zip(("source", "target"), zip(*anchors, strict=True), strict=False):
        for relation in relations:
            if relations.count(relation) > 1:
                raise TlmlError(f"anchors: {relation} of the {side} has two partners; give it one")
    yield from ((_number(near, names), _number(far, names)) for near, far in anchors)


def _number(name: int | str, names: Sequence[str]) -> Hashable:
    if isinstance(name, int) or not names:
        return name
    if name not in names:
        raise TlmlError(f"anchors: {unknown('relation', name, names)}")
    return names.index(name)


def _place(side: str, name: Hashable, known: Sequence[Hashable]) -> int:
    if name not in known:
        why = unknown(f"relation of the {side}", str(name), map(str, known))
        raise TlmlError(f"anchors: {why}")
    return known.index(name)
