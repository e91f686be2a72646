"""Strategies that learn from inputs without labels, which are scikit-learn estimators as well."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.model_selection import KFold
from torch import Tensor

from tlml import Batch, Strategy, TlmlError
from tlml.errors import check_choice, check_not_negative
from tlml_transfer.rows import Rows, Values, as_array, as_given, check_rows


class Source(NamedTuple):
    """What the source alone gives, and the dimensions of its inputs."""

    state: Any
    dimensions: int


class UnsupervisedStrategy(Strategy, BaseEstimator):  # type: ignore[misc]
    """Learns target inputs ``[n, d]``, with the source as a prior worth `prior` more of them.

    It has the methods of scikit-learn's estimators, on arrays or tensors, and computes in float64.
    In the learner `estimator` it gives reconstructions, on domains whose targets are their inputs.

    `prior` 0 leaves the source out, infinity the target; that may be written ``"inf"``, since
    suites hold finite numbers only. Where it is None, that of `priors` is taken whose
    reconstructions of target inputs that were held out are best, in `folds`, and the source alone
    where there are less than two inputs. No label is looked at.

    A subclass writes `prepare`, `combine`, `rebuild`, `publish` and `transform`.
    """

    uses_target_x = False

    title: ClassVar[str]  # what errors call it
    priors: ClassVar[Sequence[float]] = (0, 1, 3, 10, 30, 100, 300, 1000, math.inf)
    folds: ClassVar[int] = 5

    def __init__(self, prior: float | Literal["inf"] | None, seed: int) -> None:
        super().__init__()
        if isinstance(prior, str):
            check_choice("prior", prior, ("inf",))
        check_not_negative(prior=None if prior is None else float(prior), seed=seed)
        self.prior, self.seed = prior, seed
        self._source: Source | None = None

    @abstractmethod
    def prepare(self, source: Values) -> Any:
        """Return what is to be known of the source, from all of its inputs."""

    @abstractmethod
    def combine(self, x: Values, source: Any, prior: float) -> Any:
        """Return a model of the inputs `x`; `source` is `prepare`'s, or None where `prior` is 0."""

    @abstractmethod
    def rebuild(self, model: Any, x: Values) -> Values:
        """Return the reconstructions of `x` by a model of `combine`'s."""

    @abstractmethod
    def publish(self, model: Any, x: Values) -> None:
        """Set the fitted attributes, whose names end in an underscore; `x` is the target."""

    @abstractmethod
    def transform(self, target_x: Rows) -> Rows:
        """Return what inputs ``[n, d]`` are by the model."""

    # The methods of scikit-learn

    def fit(self, X: Rows, y: object = None, *, source_x: Rows | None = None) -> Self:
        """Learn target inputs, with those of the source as a prior.

        Args:
            X: Target inputs ``[n, d]``.
            y: Not looked at.
            source_x: Source inputs ``[m, d]``; may be left out where `prior` is 0.

        Raises:
            TlmlError: A side has no inputs or one that is not finite, they have different
                dimensions, or there is no source.
        """
        target = self.rows(X, "target")
        source = None if source_x is None else self.rows(source_x, "source")
        self._learn(target, self._prepared(source))
        return self

    def fit_transform(self, source_x: Rows, target_x: Rows) -> tuple[Rows, Rows]:
        """Learn target inputs with the source as a prior, and return both sides transformed.

        Raises:
            TlmlError: As of `fit`; or there is one side only, as within a scikit-learn Pipeline.
        """
        if np.ndim(target_x) != 2:  # None, or labels
            raise TlmlError(
                f"{self.title}: fit_transform takes inputs of both sides, source_x and target_x, "
                "and a scikit-learn Pipeline has one: make this its last step and call fit(x, "
                f"{self.title}__source_x=...), or transform by it before"
            )
        self.fit(target_x, source_x=source_x)
        return self.transform(source_x), self.transform(target_x)

    def reconstruct(self, x: Rows) -> Rows:
        """Return inputs ``[n, d]`` as the model has them.

        Raises:
            TlmlError: Nothing was learned before, or they have other dimensions.
        """
        return as_given(self.rebuild(self.model(), self.rows(x)), x)

    def score(self, X: Rows, y: object = None) -> float:
        """Return the share of the variance of inputs that their reconstructions explain.

        Raises:
            TlmlError: As of `reconstruct`; or all inputs are equal.
        """
        x = self.rows(X)
        spread = float(((x - x.mean(0)) ** 2).sum())
        if not spread > 0:
            raise TlmlError(f"{self.title}: all inputs are equal: there is no variance to explain")
        return 1 - float(((x - self.rebuild(self.model(), x)) ** 2).sum()) / spread

    def set_params(self, **params: Any) -> Self:
        """Set options by name, as the constructor takes them.

        Raises:
            TlmlError: An option is out of range.
        """
        known: dict[str, Any] = BaseEstimator.get_params(self, deep=False)
        if params.keys() <= known.keys():
            type(self)(**known | params)  # refuses what it always refuses
        BaseEstimator.set_params(self, **params)
        self.options |= params
        return self

    # The methods of a strategy

    def learn(self, source: Batch, target_x: Tensor) -> None:
        """Take in the source's inputs."""
        self._source = self._prepared(self.rows(source.x.flatten(1), "source"))

    def estimate(self, support: Batch, x: Tensor, space: Any) -> Tensor:
        """Return `x` reconstructed, after learning the support's inputs; no target is looked at.

        Raises:
            TlmlError: The targets are not of the shape of the inputs, or as of `fit`.
        """
        if space.shape != tuple(x.shape[1:]):
            raise TlmlError(
                f"{self.title}: it reconstructs inputs {list(x.shape[1:])}, and the targets are "
                f"{space}; take a domain whose targets are its inputs, such as digit_vectors"
            )
        target = as_array(support.x.flatten(1))
        self._learn(target, self._source)
        rebuilt = self.rebuild(self.model(), as_array(x.flatten(1)))
        return as_given(rebuilt, x).reshape(x.shape)

    # For subclasses

    def model(self) -> Any:
        """Return what `combine` made.

        Raises:
            TlmlError: Nothing was learned yet.
        """
        if not hasattr(self, "n_features_in_"):
            raise TlmlError(f"{self.title}: nothing is learned yet; call fit(x, source_x=...)")
        return self._model

    def rows(self, x: Rows, side: str = "") -> Values:
        """Return inputs as an array.

        Args:
            x: Inputs.
            side: Whose they are, where they are to be learned from; any that the model is asked
                about must have the dimensions of those.

        Raises:
            TlmlError: They are not ``[n, d]`` with n of at least 1, not finite, or of others.
        """
        found, what = as_array(x), f"{side} inputs" if side else "inputs"
        if found.ndim != 2 or not found.size:
            raise TlmlError(
                f"{self.title}: {what} must be [n, d] with n of at least 1, are {list(found.shape)}"
            )
        check_rows(found, f"{self.title}: {what}")
        if not side and self.model() is not None and found.shape[1] != self.n_features_in_:
            raise TlmlError(
                f"{self.title}: inputs must be [n, {self.n_features_in_}], as those that it "
                f"learned, are {list(found.shape)}"
            )
        return found

    def _prepared(self, source: Values | None) -> Source | None:
        if source is None or self.prior == 0:
            return None
        return Source(self.prepare(source), source.shape[1])

    def _learn(self, x: Values, source: Source | None) -> None:
        if source is None and self.prior != 0:
            raise TlmlError(
                f"source_x: {self.title} starts from source inputs, and none were given; give "
                "them, or prior=0 to learn the target alone"
            )
        if source is not None and source.dimensions != x.shape[1]:
            raise TlmlError(
                f"{self.title}: source inputs have {source.dimensions} dimensions, target inputs "
                f"{x.shape[1]}"
            )
        if not len(x) and self.prior == 0:
            raise TlmlError("prior: 0 leaves the source out, and there are no target inputs")
        state = None if source is None else source.state
        prior = self._chosen(x, state) if self.prior is None else float(self.prior)
        self.prior_, self.n_features_in_ = prior, x.shape[1]
        self._model = self.combine(x, state, prior if len(x) else math.inf)
        self.publish(self._model, x)

    def _chosen(self, x: Values, state: Any) -> float:
        """Choose by what is held out; of equally good priors the largest."""
        if len(x) < 2:
            return math.inf
        return min(sorted(self.priors, reverse=True), key=lambda prior: self._risk(x, state, prior))

    def _risk(self, x: Values, state: Any, prior: float) -> float:
        folds = KFold(min(self.folds, len(x)), shuffle=True, random_state=self.seed)
        total = 0.0
        for known, held_out in folds.split(x):
            try:
                model = self.combine(x[known], state, prior)
            except TlmlError:  # less examples than the target alone needs
                return math.inf
            total += float(((x[held_out] - self.rebuild(model, x[held_out])) ** 2).sum())
        return total
