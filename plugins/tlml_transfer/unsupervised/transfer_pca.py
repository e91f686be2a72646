"""Principal components from few target samples, with the source's covariance as prior."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from scipy.linalg import eigh

from tlml import TlmlError
from tlml.errors import check_positive
from tlml_transfer.rows import Rows, Values, as_array, as_given
from tlml_transfer.unsupervised.base import UnsupervisedStrategy

MOST_COMPONENTS = 20  # where their number is left open
_NOTHING = 1e-12  # of the largest variance: no direction of its own


class Moments(NamedTuple):
    """A mean ``[d]`` and a covariance ``[d, d]``."""

    mean: Values
    covariance: Values


class Axes(NamedTuple):
    """A mean ``[d]``, directions ``[components, d]`` and the variance along each, falling."""

    mean: Values
    directions: Values
    variances: Values


class TransferPca(UnsupervisedStrategy):
    """Principal components of the target, the source counting as ν more samples of it.

    With the means m and unbiased covariances Σ of the source's samples and of n target samples,

        Σ = (ν Σ_source + n Σ_target) / (ν + n),  m = (ν m_source + n m_target) / (ν + n),

    which leaves the distance of the two means out of Σ: it says nothing of how samples spread on
    either side. The components are the eigenvectors of Σ, in scikit-learn's signs.

    Args:
        components: How many; None: all, at most 20. Less are kept where Σ has a lower rank.
        prior: ν, how many target samples the source counts as; infinity takes the source alone,
            0 the target alone (scikit-learn's PCA). None: chosen without labels, by reconstructions
            of target samples that were held out.
        seed: The key of the folds that are held out.

    Attributes:
        components_: The directions ``[components, d]``.
        explained_variance_: The variance along each.
        mean_: m ``[d]``.
        prior_: ν, as given or chosen.

    Raises:
        TlmlError: An option is out of range.
    """

    title: ClassVar[str] = "transfer_pca"

    def __init__(
        self,
        components: int | None = None,
        prior: float | Literal["inf"] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(prior, seed)
        check_positive(components=components)
        self.components = components

    def prepare(self, source: Values) -> Moments:
        """Return the source's mean and covariance."""
        return _moments(source)

    def combine(self, x: Values, source: Moments | None, prior: float) -> Axes:
        """Return the eigenvectors of the weighted covariance.

        Raises:
            TlmlError: There are more components than dimensions, or all inputs are equal.
        """
        mean, covariance = _weighted_moments(x, source, prior)
        dimensions = len(mean)
        count = min(dimensions, MOST_COMPONENTS) if self.components is None else self.components
        if count > dimensions:
            raise TlmlError(
                f"components: {count} is more than the {dimensions} dimensions of the inputs"
            )
        first = (dimensions - count, dimensions - 1)
        variances, columns = eigh(covariance, subset_by_index=first)
        there = variances[::-1] > _NOTHING * max(variances[-1], np.square(mean).max())
        if not there.any():
            raise TlmlError(
                "transfer_pca: all inputs are equal, so that no direction is better than another; "
                "give more of them, or prior above 0"
            )
        return Axes(mean, _fix_signs(columns.T[::-1][there]), variances[::-1][there])

    def rebuild(self, model: Axes, x: Values) -> Values:
        """Return the projections of inputs ``[n, d]`` on the components."""
        return model.mean + (x - model.mean) @ model.directions.T @ model.directions

    def publish(self, model: Axes, x: Values) -> None:
        """Set mean, components and variances."""
        self.mean_, self.components_, self.explained_variance_ = model

    def transform(self, target_x: Rows) -> Rows:
        """Return the coordinates ``[n, components]`` of inputs ``[n, d]``."""
        x = self.rows(target_x)
        return as_given((x - self.mean_) @ self.components_.T, target_x)

    def inverse_transform(self, z: Rows) -> Rows:
        """Return the inputs ``[n, d]`` that coordinates ``[n, components]`` stand for.

        Raises:
            TlmlError: They have another number of components.
        """
        self.model()
        coordinates = as_array(z)
        if coordinates.shape[1:] != (len(self.components_),):
            raise TlmlError(
                f"transfer_pca: coordinates must be [n, {len(self.components_)}], are "
                f"{list(coordinates.shape)}"
            )
        return as_given(self.mean_ + coordinates @ self.components_, z)


def _weighted_moments(x: Values, source: Moments | None, prior: float) -> Moments:
    """Return the weighted mean and covariance."""
    if not np.isfinite(prior) and source is not None:
        return source
    target = _moments(x)
    if source is None or prior == 0:
        return target
    share = prior / (prior + len(x))
    pairs: Any = zip(source, target, strict=True)
    return Moments(*(share * theirs + (1 - share) * own for theirs, own in pairs))


def _moments(x: Values) -> Moments:
    mean = x.mean(0)
    centred = x - mean
    return Moments(mean, centred.T @ centred / max(len(x) - 1, 1))


def _fix_signs(directions: Values) -> Values:
    """Turn each direction so that its largest entry is positive."""
    largest = np.abs(directions).argmax(1)[:, None]
    return directions * np.sign(np.take_along_axis(directions, largest, 1))
