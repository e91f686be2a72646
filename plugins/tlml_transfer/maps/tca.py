"""Transfer component analysis (Pan, Tsang, Kwok & Yang 2011, doi 10.1109/TNN.2010.2091281)."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from scipy.linalg import eigh
from scipy.spatial.distance import pdist

from tlml.errors import check_choice, check_positive
from tlml_transfer.maps.input_map import MOST_COMPONENTS, InputMap, count_components
from tlml_transfer.rows import Values


class Tca(InputMap):
    """Map both sides to components along which their means agree and their variance is large.

    The components are K W, with the kernel matrix K of all inputs and the leading solutions W of
    K H K w = λ (K L K + μ I) w, which is the paper's problem kept symmetric: H centres, and K L K
    measures the distance between the means of the sides. Their scale is that of
    Wᵀ (K L K + μ I) W = I, so that λ is a component's scatter. Time grows with the third power of
    the number of inputs.

    Args:
        components: How many; None: as many as there are, at most 30.
        kernel: ``rbf``, exp(−gamma ‖x − y‖²), or ``linear``.
        gamma: Of the kernel ``rbf``; None: 1 over the median of the squared distances.
        mu: μ, how much large weights cost against distant means.

    Raises:
        TlmlError: An option is out of range.
    """

    title: ClassVar[str] = "tca"

    def __init__(
        self,
        components: int | None = None,
        kernel: Literal["rbf", "linear"] = "rbf",
        gamma: float | None = None,
        mu: float = 0.1,
    ) -> None:
        super().__init__()
        check_choice("kernel", kernel, ("rbf", "linear"))
        check_positive(components=components, gamma=gamma, mu=mu)
        self.components, self.kernel, self.gamma, self.mu = components, kernel, gamma, mu

    def map_both(self, source: Values, target: Values) -> tuple[Values, Values]:
        """Return the components of both sides.

        Raises:
            TlmlError: The inputs vary along less directions than there are components.
        """
        inputs = np.concatenate([source, target])
        gamma = self.gamma or _one_over_median(inputs)
        kernel = self._kernel(inputs, inputs, gamma)
        weights = self._weights(kernel, len(source))
        self.keep(inputs=inputs, gamma=gamma, weights=weights)
        found = kernel @ weights
        return found[: len(source)], found[len(source) :]

    def map_target(self, target: Values) -> Values:
        """Return components by the kernel between `target` and all inputs of both sides."""
        inputs, gamma, weights = (self.recall(name) for name in ("inputs", "gamma", "weights"))
        self.check_dimensions(target, inputs.shape[1])
        if not len(target):
            return np.zeros((0, weights.shape[1]))
        return self._kernel(target, inputs, float(gamma)) @ weights

    def _kernel(self, x: Values, y: Values, gamma: float) -> Values:
        from sklearn.metrics.pairwise import linear_kernel, rbf_kernel

        found: Values = linear_kernel(x, y) if self.kernel == "linear" else rbf_kernel(x, y, gamma)
        return found

    def _weights(self, kernel: Values, sources: int) -> Values:
        """Return W ``[all, components]``."""
        total = len(kernel)
        centred = kernel - kernel.mean(0)  # H K; its square is K H K
        apart = kernel[:, :sources].mean(1) - kernel[:, sources:].mean(1)
        most = min(self.components or MOST_COMPONENTS, total)
        share, weights = eigh(
            centred.T @ centred,
            np.outer(apart, apart) + self.mu * np.eye(total),  # K L K + μ I
            subset_by_index=(total - most, total - 1),
        )
        count = count_components(self.components, share[::-1], "the kernel")
        found: Values = weights[:, ::-1][:, :count]
        return found


def _one_over_median(inputs: Values) -> float:
    distances = pdist(inputs, "sqeuclidean")
    return 1 / float(np.median(distances[distances > 0]))
