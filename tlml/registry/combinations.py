"""Which domain, learner and strategy go together, decided from their specs alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, combinations, islice, product, zip_longest

from tlml.spec import KINDS, Kind, Spec, unmet

Specs = Mapping[Kind, Mapping[str, Spec]]
Trio = tuple[str, str, str]  # the names of a domain, a learner and a strategy; it may be ALONE
ALONE = ""  # in place of a strategy: the learner has none

_SHOWN = 4


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
        *names, last = filter(None, self.trio)
        all_names = f"{', '.join(names)} and {last}"
        if not self.lacks:
            return f"{all_names} go together"
        reasons = "; ".join(self._reason(lack) for lack in self.lacks)
        others = ", ".join(" ".join(filter(None, trio)) for trio in self.instead)
        hint = f"; these do: {others}" if others else ""
        return f"{all_names} do not go together: {reasons}{hint}"

    def _reason(self, lack: Lack) -> str:
        others = [
            f"{kind} {name}"
            for kind, name in zip(KINDS, self.trio, strict=True)
            if name and kind != lack.kind
        ]
        need = lack.need.replace("|", " or ")
        nobody = f"neither {others[0]} nor {others[1]} gives" if others[1:] else "{} does not give"
        return f"{lack.kind} {lack.name} needs {need}, which {nobody.format(*others)}"


def judge(trio: Trio, specs: Specs) -> Verdict:
    """Judge names that are in `specs`."""
    lacks = _lacks(trio, specs)
    instead = tuple(_nearest(trio, specs)) if lacks else ()
    return Verdict(trio, lacks, instead)


def working(specs: Specs, fixed: Mapping[Kind, str]) -> Iterator[Trio]:
    """Iterate over the trios that go together and hold the `fixed` names, in order of names.

    A learner that no strategy goes with on any domain is there alone.
    """
    choices = [[fixed[kind]] if kind in fixed else sorted(specs[kind]) for kind in KINDS[:2]]
    for domain, learner in product(*choices):
        alone = _takes_none(specs["learner"][learner], specs)
        for strategy in [ALONE] if alone else sorted(specs["strategy"]):
            trio = domain, learner, strategy
            if fixed.get("strategy", strategy) == strategy and not _lacks(trio, specs):
                yield trio


def _takes_none(learner: Spec, specs: Specs) -> bool:
    """Return whether every strategy needs what neither the learner nor any domain gives."""
    given = learner.gives.union(*(domain.gives for domain in specs["domain"].values()))
    return all(unmet(strategy, given) for strategy in specs["strategy"].values())


def _lacks(trio: Trio, specs: Specs) -> tuple[Lack, ...]:
    found = {kind: specs[kind][name] for kind, name in zip(KINDS, trio, strict=True) if name}
    lacks = []
    for kind, spec in found.items():
        given = (other.gives for other in found.values() if other is not spec)
        lacks += [Lack(kind, spec.name, need) for need in unmet(spec, frozenset().union(*given))]
    return tuple(lacks)


def _nearest(trio: Trio, specs: Specs) -> list[Trio]:
    """Trios with another strategy, learner or domain, by turns; if there are none, two changed.

    Where no strategy was named, none is told either.
    """
    names = {kind: name for kind, name in zip(KINDS, trio, strict=True) if name}
    for number in (1, 2):
        ways = []
        for changed in combinations([kind for kind in reversed(KINDS) if kind in names], number):
            fixed = {kind: name for kind, name in names.items() if kind not in changed}
            found = working(specs, fixed)
            told = found if "strategy" in names else ((*one[:2], ALONE) for one in found)
            ways.append(dict.fromkeys(told))
        by_turns = chain.from_iterable(zip_longest(*ways))
        if near := list(islice(dict.fromkeys(filter(None, by_turns)), _SHOWN)):
            return near
    return []
