"""TrAdaBoost (Dai, Yang, Xue & Yu 2007, doi 10.1145/1273496.1273521), and its R2 for values.

TrAdaBoost.R2: Pardoe & Stone 2010 (ICML). More than two classes as in SAMME: Zhu, Zou, Rosset &
Hastie 2009, doi 10.4310/SII.2009.v2.n3.a8.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

import torch
from gymnasium.spaces import Discrete
from torch import Tensor

from tlml import Batch, Strategy, TlmlError
from tlml.errors import check_choice, check_not_negative, check_positive
from tlml.learners import MODELS, fit_predict, make_model
from tlml.strategies import effective_sample_size
from tlml_transfer.rows import as_array, check_rows

_NEAR_ZERO = 1e-10  # an error of 0 would have an infinite say


class Tradaboost(Strategy):
    """Boost a model on source and labelled target, and drop the source examples that mislead.

    In each round the target examples that the model gets wrong gain weight, as in AdaBoost, and the
    source examples that it gets wrong lose weight: they are least like the target. The later half
    of the rounds votes. Values are learned by TrAdaBoost.R2: losses are errors over the largest
    one, and the estimate is the weighted median. A round that is no better on the target than
    chance has no say.

    After an estimate, `effective_sample_size` is that of the source in the last round.

    Args:
        rounds: N, the models that are trained one after the other.
        model: ``svm``, ``linear`` (logistic or ridge regression) or ``tree``.
        model_options: Options of the model in scikit-learn; for trees a depth of 3 where None, for
            one that errs nowhere changes no weight.
        seed: The key of what the models draw.

    Raises:
        TlmlError: An option is out of range, or the model has no such option.
    """

    uses_target_x: ClassVar[bool] = False

    def __init__(
        self,
        rounds: int = 50,
        model: Literal["svm", "linear", "tree"] = "tree",
        model_options: dict[str, Any] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_positive(rounds=rounds)
        check_choice("model", model, MODELS)
        check_not_negative(seed=seed)
        default = {"max_depth": 3} if model == "tree" else {}
        self.model_options = default if model_options is None else dict(model_options)
        self.rounds, self.model, self.seed = rounds, model, seed
        for classes in (True, False):
            make_model(model, classes, self.model_options, seed)
        self._source: Batch | None = None

    def learn(self, source: Batch, target_x: Tensor) -> None:
        """Keep the source examples; target inputs without labels say nothing here."""
        self._source = source

    def estimate(self, support: Batch, x: Tensor, space: Any) -> Tensor:
        """Return the votes for each class ``[n, classes]``, in shares, or values ``[n, d]``.

        Raises:
            TlmlError: There is no source, no labelled target, one that is not finite, or they have
                labels of two kinds.
        """
        source = self._checked(support, space)
        known = Batch(
            torch.cat([source.x, support.x]).flatten(1).double(), torch.cat([source.y, support.y])
        )
        asked, n = x.flatten(1).double(), len(source.x)
        weights = torch.ones(len(known.x), dtype=torch.float64)
        answers, says = [], []
        for _ in range(self.rounds):
            found = self._answers(known, weights, asked, space)
            losses = _losses(found[: len(known.x)], known.y)
            say, weights = reweigh(weights, losses, n, self.rounds, _kinds(space))
            answers.append(found[len(known.x) :])
            says.append(say)
        self.effective_sample_size = effective_sample_size(weights[:n])
        # Of N rounds ⌈N/2⌉ to N, counted from 1.
        late = slice((self.rounds + 1) // 2 - 1, None)
        return _vote(
            torch.stack(answers[late]), torch.tensor(says[late], dtype=torch.float64), space
        ).to(x)

    def _answers(self, known: Batch, weights: Tensor, asked: Tensor, space: Any) -> Tensor:
        """Train a model and return what it says of what is known, and of what is asked."""
        model = make_model(self.model, isinstance(space, Discrete), self.model_options, self.seed)
        # Of mean 1, for scikit-learn's penalties are relative to the sum.
        found = fit_predict(
            model, known, weights / weights.mean(), torch.cat([known.x, asked]), space
        )
        return found.argmax(1) if isinstance(space, Discrete) else found

    def _checked(self, support: Batch, space: Any) -> Batch:
        if self._source is None:
            raise TlmlError("tradaboost: has no source examples; call learn(source, target_x)")
        if not len(support.x):
            raise TlmlError(
                "tradaboost: needs labelled target examples, and there are none; set shots above 0"
            )
        for side, own in (("source", self._source), ("target", support)):
            check_rows(as_array(own.x), f"tradaboost: {side} inputs")
        labels = self._source.y
        values = labels.is_floating_point()
        fits = labels.shape[1:] == support.y.shape[1:] and values == support.y.is_floating_point()
        if not fits or (not values and int(labels.max()) >= _kinds(space)):
            raise TlmlError(
                f"tradaboost: source and target must have the same labels; the source's are not of "
                f"the target's {space}"
            )
        return self._source


def reweigh(
    weights: Tensor, losses: Tensor, n: int, rounds: int, kinds: int
) -> tuple[float, Tensor]:
    """Return the say of a round and the weights of the next (figure 1 of Dai et al., 3 to 5).

    Args:
        weights: Of source and target, the source first, ``[n + m]``.
        losses: Of each example, in [0, 1].
        n: How many are of the source.
        rounds: N.
        kinds: Classes; 2 for values.
    """
    chance = 1 - 1 / kinds
    error = float((weights[n:] * losses[n:]).sum() / weights[n:].sum())
    error = min(max(error, _NEAR_ZERO), chance)
    say = math.log((1 - error) / error) + math.log(kinds - 1)  # −log β_t; SAMME's equation (c)
    forget = math.log1p(math.sqrt(2 * math.log(n) / rounds))  # −log β
    factors = torch.cat([-forget * losses[:n], say * losses[n:]]).exp()
    return say, weights * factors


def _losses(found: Tensor, y: Tensor) -> Tensor:
    """Return 1 where a class is wrong, or how far off values are over the farthest."""
    if not y.is_floating_point():
        return (found != y).double()
    distances: Tensor = torch.linalg.vector_norm((found - y).reshape(len(y), -1), dim=1)
    return distances / distances.max().clamp_min(_NEAR_ZERO)


def _vote(answers: Tensor, says: Tensor, space: Any) -> Tensor:
    """Return the shares of votes ``[n, classes]``, or weighted medians ``[n, ...]``."""
    says = torch.where(says.sum() > 0, says, torch.ones_like(says))
    says = says / says.sum()
    if isinstance(space, Discrete):
        votes = torch.nn.functional.one_hot(answers, int(space.n)).double()
        return torch.einsum("t,tnc->nc", says, votes)
    ordered, places = answers.sort(0)
    below = says[places].cumsum(0) < 0.5 - 1e-12
    return ordered.gather(0, below.sum(0, keepdim=True))[0]


def _kinds(space: Any) -> int:
    return int(space.n) if isinstance(space, Discrete) else 2
