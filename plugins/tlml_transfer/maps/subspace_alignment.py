"""Subspace alignment: turn the source's main axes into the target's (Fernando et al. 2013)."""

from __future__ import annotations

from typing import Any, ClassVar

from tlml.errors import check_positive
from tlml_transfer.maps.input_map import InputMap, count_components
from tlml_transfer.rows import Values


class SubspaceAlignment(InputMap):
    """Map both sides to their principal subspaces, the source's aligned to the target's.

    With the first principal axes X_S and X_T ``[d, components]``, the source becomes
    (x − m_S) X_S M with M = X_Sᵀ X_T, which minimises ‖X_S M − X_T‖_F, and the target
    (x − m_T) X_T.

    Args:
        components: Dimensions of the subspaces; None: as many as there are, at most 30.

    Raises:
        TlmlError: An option is out of range.
    """

    title: ClassVar[str] = "subspace_alignment"

    def __init__(self, components: int | None = None) -> None:
        super().__init__()
        check_positive(components=components)
        self.components = components

    def map_both(self, source: Values, target: Values) -> tuple[Values, Values]:
        """Return both sides in the target's axes, ``[n, components]`` and ``[m, components]``.

        Raises:
            TlmlError: A side varies along less directions than there are components.
        """
        sides = {"the source": _principal(source), "the target": _principal(target)}
        count = min(
            count_components(self.components, found.explained_variance_, side)
            for side, found in sides.items()
        )
        x_s, x_t = (found.components_[:count].T for found in sides.values())
        self.keep(mean=target.mean(0), axes=x_t)
        return (source - source.mean(0)) @ x_s @ (x_s.T @ x_t), self.map_target(target)

    def map_target(self, target: Values) -> Values:
        """Return target inputs in the target's axes."""
        mean, axes = self.recall("mean"), self.recall("axes")
        self.check_dimensions(target, len(axes))
        return (target - mean) @ axes


def _principal(x: Values) -> Any:
    from sklearn.decomposition import PCA

    # Both are exact; the other solvers draw at random.
    return PCA(svd_solver="covariance_eigh" if len(x) > x.shape[1] else "full").fit(x)
