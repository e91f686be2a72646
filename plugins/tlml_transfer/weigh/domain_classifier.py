"""Weights by a classifier of source against target (Bickel, Brückner & Scheffer 2009, JMLR 10)."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np

from tlml import TlmlError
from tlml.errors import check_choice, check_not_negative, check_positive
from tlml_transfer.rows import Values
from tlml_transfer.weigh.weighing import Weighing


class DomainClassifier(Weighing):
    """Weigh the source by the odds of being target: p(target | x) / p(source | x) · n / m.

    The odds are those of a logistic regression on standardised inputs. By Bayes' rule they are the
    ratio of the densities, if its logarithm is linear in the inputs, as for normal distributions of
    equal covariance (`degree` 1), or quadratic, as for any normal distributions (2).

    Args:
        degree: 1, or 2 to take squares and products of the inputs as well.
        penalty: λ, the penalty of squared coefficients (scikit-learn's 1/C).
        folds: Weigh each part of the source by a classifier that was trained on the others; 0 for
            one classifier of all, which rates the examples that it has seen.
        clip: The largest weight, if any.
        every: ``fit``: once, by the inputs; ``epoch``: before each epoch, by the features that the
            network has by then, in the learner `supervised`.
        seed: The key of the division into parts.
        **options: Those of `tlml.Strategy`, for adapting later.

    Raises:
        TlmlError: An option is out of range.
    """

    title: ClassVar[str] = "domain_classifier"

    def __init__(
        self,
        degree: int = 1,
        penalty: float = 1.0,
        folds: int = 0,
        clip: float | None = None,
        every: Literal["fit", "epoch"] = "fit",
        seed: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if degree not in (1, 2):
            raise TlmlError(f"degree: must be 1 or 2, is {degree}")
        check_choice("every", every, ("fit", "epoch"))
        check_positive(penalty=penalty, clip=clip)
        check_not_negative(seed=seed)
        if folds < 0 or folds == 1:
            raise TlmlError(f"folds: must be 0 or at least 2, is {folds}")
        self.degree, self.penalty, self.folds, self.clip = degree, penalty, folds, clip
        self.every, self.seed = every, seed

    def ratios(self, source: Values, target: Values) -> Values:
        """Return the odds, times n / m.

        Raises:
            TlmlError: A side has less examples than `folds`.
        """
        n, m = len(source), len(target)
        if min(n, m) < self.folds:
            raise TlmlError(f"folds={self.folds}, but a side has only {min(n, m)} inputs")
        log_odds = self._log_odds(np.concatenate([source, target]), np.arange(n + m) >= n)[:n]
        found: Values = np.exp(log_odds) * n / m
        return found if self.clip is None else found.clip(max=self.clip)

    def _log_odds(self, x: Values, is_target: Any) -> Values:
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import StratifiedKFold, cross_val_predict
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import PolynomialFeatures, StandardScaler

        model = make_pipeline(
            PolynomialFeatures(self.degree, include_bias=False),
            StandardScaler(),
            LogisticRegression(C=1 / self.penalty, max_iter=1000, tol=1e-6),
        )
        if not self.folds:
            found: Values = model.fit(x, is_target).decision_function(x)
            return found
        parts = StratifiedKFold(self.folds, shuffle=True, random_state=self.seed)
        found = cross_val_predict(model, x, is_target, cv=parts, method="decision_function")
        return found
