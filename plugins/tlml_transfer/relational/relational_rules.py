"""Rules of one knowledge graph applied to another, by relations that play the same part.

The idea is that of TAMAR (Mihalkova, Huynh & Mooney 2007, AAAI), with counts in place of a Markov
logic network.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from gymnasium.spaces import Space
from torch import Tensor

from tlml import Batch, Strategy, TlmlError
from tlml.errors import check_choice, check_not_negative, check_positive
from tlml_transfer.relational.anchors import Anchoring
from tlml_transfer.relational.horn_rules import (
    Facts,
    Rules,
    Weights,
    confidence,
    double,
    lift,
    mine,
    tabulate,
    tell,
)
from tlml_transfer.relational.relation_matching import match_relations

MAPPINGS = ("found", "true", "random", "none")
Triples = Sequence[Sequence[Hashable]]
_CROWDED = 0.99  # the largest density that a relation is taken to have


class MinedRules(NamedTuple):
    """A graph and its rules."""

    facts: Facts
    rules: Rules


class RelationalRules(Strategy):
    """Tell links of a target graph by rules of a source graph and by the target's own.

    Rules r₁ ⇒ r and r₁∘r₂ ⇒ r, each step also backwards (r₁⁻¹), are mined on the source with their
    confidences. Each relation of the target is given one of the source by name-free signatures: how
    often relations overlap, invert and compose (`tlml_transfer.relational.relation_matching`). A
    mapped rule of confidence c then counts as κ pairs beside the b of which the rule speaks in the
    target, with h hits, where q is the share of the target's links that is known:

        c' = (κ c + h) / (κ + q b)

    A link is told by how far the rules that speak for it exceed chance, as independent reasons
    (noisy or). That a relation has the same number on both sides counts for nothing, unless an
    anchor or ``mapping="true"`` says so.

    Args:
        mapping: ``found`` by signatures; ``true``: of equal names; ``random``; ``none``: no
            transfer, the rules of the target's known links alone.
        anchors: Pairs of relations, of the source and of the target, that are known to correspond,
            or how many of equal names to draw, anew for each target.
        names: What relations are called, in the order of their numbers, so that anchors can be
            names; a domain's `relations`.
        strength: κ; infinity: the rules of the source alone.
        starts: From how many places a mapping is sought; time grows with it.
        seed: The key of what is drawn.

    Raises:
        TlmlError: An option is out of range, or an anchor is none.
    """

    uses_target_x: ClassVar[bool] = False

    def __init__(
        self,
        mapping: Literal["found", "true", "random", "none"] = "found",
        anchors: int | Sequence[Sequence[int | str]] = 0,
        names: Sequence[str] = (),
        strength: float = 10.0,
        starts: int = 10,
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_choice("mapping", mapping, MAPPINGS)
        check_not_negative(strength=strength, seed=seed)
        check_positive(starts=starts)
        if isinstance(anchors, int):
            check_not_negative(anchors=anchors)
        if anchors and mapping != "found":
            raise TlmlError(f"anchors: they help to find a mapping, and mapping is '{mapping}'")
        self.mapping, self.strength, self.starts, self.seed = mapping, strength, starts, seed
        self.anchors = Anchoring(anchors, names)
        self.uses_source = mapping != "none"
        self._source: MinedRules | None = None

    def relate(self, source_task: Any, target_task: Any) -> dict[Any, Any]:
        """Map relations of the source to relations of the target.

        Args:
            source_task: Triples ``[n, 3]`` of head, relation and tail, names or numbers.
            target_task: Likewise.

        Raises:
            TlmlError: A side has no triples, or an anchor is none of its relations.
        """
        source, target = (
            _mine(side, tabulate(_rows(triples)))
            for side, triples in (("source", source_task), ("target", target_task))
        )
        pairs = self._pairs(source, target)
        near, far = source.facts.relations, target.facts.relations
        return {near[r]: far[t] for t, r in sorted(pairs.items())}

    def learn(self, source: Batch, target_x: Tensor) -> None:
        """Mine the rules of the source.

        Raises:
            TlmlError: It has no triples.
        """
        self._source = _mine("source", tabulate(_triples(source)))

    def estimate(self, support: Batch, x: Tensor, space: Space[Any]) -> Tensor:
        """Score all entities ``[len(x), entities]`` as answers to questions.

        Args:
            support: The known links of the target.
            x: Entity, relation and direction (0: the entity is the head) ``[n, 3]``.
            space: The entities, ``Discrete(n)``.
        """
        scores = torch.zeros(len(x), int(space.n), dtype=torch.float64)  # type: ignore[attr-defined]
        triples = _triples(support)
        if not triples:
            return scores.to(x.device)
        facts = tabulate(triples, self._known_relations())
        links = tell(facts.linked, self._weights(MinedRules(facts, mine(facts.linked))))
        kinds = {relation: kind for kind, relation in enumerate(facts.relations)}
        columns = torch.tensor(list(facts.places))
        for row, (entity, relation, direction) in enumerate(x.tolist()):
            if relation in kinds and entity in facts.places:
                table, place = links[kinds[relation]], facts.places[entity]
                scores[row, columns] = table[:, place] if direction else table[place]
        return scores.to(x.device)

    def _known_relations(self) -> Sequence[Hashable]:
        """Return the relations that a target has by its mapping, even where no link shows them."""
        if self.mapping == "true" and self._source:
            return self._source.facts.relations
        return self.anchors.targets

    def _weights(self, target: MinedRules) -> Weights:
        """Return the weights of all rules in the target."""
        own = target.rules
        if self.mapping == "none":
            return lift(confidence(own), own.density)
        assert self._source is not None, "learn() comes before estimate()"
        pairs = self._pairs(self._source, target)
        carried, density = _carry(self._source.rules, pairs, len(own.density))
        if math.isfinite(self.strength):
            share = _told_share(self._source, target)
            carried = _with_own(carried, own, self.strength, share)
            mapped = torch.tensor([place in pairs for place in range(len(density))])
            density = torch.where(mapped, density, (own.density / share).clamp_max(_CROWDED))
        return lift(carried, density)

    def _pairs(self, source: MinedRules, target: MinedRules) -> dict[int, int]:
        """Return the place of a relation of the source for places of the target's."""
        near, far = source.facts.relations, target.facts.relations
        if self.mapping == "true":
            return {t: near.index(name) for t, name in enumerate(far) if name in near}
        rng = np.random.default_rng([self.seed, *target.facts.linked.nonzero().sum(0).tolist()])
        if self.mapping == "random":
            order = rng.permutation(max(len(near), len(far)))[: len(far)]
            return {t: int(r) for t, r in enumerate(order) if r < len(near)}
        if self.mapping == "none":
            return {}
        fixed = self.anchors.places(near, far, rng)
        share = _told_share(source, target)
        return match_relations(source.rules, target.rules, share, rng, fixed, self.starts)


def _rows(triples: Any) -> Triples:
    return triples.tolist() if isinstance(triples, Tensor | np.ndarray) else list(triples)


def _triples(batch: Batch) -> Triples:
    """Return the links that a batch of questions and answers tells."""
    if batch.x.is_floating_point() or batch.x.dim() != 2 or batch.x.shape[1] != 3:
        raise TlmlError(
            "relational_rules: needs questions of entity, relation and direction, int64 [n, 3], "
            f"has {str(batch.x.dtype).removeprefix('torch.')} {list(batch.x.shape)}; take a domain "
            "of triples, such as kinships"
        )
    rows = zip(batch.x.tolist(), batch.y.tolist(), strict=True)
    return [(far, kind, near) if back else (near, kind, far) for (near, kind, back), far in rows]


def _mine(side: str, facts: Facts) -> MinedRules:
    if not facts.relations:
        raise TlmlError(f"{side}: it is a graph without triples, so that it has no rules")
    return MinedRules(facts, mine(facts.linked))


def _told_share(source: MinedRules, target: MinedRules) -> float:
    """Return q: how dense the target's known links are compared with the source's, at most 1."""
    there, here = (graph.facts.linked.sum(0).mean() for graph in (source, target))
    return min(float(here / there), 1.0)


def _carry(rules: Rules, pairs: Mapping[int, int], relations: int) -> tuple[Weights, Tensor]:
    """Return the source's confidences and densities in the places of the target's relations."""
    place = torch.zeros(relations, len(rules.density), dtype=torch.float64)
    for t, r in pairs.items():
        place[t, r] = 1
    steps, source = double(place), confidence(rules)
    one = steps @ source.one @ place.T
    two = torch.einsum("ai,ibc->abc", steps, steps @ (source.two @ place.T))
    return Weights(one, two), place @ rules.density


def _with_own(carried: Weights, own: Rules, strength: float, share: float) -> Weights:
    """Return c' of all rules; one that speaks of no pair, with κ = 0, says nothing."""
    one = (strength * carried.one + own.hits) / (strength + share * own.bodies)[:, None]
    two = (strength * carried.two + own.hits_two) / (strength + share * own.bodies_two)[..., None]
    return Weights(one.nan_to_num(0), two.nan_to_num(0))
