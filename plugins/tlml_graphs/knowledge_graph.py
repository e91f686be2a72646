"""A knowledge graph divided by entities: what links one half is to be told of the other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray
from torch import Tensor

from tlml import Batch, Domain, Examples, Metric, TlmlError
from tlml.data import SPLITS, Part, Split, fingerprint_files
from tlml.errors import check_not_negative, check_share
from tlml_graphs.ranking import Question, filtered_metrics
from tlml_graphs.triples import FILES, Graph, read_graph

Triples = NDArray[np.int64]
_TESTED = 0.2  # share of a task's triples that are asked for
_LEAST = 5  # triples of a split: one is asked for


@dataclass(frozen=True, slots=True)
class Links:
    """The task of a split: triples among its own entities.

    Args:
        name: The split.
        triples: ``[n, 3]``, in the order in which they are told and asked for.
        tested: How many of them, the last ones, are asked for.
    """

    name: str
    triples: Triples
    tested: int
    by_class = False  # an episode has so many triples, not so many for each entity

    def split(self, part: Part) -> Examples:
        """Return what may be told (``train``), each triple once, or asked for, from both ends."""
        told = len(self.triples) - self.tested
        if part == "train":
            return questions(self.triples[:told], (0,))
        return questions(self.triples[told:] if part == "test" else self.triples[:0], (0, 1))


class KnowledgeGraph(Domain[Links]):
    """Links of a knowledge graph; source and target have no entity and no link in common.

    The entities of one graph are divided at random by the key `division`; a link between two parts
    is in neither. With `target_root` the source is one graph and the target another, which is
    divided as before into what is for validation and what is the target. A question is an entity,
    a relation and a direction (0: the entity is the head, 1: it is the tail); the answer is the
    entity at the other end. Entities and relations are numbers, the same in all splits: those of
    `entities` and `relations`. A relation is shared where both graphs have its name.

    A fifth of the links of a task is asked for, from both ends, the others may be told. Tasks are
    measured by filtered ranks (`tlml_graphs.ranking`) among the entities of the split.

    Args:
        root: A folder with ``train.txt``, ``valid.txt`` and ``test.txt``, or some of them.
        target_root: Such a folder of another graph, for validation and target.
        validation: Share of the divided entities that is for validation; source and target have
            half of the rest each.
        division: The key of the division.

    Raises:
        TlmlError: An option is out of range, a file is malformed, or a split has too few links.
    """

    metric = Metric("mrr", higher_is_better=True)

    def __init__(
        self,
        root: str,
        target_root: str | None = None,
        validation: float = 0.1,
        division: int = 0,
    ) -> None:
        check_share(validation=validation)
        check_not_negative(division=division)
        self._folders = [Path(one).expanduser() for one in (root, target_root) if one is not None]
        near = far = read_graph(self._folders[0])
        if target_root is None:
            pieces = _divide(near, validation, division, others=2)
        else:
            far = read_graph(self._folders[1])
            pieces = [near.triples, *_divide(far, validation, division, others=1)]
        graphs = [near] if far is near else [near, far]
        self.relations = tuple(sorted({name for graph in graphs for name in graph.relations}))
        self.entities = tuple(name for graph in graphs for name in graph.entities)
        first = len(self.entities) - len(far.entities)
        self._links = {
            split: _task(split, _number(triples, graph, self.relations, offset), division)
            for split, triples, graph, offset in zip(
                SPLITS, pieces, (near, far, far), (0, first, first), strict=True
            )
        }
        high = np.array([len(self.entities) - 1, len(self.relations) - 1, 1])
        self.x = Box(0, high, (3,), np.int64)
        self.y = Discrete(len(self.entities))

    def fingerprint(self) -> str | None:
        """Return the state of the files of triples."""
        return fingerprint_files(*(folder / name for folder in self._folders for name in FILES))

    def tasks(self, split: Split) -> Sequence[Links]:
        """Return the one task of a split."""
        return [self._links[split]]

    def measure(self, batch: Batch, scores: Tensor) -> Mapping[str, Tensor]:
        """Return ``mrr`` and ``hits@1``, ``hits@3``, ``hits@10``, filtered by all true links."""
        split = self._split_of[int(batch.y[0])]
        asked, answer = batch.x.cpu(), batch.y.cpu()
        among = torch.from_numpy(np.unique(self._links[split].triples[:, [0, 2]]))
        return filtered_metrics(scores.detach().cpu(), asked, answer, self._true, among)

    @cached_property
    def _true(self) -> dict[Question, list[int]]:
        found: dict[Question, list[int]] = defaultdict(list)
        for links in self._links.values():
            for head, relation, tail in links.triples.tolist():
                found[head, relation, 0].append(tail)
                found[tail, relation, 1].append(head)
        return dict(found)

    @cached_property
    def _split_of(self) -> dict[int, Split]:
        return {
            int(entity): split
            for split, links in self._links.items()
            for entity in np.unique(links.triples[:, [0, 2]])
        }


def questions(triples: Triples, directions: Sequence[int]) -> Examples:
    """Return triples as questions and answers, in the given directions one after the other."""
    x, y = [np.empty((0, 3), np.int64)], [np.empty(0, np.int64)]
    for direction in directions:
        near, far = (0, 2) if direction == 0 else (2, 0)
        way = np.full(len(triples), direction)
        x.append(np.stack([triples[:, near], triples[:, 1], way], 1))
        y.append(triples[:, far])
    return Examples(torch.from_numpy(np.concatenate(x)), torch.from_numpy(np.concatenate(y)))


def _divide(graph: Graph, validation: float, division: int, others: int) -> list[Triples]:
    """Divide the entities of a graph: into source, if there are two `others`, and both others."""
    total = len(graph.entities)
    order = np.random.default_rng([division, total]).permutation(total)
    held = max(2, round(validation * total))
    rest = np.array_split(order[held:], others)
    parts = [*rest[:-1], order[:held], rest[-1]]
    home = np.empty(total, np.int64)
    for number, part in enumerate(parts):
        home[part] = number
    heads, tails = home[graph.triples[:, 0]], home[graph.triples[:, 2]]
    return [graph.triples[(heads == n) & (tails == n)] for n in range(len(parts))]


def _number(triples: Triples, graph: Graph, relations: Sequence[str], offset: int) -> Triples:
    """Number the entities from an offset on, and the relations as they are in all graphs."""
    kinds = np.array([relations.index(name) for name in graph.relations], np.int64)
    return np.stack([triples[:, 0] + offset, kinds[triples[:, 1]], triples[:, 2] + offset], 1)


def _task(split: Split, triples: Triples, division: int) -> Links:
    if len(triples) < _LEAST:
        raise TlmlError(
            f"validation: the part for {split} has {len(triples)} links, and {_LEAST} are needed; "
            "take another share, another division, or a larger graph"
        )
    rng = np.random.default_rng([division, SPLITS.index(split), len(triples)])
    tested = 0 if split == "source" else round(_TESTED * len(triples))
    return Links(split, triples[rng.permutation(len(triples))], tested)
