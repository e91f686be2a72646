"""The dual of the multi-class support vector machine (Crammer & Singer 2001), differentiable.

With the kernel G of the examples, their one-hot labels Y and the weight C of the slacks: minimise
½ Σ_k a_k·G a_k − Σ a Y over a ``[K, ways]`` where a ≤ C Y and each row sums to 0. Here a is written
C (Y − b): then b ≥ 0 and each row of b sums to 1, and with Q = C G the conditions of optimality are

    Q (b − Y) + Y − v = s,   b ≥ 0,   s ≥ 0,   b s = 0,   Σ_k b_k = 1.

The Hessian is Q for each class, and classes meet in the sums alone. So each linear system is one of
K equations for each class and one of K for v, not one of K · ways.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from tlml.errors import DivergedError

_STEPS = 100  # 10 to 20 are usual
_GAP = 1e-18  # mean of b s at which to stop; where not 0, both are about 1
_SHARE = 0.995  # of the way to the boundary that a step goes
# Added to Q, in units of 1 + its largest entry, so that a singular Q can be factorised. That slows
# Newton's steps a little, and shortens the gradient where it is undetermined.
_STEP_RIDGE, _SLOPE_RIDGE = 1e-14, 1e-10


def dual(kernel: Tensor, labels: Tensor, c: float) -> Tensor:
    """Return the optimal a ``[K, ways]``; gradients go to the kernel.

    Where the kernel is singular a may not be unique; G a is, and its gradient.

    Args:
        kernel: G ``[K, K]``, symmetric and positive semidefinite, in float64.
        labels: Y ``[K, ways]``, one-hot, in float64.
        c: C, positive.

    Raises:
        DivergedError: The kernel is not finite, or the optimum was not reached.
    """
    found: Tensor = _Dual.apply(kernel, labels, c)  # type: ignore[no-untyped-call]
    return found


class _Dual(torch.autograd.Function):
    """The optimum as a function of the kernel."""

    @staticmethod
    def forward(ctx: Any, kernel: Tensor, labels: Tensor, c: float) -> Tensor:
        """Return a."""
        point = _optimum(c * kernel, labels)
        a = c * (labels - point.b)
        ctx.c = c
        ctx.save_for_backward(kernel, a, point.b > point.s)
        return a

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None]:
        """Return the gradient by the kernel.

        Where b is 0 it stays so. Elsewhere Q db_k − dv = dG a_k, with rows of db that sum to 0;
        this map from dG a to db is symmetric, hence it is applied to the upstream gradient.
        """
        kernel, a, free = ctx.saved_tensors
        system = _free_system(ctx.c * kernel, free)
        moved, _ = system.solve(upstream, torch.zeros_like(a[:, 0]))
        slope = -ctx.c * moved @ a.T
        return (slope + slope.T) / 2, None, None


class _Point(NamedTuple):
    """An interior point: b and s ``[K, ways]`` are positive, v is ``[K]``."""

    b: Tensor
    s: Tensor
    v: Tensor


class _System:
    """The equations M_k d_k = h_k + u for each class k, and Σ_k d_k = r; d and u are unknown.

    u is found by the Schur complement, which is the sum of the inverses.

    Args:
        matrices: M ``[ways, K, K]``, positive definite.
        free: ``[ways, K]``, 0 where d has to be 0, else 1.

    Raises:
        DivergedError: A matrix is not positive definite.
    """

    def __init__(self, matrices: Tensor, free: Tensor) -> None:
        self.free = free
        self.factors = _factorise(matrices)
        inverses = torch.cholesky_inverse(self.factors) * free[:, :, None] * free[:, None]
        fixed = (free.sum(0) == 0).to(free)  # no equation is left for these
        self.schur = _factorise(inverses.sum(0) + fixed.diag())

    def solve(self, h: Tensor, r: Tensor) -> tuple[Tensor, Tensor]:
        """Return d ``[K, ways]`` and u ``[K]``, given h ``[K, ways]`` and r ``[K]``."""
        rest = r - self._each(h).sum(1)
        u = torch.cholesky_solve(rest[:, None], self.schur)
        return self._each(h + u), u[:, 0]

    def _each(self, h: Tensor) -> Tensor:
        found = torch.cholesky_solve((self.free * h.T)[:, :, None], self.factors)
        return (self.free * found[:, :, 0]).T


def _factorise(matrices: Tensor) -> Tensor:
    factors, failed = torch.linalg.cholesky_ex(matrices)
    if bool(failed.any()):
        raise DivergedError(
            "metaoptnet: a linear system of its support vector machine has no solution in float64; "
            "lower c, or normalise the features"
        )
    found: Tensor = factors
    return found


def _newton_system(q: Tensor, point: _Point) -> _System:
    pull = (point.s / point.b).T + _STEP_RIDGE * _size(q)
    return _System(q + torch.diag_embed(pull), torch.ones_like(pull))


def _free_system(q: Tensor, free: Tensor) -> _System:
    """Return the system of the entries that are free ``[K, ways]``; the others don't move."""
    among = free.T.to(q)
    pull = 1 - among + _SLOPE_RIDGE * _size(q)
    return _System(among[:, :, None] * q * among[:, None] + torch.diag_embed(pull), among)


def _size(q: Tensor) -> Tensor:
    return 1 + q.abs().max()


def _optimum(q: Tensor, y: Tensor) -> _Point:
    """Return the optimum, by an interior point that predicts and corrects (Mehrotra 1992)."""
    size = _size(q)
    if not bool(torch.isfinite(size)):
        raise DivergedError(
            "metaoptnet: features of the support are NaN or infinite; training diverged, lower lr"
        )
    point = _start(q, y)
    for _ in range(_STEPS):
        if bool(_gap(point) <= _GAP):
            return point
        point = _step(q, y, point)
    raise DivergedError(
        f"metaoptnet: its support vector machine is not solved after {_STEPS} steps (the gap is "
        f"{float(_gap(point)):.1e}, features squared times c are up to {float(size):.1e}); "
        "lower c, or normalise the features"
    )


def _start(q: Tensor, y: Tensor) -> _Point:
    """Return a point that meets all conditions but b s = 0."""
    b = torch.full_like(y, 1 / y.shape[1])
    slope = q @ (b - y) + y
    v = slope.amin(1) - 1
    return _Point(b, slope - v[:, None], v)


def _step(q: Tensor, y: Tensor, point: _Point) -> _Point:
    b, s, v = point
    system = _newton_system(q, point)
    off, r = q @ (b - y) + y - v[:, None] - s, 1 - b.sum(1)

    def towards(aim: Tensor) -> _Point:
        """Return the Newton direction to b s = `aim`, with all other conditions met."""
        db, dv = system.solve((aim - b * s) / b - off, r)
        return _Point(db, (aim - b * s - s * db) / b, dv)

    ahead = towards(torch.zeros_like(b))
    gap = _gap(point)
    centring = (_gap(_move(point, ahead, 1.0)) / gap) ** 3
    return _move(point, towards(centring * gap - ahead.b * ahead.s), _SHARE)


def _move(point: _Point, way: _Point, share: float) -> _Point:
    """Go a share of the way to the boundary, at most a whole step."""
    room = torch.minimum(_room(point.b, way.b), _room(point.s, way.s))
    length = (share * room).clamp(max=1)
    return _Point(*(at + length * by for at, by in zip(point, way, strict=True)))


def _room(at: Tensor, way: Tensor) -> Tensor:
    return torch.where(way < 0, -at / way, torch.inf).amin()


def _gap(point: _Point) -> Tensor:
    return (point.b * point.s).mean()
