"""Optimal transport of the source to the target (Courty et al. 2017, arXiv 1507.00504)."""

from __future__ import annotations

from typing import ClassVar

from tlml.errors import check_not_negative, check_positive
from tlml_transfer.maps.input_map import InputMap
from tlml_transfer.rows import Values
from tlml_transfer.transport import exact_plan, sinkhorn_plan


class OptimalTransport(InputMap):
    """Map each source input to where the cheapest transport of all of them to the target takes it.

    The cost is the squared Euclidean distance, all inputs weigh the same, and an input that is
    spread over several target inputs goes to their mean (the barycentric map). The
    target stays as it is.

    Args:
        reg: Weight of the entropy, in units of the mean cost: the larger, the more target inputs
            share in a place. 0 is exact transport, without entropy; for sides of different sizes
            it needs the extra ``ot`` unless they are small.
        tolerance: Error of the plan's sums, as a share of them, at which the entropic transport is
            taken as found.
        max_steps: Steps after which it gives up.

    Raises:
        TlmlError: An option is out of range.
    """

    title: ClassVar[str] = "optimal_transport"

    def __init__(self, reg: float = 0.1, tolerance: float = 1e-6, max_steps: int = 10_000) -> None:
        super().__init__()
        check_not_negative(reg=reg)
        check_positive(tolerance=tolerance, max_steps=max_steps)
        self.reg, self.tolerance, self.max_plan_steps = reg, tolerance, max_steps

    def map_both(self, source: Values, target: Values) -> tuple[Values, Values]:
        """Return the source carried to the target, and the target.

        Raises:
            TlmlError: The transport has not converged, or the sides are too large to be exact.
        """
        plan = self.plan(source, target)
        return plan @ target / plan.sum(1, keepdims=True), target

    def plan(self, source: Values, target: Values) -> Values:
        """Return how much of each source input goes to each target input, ``[n, m]``; all is 1."""
        from sklearn.metrics.pairwise import euclidean_distances

        centre = source.mean(0)  # distances are the same, and are not lost beside a far origin
        cost: Values = euclidean_distances(source - centre, target - centre, squared=True)
        if self.reg == 0:
            return exact_plan(cost)
        return sinkhorn_plan(
            cost, self.reg * float(cost.mean()), self.tolerance, self.max_plan_steps
        )
