"""Weighted Horn rules of a knowledge graph: what one or two links say of a third."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from tlml import TlmlError

FEWEST = 2  # links that a rule must have told to be believed
_DOUBT = 2.0  # pairs without a link that are added to those that a rule speaks of
_LARGEST = 200_000_000  # numbers that are held at a time
_SURE = 0.999


class Facts(NamedTuple):
    """A graph as a table.

    Args:
        linked: 1 where a relation links two entities, else 0: ``[R, n, n]``.
        relations: What the relations are called, sorted.
        places: The row of each entity.
    """

    linked: Tensor
    relations: Sequence[Hashable]
    places: Mapping[Hashable, int]


class Rules(NamedTuple):
    """How often each rule speaks, and how often it is right.

    A step is a relation from its head to its tail (the first R) or back (the next R). Bodies are
    pairs of entities that one step links, or two with some entity between them; a rule says that a
    relation links these pairs as well.

    Args:
        bodies: Pairs that one step links ``[2R]``.
        hits: Of these, pairs that a relation links as well ``[2R, R]``.
        bodies_two: Pairs that two steps link ``[2R, 2R]``.
        hits_two: Of these, pairs that a relation links as well ``[2R, 2R, R]``.
        density: The share of all pairs that a relation links ``[R]``.
    """

    bodies: Tensor
    hits: Tensor
    bodies_two: Tensor
    hits_two: Tensor
    density: Tensor


class Weights(NamedTuple):
    """A number for each rule with one step ``[2R, R]`` and with two ``[2R, 2R, R]``."""

    one: Tensor
    two: Tensor


def tabulate(triples: Sequence[Sequence[Hashable]], more: Sequence[Hashable] = ()) -> Facts:
    """Return triples of head, relation and tail as a table; one that is there twice counts once.

    Args:
        triples: They may be names or numbers.
        more: Relations that the table should have, even without a link.

    Raises:
        TlmlError: The table would be too large.
    """
    relations = sorted({relation for _, relation, _ in triples} | set(more))  # type: ignore[type-var]
    entities = sorted({end for head, _, tail in triples for end in (head, tail)})  # type: ignore[type-var]
    if 2 * len(relations) * len(entities) ** 2 > _LARGEST:
        raise TlmlError(
            f"relational_rules: {len(relations)} relations among {len(entities)} entities are too "
            "many: it holds a table of all pairs for each relation; take a smaller graph"
        )
    places = {entity: place for place, entity in enumerate(entities)}
    kinds = {relation: kind for kind, relation in enumerate(relations)}
    linked = torch.zeros(len(relations), len(entities), len(entities), dtype=torch.float64)
    for head, relation, tail in triples:
        linked[kinds[relation], places[head], places[tail]] = 1
    return Facts(linked, relations, places)


def mine(linked: Tensor) -> Rules:
    """Count for a table ``[R, n, n]`` what each rule says; no relation is told by itself."""
    heads = linked.flatten(1)
    one = _steps(linked).flatten(1)
    hits = one @ heads.T
    hits.fill_diagonal_(0)  # of the first R rows
    pairs = [(two.sum(1), two @ heads.T) for two in _second_steps(linked)]
    bodies_two, hits_two = (torch.stack(found) for found in zip(*pairs, strict=True))
    return Rules(one.sum(1), hits, bodies_two, hits_two, heads.mean(1))


def confidence(rules: Rules) -> Weights:
    """Return the share of pairs of which a rule is right, a little less for few pairs.

    A rule with less than `FEWEST` hits has none.
    """
    return Weights(_share(rules.hits, rules.bodies), _share(rules.hits_two, rules.bodies_two))


def lift(weights: Weights, density: Tensor) -> Weights:
    """Return how much more likely than by chance a rule makes its relation, 0 to 1."""
    one, two = (((share - density) / (1 - density)).clamp(0, 1) for share in weights)
    return Weights(one, two)


def tell(linked: Tensor, weights: Weights) -> Tensor:
    """Return what the rules say of each link: −log of the chance that none holds ``[R, n, n]``."""
    one, two = (-torch.log1p(-share.clamp_max(_SURE)) for share in weights)
    found = one.T @ _steps(linked).flatten(1)
    for number, pairs in enumerate(_second_steps(linked)):
        found += two[number].T @ pairs
    return found.reshape(linked.shape)


def double(place: Tensor) -> Tensor:
    """Return a matrix over relations ``[r, R]`` as one over steps ``[2r, 2R]``."""
    none = torch.zeros_like(place)
    return torch.cat([torch.cat([place, none], 1), torch.cat([none, place], 1)])


def _steps(linked: Tensor) -> Tensor:
    return torch.cat([linked, linked.mT])


def _second_steps(linked: Tensor) -> Iterator[Tensor]:
    """Yield for each first step the pairs ``[2R, n²]`` that it links with each second one."""
    steps = _steps(linked)
    for first in steps:
        yield (first @ steps).clamp_max(1).flatten(1)


def _share(hits: Tensor, bodies: Tensor) -> Tensor:
    return torch.where(hits >= FEWEST, hits / (bodies + _DOUBT).unsqueeze(-1), 0)
