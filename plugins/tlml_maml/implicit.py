"""The inner loop of iMAML (Rajeswaran, Finn, Kakade & Levine 2019, arXiv 1909.04630).

The parameters φ are taken close to the minimum of a proximal problem, in any number of steps. Their
derivative by θ is that of the minimum (lemma 1), so that no step has to be remembered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from tlml import Strategy, gradient
from tlml.data import Params
from tlml.errors import check_not_negative, check_positive

Vector = Tensor  # all parameters, one after the other


class Implicit(Strategy):
    """φ ← φ − α (∇L(φ) + λ (φ − θ)), `steps` times: gradient steps on L(φ) + λ/2 ‖φ − θ‖² (eq. 3).

    Going back, dφ/dθ = (I + H/λ)⁻¹ with the Hessian H of L at φ (lemma 1), by conjugate gradients
    on Hessian-vector products (algorithm 2). That is the derivative of the minimum: it is as exact
    as the steps come close to it. After each step the parameters have this derivative.

    Args:
        lr: Inner step size α.
        steps: Inner steps; the paper takes 16 for 5 ways.
        regularisation: Strength λ of the proximal term; the larger, the closer φ stays to θ.
        cg_steps: Conjugate gradient steps at most; the paper takes 5.
        tolerance: Residual, as a share of the right-hand side, at which they stop.
        batchnorm: Statistics that BatchNorm uses on a target task: of its ``batch`` (transductive)
            or as ``stored`` in training; as the learner does where None.

    Raises:
        TlmlError: An option is out of range.
    """

    def __init__(
        self,
        lr: float = 0.01,
        steps: int = 16,
        regularisation: float = 2.0,
        cg_steps: int = 5,
        tolerance: float = 1e-10,
        batchnorm: Literal["batch", "stored"] | None = None,
    ) -> None:
        super().__init__(lr=lr, steps=steps, batchnorm=batchnorm)
        check_positive(regularisation=regularisation, cg_steps=cg_steps)
        check_not_negative(tolerance=tolerance)
        self.regularisation, self.cg_steps, self.tolerance = regularisation, cg_steps, tolerance

    def steps(
        self, loss: Callable[[Params, Any], Tensor], params: Params, support: Any
    ) -> Iterator[Params]:
        """Yield the parameters after each inner step."""
        names = tuple(params)
        start = {name: value.detach() for name, value in params.items()}
        inner = Inner(loss, support, names, self.regularisation, self.cg_steps, self.tolerance)
        at = start
        for _ in range(self.max_steps):
            slope = gradient(loss, at, support)
            pulled = {n: slope[n].detach() + self.regularisation * (at[n] - start[n]) for n in at}
            at = {name: value - self.lr * pulled[name] for name, value in at.items()}
            ends = ImplicitGradient.apply(inner, *params.values(), *at.values())  # type: ignore[no-untyped-call]
            yield dict(zip(names, ends, strict=True))


class Inner(NamedTuple):
    """The problem of one task, and how well its linear system is solved."""

    loss: Callable[[Params, Any], Tensor]
    support: Any
    names: tuple[str, ...]
    regularisation: float
    cg_steps: int
    tolerance: float

    def curvature(self, values: Sequence[Tensor]) -> Callable[[Vector], Vector]:
        """Return v ↦ (I + H/λ) v with the Hessian H at some values of the parameters.

        The loss is called once, here, and not again for the products.
        """
        with torch.enable_grad():
            leaves = [value.detach().requires_grad_() for value in values]
            slopes = gradient(self.loss, dict(zip(self.names, leaves, strict=True)), self.support)
        curved = [slopes[name] for name in self.names]

        def product(vector: Vector) -> Vector:
            pairs = zip(curved, _divide(vector, leaves), strict=True)
            used = [(slope, part) for slope, part in pairs if slope.requires_grad]
            if not used:  # of first order: the loss is taken as linear
                return vector
            found = torch.autograd.grad(
                [slope for slope, _ in used], leaves, [part for _, part in used],
                retain_graph=True, materialize_grads=True,
            )  # fmt: skip
            return vector + _joined(found) / self.regularisation

        return product


class ImplicitGradient(torch.autograd.Function):
    """Parameters φ as a function of θ, with the derivative that they have at the minimum."""

    @staticmethod
    def forward(ctx: Any, inner: Inner, *values: Tensor) -> tuple[Tensor, ...]:
        """Return φ, the second half of the values; θ is the first."""
        ends = values[len(values) // 2 :]
        ctx.inner = inner
        ctx.save_for_backward(*ends)
        return tuple(end.clone() for end in ends)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        """Return (I + H/λ)⁻¹ v for θ (equation 6), nothing for φ."""
        inner: Inner = ctx.inner
        product = inner.curvature(ctx.saved_tensors)
        found = conjugate_gradients(product, _joined(upstream), inner.cg_steps, inner.tolerance)
        return None, *_divide(found, upstream), *[None] * len(upstream)


def conjugate_gradients(
    product: Callable[[Vector], Vector], right: Vector, steps: int, tolerance: float
) -> Vector:
    """Solve A x = `right` from x = 0 (Hestenes & Stiefel 1952).

    It ends early where the residual is small enough, or where A is seen not to be positive
    definite, which only a loss that is more concave than λ does.

    Args:
        product: v ↦ A v; A is symmetric.
        right: The right-hand side.
        steps: At most so many products.
        tolerance: The residual's norm as a share of `right`'s.
    """
    found, residual, way = torch.zeros_like(right), right, right
    size = residual @ residual
    enough = size * tolerance**2
    for _ in range(steps):
        if size <= enough:
            break
        image = product(way)
        curved = way @ image
        if curved <= 0:
            break
        found = found + size / curved * way
        residual = residual - size / curved * image
        before, size = size, residual @ residual
        way = residual + size / before * way
    return found


def _joined(tensors: Sequence[Tensor]) -> Vector:
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


def _divide(vector: Vector, like: Sequence[Tensor]) -> list[Tensor]:
    parts = torch.split(vector, [tensor.numel() for tensor in like])
    return [part.view_as(tensor) for part, tensor in zip(parts, like, strict=True)]
