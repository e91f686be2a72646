"""K-means on few target samples, with the source's centres as prior."""

from __future__ import annotations

import math
from typing import ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.base import ClusterMixin
from sklearn.cluster import KMeans
from sklearn.metrics import pairwise_distances, pairwise_distances_argmin

from tlml import TlmlError
from tlml.errors import check_positive
from tlml_transfer.rows import Rows, Values, as_array, as_given
from tlml_transfer.unsupervised.base import UnsupervisedStrategy

Labels = NDArray[np.int64]
_STEPS = 300  # of Lloyd's; each lowers the objective or is the last
_STARTS = 10  # of k-means++


class Clusters(NamedTuple):
    """Centres ``[k, d]`` and the share of the source in each cluster ``[k]``."""

    centres: Values
    shares: Values


class TransferKmeans(ClusterMixin, UnsupervisedStrategy):  # type: ignore[misc]
    """Clusters the target around centres that the source's draw to themselves.

    With source centres s_k that hold the shares π_k of the source, the centres c_k of the target
    minimise

        Σ_i min_k ‖x_i − c_k‖² + ν Σ_k π_k ‖c_k − s_k‖²,

    the maximum a posteriori when c_k has the prior N(s_k, σ²/(ν π_k)) and clusters the variance σ².
    Lloyd's two steps lower it: each sample goes to its nearest centre, and a centre to the mean of
    its n_k samples and of ν π_k more at s_k. They begin at the source's centres and, where there
    are samples enough, at those of the target, matched one to one; the lower end is taken.

    Args:
        n_clusters: k, how many clusters.
        prior: ν, how many target samples the source counts as; infinity keeps the source's
            centres, 0 leaves them out (scikit-learn's KMeans). None: chosen without labels, by the
            distance of target samples that were held out to their centres.
        seed: The key of k-means++ and of the folds that are held out.

    Attributes:
        cluster_centers_: The centres ``[k, d]``.
        labels_: The cluster of each target sample that was learned.
        inertia_: The sum of the squared distances of these samples to their centres.
        prior_: ν, as given or chosen.

    Raises:
        TlmlError: An option is out of range.
    """

    title: ClassVar[str] = "transfer_kmeans"

    def __init__(
        self, n_clusters: int = 8, prior: float | Literal["inf"] | None = None, seed: int = 0
    ) -> None:
        super().__init__(prior, seed)
        check_positive(n_clusters=n_clusters)
        self.n_clusters = n_clusters

    def prepare(self, source: Values) -> Clusters:
        """Return the source's clusters.

        Raises:
            TlmlError: It has less different inputs than there are clusters.
        """
        found = self._plain(source, "source")
        counts = np.bincount(found.labels_, minlength=self.n_clusters)
        return Clusters(found.cluster_centers_.astype(np.float64), counts / len(source))

    def combine(self, x: Values, source: Clusters | None, prior: float) -> Values:
        """Return the centres ``[k, d]``.

        Raises:
            TlmlError: Without a prior there are less different inputs than clusters.
        """
        if source is None or prior == 0:
            return np.asarray(self._plain(x, "target").cluster_centers_, np.float64)
        if not math.isfinite(prior):
            return source.centres
        weights = prior * source.shares
        starts = [source.centres]
        if _different(x) >= self.n_clusters:
            own = self._plain(x, "target").cluster_centers_
            starts.append(_match(own, source.centres, weights))
        ends = [descend(x, start, source.centres, weights)[-1] for start in starts]
        return min(ends, key=lambda centres: objective(x, centres, source.centres, weights))

    def rebuild(self, model: Values, x: Values) -> Values:
        """Return the centre nearest to each of the inputs ``[n, d]``."""
        return model[nearest(x, model)]

    def publish(self, model: Values, x: Values) -> None:
        """Set centres, labels and inertia."""
        self.cluster_centers_ = model
        self.labels_ = nearest(x, model) if len(x) else np.zeros(0, np.int64)
        self.inertia_ = float(((x - model[self.labels_]) ** 2).sum())

    def predict(self, x: Rows) -> Labels:
        """Return the cluster ``[n]`` of each of the inputs ``[n, d]``."""
        return nearest(self.rows(x), self.model())

    def transform(self, target_x: Rows) -> Rows:
        """Return the distances ``[n, k]`` of inputs ``[n, d]`` to the centres."""
        apart = pairwise_distances(self.rows(target_x), self.model())
        return as_given(apart, target_x)

    def inverse_transform(self, z: Rows) -> Rows:
        """Return the centre ``[n, d]`` that is nearest by distances ``[n, k]``."""
        centres: Values = self.model()
        return as_given(centres[as_array(z).argmin(1)], z)

    def _plain(self, x: Values, side: str) -> KMeans:
        if _different(x) < self.n_clusters:
            raise TlmlError(
                f"n_clusters: {self.n_clusters} clusters need as many different {side} inputs, and "
                f"there are {_different(x)}"
            )
        return KMeans(self.n_clusters, n_init=_STARTS, random_state=self.seed).fit(x)


def descend(x: Values, start: Values, prior: Values, weights: Values) -> list[Values]:
    """Return the centres ``[k, d]`` at the start and after each step of Lloyd's.

    Args:
        x: Inputs ``[n, d]``.
        start: Centres to start from.
        prior: s_k ``[k, d]``.
        weights: ν π_k ``[k]``, above 0.
    """
    path, labels = [start], nearest(x, start)
    for _ in range(_STEPS):
        members = np.eye(len(start))[labels]
        sums = members.T @ x + weights[:, None] * prior
        path.append(sums / (members.sum(0) + weights)[:, None])
        before, labels = labels, nearest(x, path[-1])
        if (labels == before).all():
            break
    return path


def objective(x: Values, centres: Values, prior: Values, weights: Values) -> float:
    """Return what `descend` lowers."""
    own = ((x - centres[nearest(x, centres)]) ** 2).sum()
    return float(own + weights @ ((centres - prior) ** 2).sum(1))


def nearest(x: Values, centres: Values) -> Labels:
    """Return the number ``[n]`` of the centre nearest to each input."""
    return np.asarray(pairwise_distances_argmin(x, centres), np.int64)


def _match(centres: Values, prior: Values, weights: Values) -> Values:
    """Order centres so that together they are nearest to those of the source, by weight."""
    costs = weights[:, None] * ((prior[:, None] - centres) ** 2).sum(2)
    return np.asarray(centres[linear_sum_assignment(costs)[1]], np.float64)


def _different(x: Values) -> int:
    return len(np.unique(x, axis=0))
