"""Transfer component analysis (Pan, Tsang, Kwok & Yang 2011, doi 10.1109/TNN.2010.2091281)."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from scipy.linalg import eigh

from tlml.errors import check_choice, check_positive
from tlml_transfer.input_map import InputMap, Values, check_components, count_components


class Tca(InputMap):
    """Map both sides to components along which their means agree and their variance is large.

    The components are K W, with the kernel matrix K of all inputs and the leading solutions of
    K H K w = λ (K L K + μ I) w (equation 8 as a symmetric problem): H centres, and K L K measures
    the distance of the sides' means. Each has variance 1 over both sides, which is the paper's
    constraint Wᵀ K H K W = I but for the number of inputs. The time grows with its third power.

    Args:
        components: How many; None: as many as there are, at most 20.
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
        mu: float = 1.0,
    ) -> None:
        super().__init__()
        check_components(components)
        check_choice("kernel", kernel, ("rbf", "linear"))
        check_positive(gamma=gamma, mu=mu)
        self.components, self.kernel, self.gamma, self.mu = components, kernel, gamma, mu

    def map_both(self, source: Values, target: Values) -> tuple[Values, Values]:
        """Return the components of both sides.

        Raises:
            TlmlError: The inputs vary along less directions than there are components.
        """
        inputs = np.concatenate([source, target])
        self.keep(inputs=inputs, gamma=self.gamma or _one_over_median(inputs))
        kernel = self._kernel(inputs)
        weights = self._weights(kernel, len(source))
        self.keep(weights=weights)
        found = kernel @ weights
        return found[: len(source)], found[len(source) :]

    def map_target(self, target: Values) -> Values:
        """Return components by the kernel between `target` and all inputs of both sides."""
        weights = self.recall("weights")
        self.check_dimensions(target, self.recall("inputs").shape[1])
        return self._kernel(target) @ weights

    def _kernel(self, x: Values) -> Values:
        """Return the kernel ``[n, all]`` between `x` and the inputs of both sides."""
        from sklearn.metrics.pairwise import linear_kernel, rbf_kernel

        inputs = self.recall("inputs")
        if not len(x):
            return np.zeros((0, len(inputs)))
        if self.kernel == "linear":
            linear: Values = linear_kernel(x, inputs)
            return linear
        rbf: Values = rbf_kernel(x, inputs, gamma=float(self.recall("gamma")))
        return rbf

    def _weights(self, kernel: Values, sources: int) -> Values:
        """Return W ``[all, components]``."""
        total = len(kernel)
        centred = kernel - kernel.mean(0)  # H K, and K H K is its square
        apart = kernel[:, :sources].mean(1) - kernel[:, sources:].mean(1)  # K L K = apart apartᵀ
        most = total if self.components is None else min(self.components, total)
        share, weights = eigh(
            centred.T @ centred,
            np.outer(apart, apart) + self.mu * np.eye(total),
            subset_by_index=(total - most, total - 1),
        )
        share, weights = share[::-1], weights[:, ::-1]
        count = count_components(self.title, self.components, share, "the kernel of all inputs")
        found: Values = weights[:, :count] * np.sqrt(total / share[:count])
        return found


def _one_over_median(inputs: Values) -> float:
    from scipy.spatial.distance import pdist

    distances = pdist(inputs, "sqeuclidean")
    return 1 / float(np.median(distances[distances > 0]))
