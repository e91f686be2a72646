"""Which relations of two graphs correspond, by what rules say of them and not by their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from tlml_transfer.relational.horn_rules import Rules, double

_PRIOR = 4.0  # pairs that count as linked by chance, in each rule of the source
_RAREST = 1e-4  # the least density of a relation
_STEPS = 40
_GAIN = 0.01  # a rise of the log-likelihood that is none


class Signature(NamedTuple):
    """What is compared: of the source logarithms and rates, of the target counts."""

    log_one: Tensor
    log_two: Tensor
    rate_one: Tensor
    rate_two: Tensor
    log_density: Tensor
    target: Rules
    share: float


def match_relations(
    source: Rules,
    target: Rules,
    share: float,
    rng: np.random.Generator,
    fixed: Mapping[int, int] | None = None,
    starts: int = 10,
) -> dict[int, int]:
    """Map the relations of a target to those of a source; as many as the smaller side has.

    The mapping is sought that makes the target's counts most likely. Where a rule of the source is
    right with probability c, and a link of the target is known with probability `share`, the hits
    of the rule among b bodies in the target are taken as a Poisson number of mean `share`·b·c:

        f(P) = Σ n log d + Σ (h log c − share·b·c)

    over relations with n links and the source's density d, and over rules with h hits. f is a
    polynomial of degree three in the matrix P of the mapping. It is climbed over matrices whose
    rows and columns add up to 1 at most by steps of Frank and Wolfe, each towards the assignment
    that the gradient favours, as Vogelstein et al. 2015 do for pairs
    (doi 10.1371/journal.pone.0121002). That finds a local maximum: the best of several starts is
    taken, the first even, the others halfway from there to a random assignment.

    Args:
        source: Rules of the source with R relations.
        target: Rules of the target with r relations.
        share: How much of the target is known, compared with the source.
        rng: What starts are drawn from.
        fixed: Pairs that are known: relations of the target, and of the source.
        starts: How many there are.

    Returns:
        A relation of the source for relations of the target.
    """
    known, fixed = _signature(source, target, share), dict(fixed or {})
    free = np.ones((len(target.density), len(source.density)), dtype=np.bool_)
    for row, column in fixed.items():
        free[row], free[:, column] = False, False
    even = torch.from_numpy(free / max(*(np.array(free.shape) - len(fixed)), 1))
    even = even + _assign(np.zeros(free.shape), np.zeros_like(free), fixed)
    found = []
    for start in range(starts):
        drawn = _assign(rng.random(free.shape), free, fixed)
        place = _climb((even + drawn) / 2 if start else even, known, free, fixed)
        found.append((float(_likelihood(place, known)), place))
    best = max(found, key=lambda one: one[0])[1]
    return {int(row): int(column) for row, column in best.nonzero().tolist()}


def _climb(
    place: Tensor, known: Signature, free: NDArray[np.bool_], fixed: Mapping[int, int]
) -> Tensor:
    """Return the assignment that is nearest to a local maximum."""
    climb = torch.func.grad_and_value(_likelihood)
    for _ in range(_STEPS):
        slope, value = climb(place, known)
        way = _assign(slope.numpy(), free, fixed) - place
        length, gain = _farthest(place, way, known, float(value), float((slope * way).sum()))
        place = place + length * way
        if gain < _GAIN:
            break
    return _assign(place.numpy(), free, fixed)


def _signature(source: Rules, target: Rules, share: float) -> Signature:
    density = source.density.clamp_min(_RAREST)
    one = (source.hits + _PRIOR * density) / (source.bodies + _PRIOR)[:, None]
    two = (source.hits_two + _PRIOR * density) / (source.bodies_two + _PRIOR)[..., None]
    log_one = one.log().fill_diagonal_(0)
    one.fill_diagonal_(0)  # that a relation follows from itself says nothing
    return Signature(log_one, two.log(), one, two, density.log(), target, share)


def _likelihood(place: Tensor, known: Signature) -> Tensor:
    """Return f(P)."""
    steps, used, target = double(place), place.sum(0), known.target
    links = target.bodies[: len(place)]
    value = (links * (place @ known.log_density)).sum()
    value = value + (target.hits * (steps @ known.log_one @ place.T)).sum()
    value = value - known.share * (target.bodies * (steps @ (known.rate_one @ used))).sum()
    log_two = torch.einsum("ai,ibc->abc", steps, steps @ (known.log_two @ place.T))
    value = value + (target.hits_two * log_two).sum()
    rate_two = steps @ (known.rate_two @ used) @ steps.T
    return value - known.share * (target.bodies_two * rate_two).sum()


def _farthest(
    place: Tensor, way: Tensor, known: Signature, value: float, slope: float
) -> tuple[float, float]:
    """Return where on the way f, a cubic there, is largest, and how much it rises until there."""
    half, whole = (float(_likelihood(place + length * way, known)) for length in (0.5, 1.0))
    a, b = whole - value - slope, half - value - slope / 2
    cubic = np.polynomial.Polynomial([0, slope, 8 * b - a, 2 * a - 8 * b])
    turns = cubic.deriv().roots()
    lengths = [0.0, 1.0, *turns[np.isreal(turns) & (turns.real > 0) & (turns.real < 1)].real]
    best = max(lengths, key=cubic)
    return float(best), float(cubic(best))


def _assign(
    worth: NDArray[np.float64], free: NDArray[np.bool_], fixed: Mapping[int, int]
) -> Tensor:
    """Return the assignment of the most worth, with the fixed pairs in it ``[r, R]``."""
    found = torch.zeros(worth.shape, dtype=torch.float64)
    for row, column in fixed.items():
        found[row, column] = 1
    rows, columns = np.flatnonzero(free.any(axis=1)), np.flatnonzero(free.any(axis=0))
    if len(rows) and len(columns):
        near, far = linear_sum_assignment(worth[np.ix_(rows, columns)], maximize=True)
        found[rows[near], columns[far]] = 1
    return found
