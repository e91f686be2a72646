"""Phases of an adaptation, and which parameters learn in each."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

from tlml.errors import TlmlError, did_you_mean


@dataclass(frozen=True, slots=True)
class Group:
    """Parameters that learn in a phase.

    Args:
        pattern: Shell-style pattern of parameter names, such as ``"head.*"``.
        lr: Their learning rate as a multiple of the strategy's; 0 freezes them.
        bn: What their BatchNorm layers do in a long adaptation: use the batch and update what is
            stored (``train``), use what is stored (``eval``), or only update it (``adapt``).
    """

    pattern: str = "*"
    lr: float = 1.0
    bn: Literal["train", "eval", "adapt"] = "train"


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of an adaptation; parameters that no group names are frozen.

    Args:
        until: Where it ends: a number of steps, or a share of the whole as a float.
        groups: What learns, each parameter by the first group that matches it.
    """

    until: int | float = 1.0
    groups: Sequence[Group] = (Group(),)


def matching(names: Sequence[str], groups: Sequence[Group]) -> dict[str, Group]:
    """Map each name to the first group whose pattern matches it; names without one are left out.

    Raises:
        TlmlError: A pattern matches no name.
    """
    for group in groups:
        if not any(fnmatch.fnmatchcase(name, group.pattern) for name in names):
            raise TlmlError(
                f"pattern '{group.pattern}' matches no parameter"
                f"{did_you_mean(group.pattern, names)}"
            )
    found: dict[str, Group] = {}
    for name, group in product(names, groups):
        if fnmatch.fnmatchcase(name, group.pattern):
            found.setdefault(name, group)
    return found


def until_step(phase: Phase, total: int | None) -> int:
    """Return the step at which a phase ends.

    Raises:
        TlmlError: It is a share, and there is no total to take it of.
    """
    if isinstance(phase.until, int):
        return phase.until
    if total is None:
        raise TlmlError(
            f"until={phase.until}: a share needs a total; set max_steps or max_epochs, or give the "
            "phase a number of steps"
        )
    return round(phase.until * total)


def phase_at(phases: Sequence[Phase], step: int, total: int | None) -> Phase:
    """Return the phase that `step` is in; the last one goes on."""
    return next((phase for phase in phases if step < until_step(phase, total)), phases[-1])


@dataclass(frozen=True, slots=True)
class PhaseGroups:
    """Parameters that are in the same group in every phase, and which group that is.

    Args:
        names: The parameters.
        groups: Their group in each phase; None where the phase freezes them.
    """

    names: tuple[str, ...]
    groups: tuple[Group | None, ...]


def joined_groups(phases: Sequence[Phase], names: Sequence[str]) -> list[PhaseGroups]:
    """Divide the parameters once for all phases, so that optimisers never gain a group midway.

    Raises:
        TlmlError: A pattern matches no parameter.
    """
    by_phase = [matching(names, phase.groups) for phase in phases]
    found: dict[tuple[Group | None, ...], list[str]] = {}
    for name in names:
        found.setdefault(tuple(groups.get(name) for groups in by_phase), []).append(name)
    return [PhaseGroups(tuple(members), groups) for groups, members in found.items()]
