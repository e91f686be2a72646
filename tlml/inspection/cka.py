"""Centred kernel alignment: how similar two representations of the same examples are.

Linear CKA of Kornblith, Norouzi, Lee & Hinton 2019, arXiv 1905.00414.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tlml.errors import TlmlError


def linear_cka(x: Tensor, y: Tensor, *, debiased: bool = False) -> float:
    """Return the linear CKA ⟨K, L⟩ / (‖K‖ ‖L‖) of the centred Gram matrices K of `x`, L of `y`.

    It is 1 for representations that differ by a rotation, a shift and a scale only, and 0 for
    uncorrelated ones. With fewer examples than features unrelated ones are well above 0, unless
    it is `debiased`; that may be negative. It is NaN where a representation is constant or not
    finite. Computed in float64.

    Args:
        x: One representation of each example, ``[n, ...]``.
        y: Another of the same examples, ``[n, ...]``; its size may differ.
        debiased: Estimate HSIC without bias (Song et al. 2012, JMLR 13, equation 5).

    Raises:
        TlmlError: The numbers of examples differ, or there are too few.
    """
    least = 4 if debiased else 2
    if len(x) != len(y) or len(x) < least:
        raise TlmlError(
            f"CKA: needs the same examples in both representations, at least {least}; there are "
            f"{len(x)} and {len(y)}"
        )
    k, l = _centre(x, debiased), _centre(y, debiased)  # noqa: E741
    size = float(k.norm() * l.norm())
    return float((k * l).sum()) / size if size > 0 else float("nan")


def _centre(x: Tensor, debiased: bool) -> Tensor:
    """Return the Gram matrix ``[n, n]`` without the means of its rows and columns."""
    # Not every accelerator has float64.
    values = x.detach().reshape(len(x), -1).cpu().double()
    moved = values - values.mean(0)
    if not bool(moved.norm() > len(x) * torch.finfo(moved.dtype).eps * values.norm()):
        return moved.new_zeros(len(x), len(x))  # constant but for rounding, or NaN
    gram = moved @ moved.T
    return _without_diagonal(gram) if debiased else gram


def _without_diagonal(gram: Tensor) -> Tensor:
    # Centred so that rows sum to 0 without the diagonal, which is what biases HSIC.
    n = len(gram)
    gram = gram - torch.diag(gram.diagonal())
    rows = gram.sum(1) / (n - 2)
    centred = gram - rows - rows[:, None] + gram.sum() / ((n - 1) * (n - 2))
    return centred - torch.diag(centred.diagonal())
