"""Which domain, learner and strategy go together, decided from their specs alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, product

from tlml.spec import KINDS, Kind, Spec, unmet

Specs = Mapping[Kind, Mapping[str, Spec]]
Trio = tuple[str, str, str]  # the names of a domain, a learner and a strategy

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Lack:
    """A need of one of the three that the other two don't meet."""

    kind: Kind
    name: str
    need: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether three names go together: what they lack, and the nearest trios that lack nothing."""

    trio: Trio
    lacks: tuple[Lack, ...]
    instead: tuple[Trio, ...]

    def text(self) -> str:
        """Return the verdict in one line."""
        domain, learner, strategy = self.trio
        if not self.lacks:
            return f"{domain}, {learner} and {strategy} go together"
        reasons = "; ".join(self._reason(lack) for lack in self.lacks)
        others = ", ".join(" ".join(trio) for trio in self.instead)
        hint = f"; these do: {others}" if others else ""
        return f"{domain}, {learner} and {strategy} do not go together: {reasons}{hint}"

    def _reason(self, lack: Lack) -> str:
        first, second = (
            f"{kind} {name}"
            for kind, name in zip(KINDS, self.trio, strict=True)
            if kind != lack.kind
        )
        need = lack.need.replace("|", " or ")
        return f"{lack.kind} {lack.name} needs {need}, which neither {first} nor {second} gives"


def judge(trio: Trio, specs: Specs) -> Verdict:
    """Judge three names that are in `specs`."""
    lacks = _lacks(*(specs[kind][name] for kind, name in zip(KINDS, trio, strict=True)))
    instead = tuple(_nearest(trio, specs)) if lacks else ()
    return Verdict(trio, lacks, instead)


def working(specs: Specs, fixed: Mapping[Kind, str]) -> Iterator[Trio]:
    """Iterate over the trios that go together and hold the `fixed` names, in order of names."""
    choices = [[fixed[kind]] if kind in fixed else sorted(specs[kind]) for kind in KINDS]
    for domain, learner, strategy in product(*choices):
        trio = specs["domain"][domain], specs["learner"][learner], specs["strategy"][strategy]
        if not _lacks(*trio):
            yield domain, learner, strategy


def _lacks(domain: Spec, learner: Spec, strategy: Spec) -> tuple[Lack, ...]:
    offers: tuple[tuple[Kind, Spec, frozenset[str]], ...] = (
        ("domain", domain, learner.gives | strategy.gives),
        ("learner", learner, domain.gives | strategy.gives),
        ("strategy", strategy, domain.gives | learner.gives),
    )
    return tuple(
        Lack(kind, spec.name, need) for kind, spec, others in offers for need in unmet(spec, others)
    )


def _nearest(trio: Trio, specs: Specs) -> list[Trio]:
    """Trios with another strategy, learner or domain; if there are none, with two changed."""
    names = dict(zip(KINDS, trio, strict=True))
    for number in (1, 2):
        found: list[Trio] = []
        for changed in combinations(reversed(KINDS), number):
            fixed = {kind: name for kind, name in names.items() if kind not in changed}
            found += working(specs, fixed)
        if found:
            return list(dict.fromkeys(found))[:_SHOWN]
    return []
