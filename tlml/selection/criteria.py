"""How good a trained network may be on the target, judged without a label of the target.

Each criterion is a risk: lower is better. They need examples that training did not see of the
source, with labels, and the target's inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tlml.data.domains import Domain
from tlml.data.tasks import Batch, Examples, Part, Split
from tlml.errors import TlmlError, unknown
from tlml.learners.gradient_learner import GradientLearner
from tlml.metrics.losses import criterion, mean_entropy
from tlml.networks.heads import head_inputs
from tlml.networks.modes import evaluating
from tlml.views.pair import PairView

Trained = Callable[[Domain[Any]], GradientLearner]
_CHUNK = 512
_TEMPERATURE = 0.05  # of the neighbourhoods' similarities (Saito et al. 2021, section 4)


@dataclass(frozen=True)
class ForwardPass:
    """What a network makes of examples: features ``[n, d]`` and scores ``[n, outputs]``."""

    features: Tensor
    scores: Tensor


@dataclass(frozen=True)
class Evidence:
    """What a criterion looks at.

    Args:
        source: Labelled source examples that training did not see.
        seen_source: What the network makes of them.
        target_x: Target inputs.
        seen_target: What the network makes of them.
        loss: The name of the learner's loss, or None for the one of the targets.
    """

    source: Batch
    seen_source: ForwardPass
    target_x: Tensor
    seen_target: ForwardPass
    loss: str | None


def risk(
    name: str, learner: GradientLearner, view: PairView, train: Trained | None = None
) -> float:
    """Return the risk of a trained learner by a criterion; lower is better.

    Args:
        name: One of `CRITERIA`.
        learner: What was trained.
        view: What it was trained on.
        train: Trains a learner like it on the source of another domain, for ``reverse``.

    Raises:
        TlmlError: There is no such criterion, or it asks for classes and the targets are values.
    """
    if name not in CRITERIA:
        raise unknown("criterion", name, CRITERIA)
    found = evidence(learner, view)
    if name in _OF_CLASSES and found.source.y.is_floating_point():
        raise TlmlError(
            f"criterion: {name} looks at class probabilities, and the targets are values; take "
            "source_risk, weighted_source_risk or reverse"
        )
    if name == "reverse":
        if train is None:
            raise TlmlError("criterion: reverse trains another learner; pass train=")
        return reverse_risk(found, view, train)
    return _JUDGES[name](found)


def evidence(learner: GradientLearner, view: PairView) -> Evidence:
    """Run a learner's network over held-out source examples and the target's inputs."""
    source = held_out(view)
    with learner.on_source():
        seen_source = forward_pass(learner, source.x)
    target_x = view.unlabelled_examples()
    return Evidence(
        source, seen_source, target_x, forward_pass(learner, target_x), learner.criterion
    )


def held_out(view: PairView) -> Batch:
    """Return the source examples that training does not see.

    Raises:
        TlmlError: The view has no source.
    """
    if not view.source:
        raise TlmlError("source: criteria look at held-out source examples; set source=True")
    parts = [pair.source for pair in view.val_dataloader()]
    return Batch(torch.cat([part.x for part in parts]), torch.cat([part.y for part in parts]))


@torch.no_grad()
def forward_pass(learner: GradientLearner, x: Tensor) -> ForwardPass:
    """Return features and scores of inputs, as the network predicts them."""
    network, found = learner.built(), []
    with evaluating(network):
        for chunk in torch.split(x, _CHUNK):
            with head_inputs(network) as features:
                found.append((learner.predict_now(chunk), features))
    return ForwardPass(
        torch.cat([features[0].flatten(1) for _, features in found]),
        torch.cat([scores for scores, _ in found]),
    )


def source_risk(found: Evidence) -> float:
    """Return the mean loss on source examples: says nothing of the target."""
    return float(_losses(found).mean())


def weighted_source_risk(found: Evidence) -> float:
    """Return the loss on source examples, weighted to be distributed as the target's.

    Importance-weighted validation (Sugiyama, Krauledat & Müller 2007, JMLR 8) on the network's
    features, as You et al. 2019 (ICML) apply it; the weights are those of a logistic regression
    that tells source from target.
    """
    weights = density_ratio(found.seen_source.features, found.seen_target.features)
    losses = _losses(found).double().numpy()
    return float((weights * losses).sum() / weights.sum())


def density_ratio(source: Tensor, target: Tensor) -> NDArray[np.float64]:
    """Return p(target) / p(source) at source features, by a logistic regression of the side."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows = torch.cat([source, target]).double().numpy()
    side = np.repeat([0, 1], [len(source), len(target)])
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(rows, side)
    log_odds: NDArray[np.float64] = model.decision_function(rows[: len(source)])
    ratio: NDArray[np.float64] = np.exp(log_odds) * len(source) / len(target)
    return ratio


def entropy(found: Evidence) -> float:
    """Return the mean entropy of the predictions on the target: unsure is worse.

    Sure and wrong looks good to it (Morerio, Cavazza & Murino 2018, arXiv 1711.10288).
    """
    return float(mean_entropy(found.seen_target.scores))


def neighbourhood_density(found: Evidence) -> float:
    """Return the negative soft neighbourhood density (Saito et al. 2021, arXiv 2108.10257).

    Predictions on the target that lie in dense groups are better; equations 1 and 2 there.
    """
    shares = torch.nn.functional.normalize(found.seen_target.scores.softmax(1))
    similar = shares @ shares.T / _TEMPERATURE
    similar.fill_diagonal_(-torch.inf)
    neighbours = similar.softmax(1)
    return float(torch.special.entr(neighbours).sum(1).mean().neg())


def reverse_risk(found: Evidence, view: PairView, train: Trained) -> float:
    """Return how badly a learner does on the source that is trained on predictions for the target.

    Reverse validation (Zhong et al. 2010, ECML; Ganin et al. 2016, section 5.1.3): what was lost on
    the way to the target can't come back.
    """
    scores = found.seen_target.scores
    guessed = scores if found.source.y.is_floating_point() else scores.argmax(1)
    domain = ReversedDomain(view, Examples(found.target_x, guessed), Examples(*found.source))
    back = forward_pass(train(domain), found.source.x)
    return source_risk(Evidence(found.source, back, found.target_x, back, found.loss))


@dataclass(frozen=True)
class _Side:
    name: str
    parts: Mapping[Part, Examples]

    def split(self, part: Part) -> Examples:
        return self.parts[part]


class ReversedDomain(Domain[_Side]):
    """The target with predicted labels as source, and the source as target.

    Args:
        view: Of the domain to turn round.
        source: Target inputs with predicted labels.
        target: Labelled source examples.
    """

    def __init__(self, view: PairView, source: Examples, target: Examples) -> None:
        self.x, self.y = view.spaces.x, view.spaces.y
        none = Examples(source.x[:0], source.y[:0])
        known: dict[Part, Examples] = {"train": source, "val": none, "test": none}
        asked: dict[Part, Examples] = {"train": target, "val": none, "test": target}
        self._tasks = {"source": [_Side("target", known)], "target": [_Side("source", asked)]}

    def tasks(self, split: Split) -> Sequence[_Side]:
        """Return the one task of a split; there is none for validation."""
        return self._tasks.get(split, [])


def _losses(found: Evidence) -> Tensor:
    def one(scores: Tensor, y: Tensor) -> Tensor:
        return criterion(scores[None], y[None], found.loss)

    y = found.source.y
    y = y.to(found.seen_source.scores.dtype) if y.is_floating_point() else y
    each: Tensor = torch.func.vmap(one)(found.seen_source.scores, y)
    return each


_JUDGES: Mapping[str, Callable[[Evidence], float]] = MappingProxyType(
    {
        "source_risk": source_risk,
        "weighted_source_risk": weighted_source_risk,
        "entropy": entropy,
        "neighbourhood_density": neighbourhood_density,
    }
)
CRITERIA = (*_JUDGES, "reverse")
_OF_CLASSES = frozenset({"entropy", "neighbourhood_density"})
