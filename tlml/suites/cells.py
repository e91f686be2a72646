"""Cells of a suite: fits and what is measured, and the plan that holds them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from tlml.errors import TlmlError
from tlml.files import make_folder, write_atomic
from tlml.suites.description import Description

ORACLE = " (oracle)"  # marks a method that chose by the labels of the test
VALIDATION_TASKS, TARGET_LABELS = "validation tasks", "target labels (oracle)"
RETAINED = "stream"  # the criterion that chooses by what is retained of a stream


@dataclass(frozen=True, slots=True)
class FitCell:
    """A training to be done once, or the choice of its options (kind ``choose``).

    Args:
        id: Hash of `config`, with paths as the suite writes them, and `versions`.
        name: The label of the fit (the first, where several come to the same).
        domain: The label of the domain.
        seed: The seed of training.
        config: Everything needed to run it, plain data: ``kind``, ``domain``, ``domain_options``,
            ``learner``, ``options``, ``strategy``, ``strategy_options`` (None and none where
            training does not use it), ``tune`` (options of both to choose) and ``criterion`` (by
            what), ``choice`` (the cell that has chosen, if any), ``start`` (the cell of the fit
            that it starts from, if any), ``tried`` (where it is one of several to choose from on
            validation tasks: the options that it tries), ``view``,
            ``view_defaults`` (for what of it the learner's view takes, under `view`), ``trainer``,
            ``seed``.
        versions: Of tlml, torch and the plugins that it uses.
        episode: The target episode that it sees; None: it sees source tasks only.
        after: The ids of the cells that must be done before, and come before it in a plan: where
            its options are chosen, then the fit that it starts from.
        tried: The options that it tries, as in `config`.
    """

    id: str
    name: str
    domain: str
    seed: int
    config: dict[str, Any]
    versions: dict[str, str]
    episode: int | None = None
    after: tuple[str, ...] = ()
    tried: dict[str, Any] = field(default_factory=dict)

    @property
    def waits_for(self) -> tuple[str, ...]:
        """The ids of the cells that it starts from."""
        return self.after


@dataclass(frozen=True, slots=True)
class AdaptCell:
    """What a protocol measures of one method with one seed.

    Args:
        id: Hash of `config`, with paths as the suite writes them, and `versions`.
            Two methods that come to the same share it.
        domain: The label of the domain.
        protocol: The name of the protocol.
        point: Where on its axis: ``{"shots": 5}``, or a list of values where one run gives several
            records.
        seed: The seed of its fit and of fresh initialisations.
        method: The label of the method.
        fits: The ids of the fits that it starts from: one for all episodes, one for each, or those
            that it chooses from; none: an untrained network.
        config: Everything needed to run it, plain data: ``kind`` (adapt), ``protocol``, ``fits``,
            ``domain``, ``domain_options``, ``learner``, ``options`` (of the learner), ``view``,
            ``seed``, and what else the protocol needs.
        versions: Of tlml, torch and the plugins that it uses.
    """

    id: str
    domain: str
    protocol: str
    point: dict[str, Any]
    seed: int
    method: str
    fits: tuple[str, ...]
    config: dict[str, Any]
    versions: dict[str, str]

    @property
    def waits_for(self) -> tuple[str, ...]:
        """The ids of the cells that it starts from."""
        return self.fits

    @property
    def values(self) -> list[Any]:
        """Where on the protocol's axis its records are."""
        (found,) = self.point.values()
        return found if isinstance(found, list) else [found]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A method that cannot be run on a domain, or a choice of its fit, with the reason.

    Args:
        domain: The label of the domain.
        name: The label of the method; of a choice of a fit ``NAME with OPTION=VALUE``.
        reason: Why.
        protocol: In which of the domain's protocols; "" in all.
        at: At which value of the protocol's axis, in words; "" at all.
        kind: What is refused: ``method`` or ``fit``.
    """

    domain: str
    name: str
    reason: str
    protocol: str = ""
    at: str = ""
    kind: str = "method"

    @property
    def where(self) -> str:
        """On what, in words."""
        at = f" at {self.at}" if self.at else ""
        return f"{self.domain}{at}"


@dataclass(frozen=True, slots=True)
class Plan:
    """All cells of a suite.

    Args:
        name: The suite.
        baseline: The method that the others are compared with.
        methods: All methods, in the suite's order.
        domains: All domains, in the suite's order.
        fits: Trainings; ids differ.
        adapts: Adaptations; those of two methods may share an id, which is then run once.
        refused: What is left out.
        protocols: How to show the records of each protocol.
    """

    name: str
    baseline: str
    methods: tuple[str, ...]
    domains: tuple[str, ...]
    fits: tuple[FitCell, ...]
    adapts: tuple[AdaptCell, ...]
    refused: tuple[Refusal, ...]
    protocols: dict[str, Description]

    def only(self, patterns: Sequence[str], option: str = "only") -> Plan:
        """Return what matches one of the shell-style patterns ``METHOD``, ``DOMAIN`` or both.

        Both are written ``DOMAIN/METHOD``; fits are kept where something kept starts from them.

        Args:
            patterns: One of them must match.
            option: What errors call them.

        Raises:
            TlmlError: A pattern matches nothing.
        """
        for pattern in patterns:
            if not any(_matches(cell, pattern) for cell in self.adapts):
                raise TlmlError(
                    f"{option}: '{pattern}' matches no cell; the domains are "
                    f"{', '.join(self.domains)} and the methods {', '.join(self.methods)}, "
                    "both together as DOMAIN/METHOD"
                )
        kept = tuple(c for c in self.adapts if any(_matches(c, pattern) for pattern in patterns))
        return replace(self, adapts=kept, fits=_needed(self.fits, kept))

    def without(self, reasons: Mapping[str, str]) -> Plan:
        """Return it without some cells and all that starts from them, which are refused.

        A choice of several is no such cell, unless all are: it stays, and comes out as refused.

        Args:
            reasons: Why, by the id of a cell.
        """
        known = {**reasons, **_of_fits(self.fits, reasons)}
        choices = {fit.id for fit in self.fits if fit.tried}
        why = {cell.id: _reason(cell, known, choices) for cell in self.adapts}
        left = tuple(cell for cell in self.adapts if why[cell.id] is None)
        return replace(
            self, adapts=left, fits=_needed(self.fits, left),
            refused=tuple(dict.fromkeys((*self.refused, *self._refusals(why)))),
        )  # fmt: skip

    def refused_choices(self, reasons: Mapping[str, str]) -> tuple[Refusal, ...]:
        """Return which choices of its fits are refused, each once for all seeds.

        Args:
            reasons: Why, by the id of a cell.
        """
        found = []
        for fit in self.fits:
            if fit.tried and fit.id in reasons:
                tried = ", ".join(f"{name}={value}" for name, value in fit.tried.items())
                name = f"{fit.name} with {tried}"
                found.append(Refusal(fit.domain, name, reasons[fit.id], kind="fit"))
        return tuple(dict.fromkeys(found))

    def _refusals(self, why: Mapping[str, str | None]) -> Iterator[Refusal]:
        reasons: dict[tuple[str, str, str], set[str | None]] = {}
        ways: dict[str, set[str]] = {}
        for cell in self.adapts:
            reasons.setdefault(_place(cell), set()).add(why[cell.id])
            ways.setdefault(cell.domain, set()).add(cell.protocol)
        for cell in self.adapts:
            if (reason := why[cell.id]) is not None:
                said = self.protocols[cell.protocol].said
                everywhere = len(reasons[_place(cell)]) == 1
                at = "" if everywhere else ", ".join(map(said, cell.values))
                protocol = cell.protocol if len(ways[cell.domain]) > 1 else ""
                yield Refusal(cell.domain, cell.method, reason, protocol, at)

    def with_users(self, ids: Collection[str]) -> list[Cell]:
        """Return some cells and all that starts from these, the latter first.

        Args:
            ids: Of the cells.
        """
        found, cells, before = set(ids), self.distinct(), 0
        while before < len(found):
            before = len(found)
            found |= {cell.id for cell in cells if not found.isdisjoint(cell.waits_for)}
        return [cell for cell in reversed(cells) if cell.id in found]

    def distinct(self) -> list[Cell]:
        """Return all cells, fits first, each once: two methods of one configuration share one."""
        cells: list[Cell] = [*self.fits, *self.adapts]
        return list({cell.id: cell for cell in cells}.values())

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        plain = {name: shown.model_dump() for name, shown in self.protocols.items()}
        return asdict(replace(self, protocols={})) | {"protocols": plain}


def write_plan(plan: Plan, folder: str | Path) -> None:
    """Write ``plan.json`` into a folder, made where it is missing; reports start from it.

    Raises:
        TlmlError: The folder is not writable, or the disk is full.
    """
    text = json.dumps(plan.as_dict(), indent=1, ensure_ascii=False)
    write_atomic(make_folder(folder) / "plan.json", text + "\n")


def cell_id(config: dict[str, Any], versions: dict[str, str]) -> str:
    """Return the id of a cell: 16 hexadecimal digits that follow from what it is."""
    text = json.dumps({"config": config, "versions": versions}, sort_keys=True, allow_nan=False,
                      separators=(",", ":"))  # fmt: skip
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _of_fits(fits: Sequence[FitCell], reasons: Mapping[str, str]) -> dict[str, str]:
    """Return why fits can't be made, those too that start from others."""
    named = dict[str, str]()
    for fit in fits:  # what others start from comes first
        if fit.id in reasons:
            named[fit.id] = f"fit {fit.name}: {reasons[fit.id]}"
        elif before := [id for id in fit.after if id in named]:
            named[fit.id] = named[before[0]]
    return named


def _needed(fits: Sequence[FitCell], adapts: Iterable[AdaptCell]) -> tuple[FitCell, ...]:
    """Return the fits that cells start from, directly or not."""
    ids = {id for cell in adapts for id in cell.fits}
    for fit in reversed(fits):
        if fit.id in ids:
            ids |= {*fit.after}
    return tuple(fit for fit in fits if fit.id in ids)


def _reason(cell: AdaptCell, known: Mapping[str, str], choices: Collection[str]) -> str | None:
    """Return why a cell can't be run: a fit is refused, of choices all are, or it is itself."""
    refused = [id for id in cell.fits if id in known]
    if refused and (len(refused) == len(cell.fits) or any(id not in choices for id in refused)):
        return known[refused[0]]
    return known.get(cell.id)


def _place(cell: AdaptCell) -> tuple[str, str, str]:
    return cell.domain, cell.method, cell.protocol


def _matches(cell: AdaptCell, pattern: str) -> bool:
    names = (cell.domain, cell.method, f"{cell.domain}/{cell.method}")
    return any(fnmatchcase(name, pattern) for name in names)


Cell = FitCell | AdaptCell
