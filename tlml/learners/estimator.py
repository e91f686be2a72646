"""The learner without a network: a strategy's closed form, or a scikit-learn model."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete, Space
from numpy.typing import NDArray
from torch import Tensor

from tlml.data.tasks import Batch, Pair
from tlml.errors import TlmlError, check_choice
from tlml.learners.adapter import TargetAdapter
from tlml.learners.evaluation import from_all_ranks
from tlml.learners.learner import Learner
from tlml.networks.named_tensors import NamedBuffers
from tlml.strategies.strategy import Strategy, overrides
from tlml.strategies.weights import weigh_source
from tlml.views.base import View
from tlml.views.pair import PairView

Values = NDArray[np.float64]
MODELS = ("linear", "svm", "tree")
_HOOKS = ("estimate", "fit_transform", "weigh_samples")


class Estimator(Learner):
    """Predicts a task from its support and from source examples, without a network.

    Training keeps the source examples of one pass, and the target inputs that the view gives
    without labels. On a task, a strategy that has `estimate` predicts by itself. Any other maps or
    weighs the source examples, and a scikit-learn model is trained on them and on the support;
    where the task's labels are not the source's, on the mapped support alone. Where the view gave
    no target inputs, those of support and query take their place (transductive, named in results).
    Without training and a strategy, the model is trained on the support: no transfer.

    Args:
        strategy: What estimates, maps or weighs; None: the model as it is, without transfer.
        model: ``svm``, ``linear`` (logistic or ridge regression) or ``tree``.
        model_options: Options of the model in scikit-learn.
        seed: The key of what model and strategy draw.
        spaces: Input and target space as plain data, as checkpoints hold them.

    Raises:
        TlmlError: The strategy does none of this, or the model has no such option.
    """

    view_type: ClassVar[type[View]] = PairView

    def __init__(
        self,
        strategy: Strategy | str | dict[str, Any] | None = None,
        *,
        model: Literal["svm", "linear", "tree"] = "svm",
        model_options: dict[str, Any] | None = None,
        seed: int = 0,
        spaces: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(strategy=strategy, seed=seed, spaces=spaces)
        check_choice("model", model, MODELS)
        self.model, self.model_options = model, dict(model_options or {})
        for classes in (True, False):
            make_model(model, classes, self.model_options, seed)
        _check_serves(self.strategy)
        self.strategy.claim(None)
        self.automatic_optimization = False
        self.kept = NamedBuffers()
        self._pass: list[Pair] = []
        # Who has learned from what is kept; in a tuple, where torch takes it for no part of this.
        self._met: tuple[Strategy, ...] = ()
        self._source_z = torch.zeros(0)  # what it mapped the source to
        self._weighing: tuple[Strategy, ...] = ()  # who has weighed what is kept
        self._source_weights = torch.ones(0)

    # Training: one pass over the source

    def training_step(self, batch: Pair, batch_idx: int) -> None:
        """Note the source examples."""
        self._pass.append(batch)

    def on_validation_start(self) -> None:
        """Keep what was seen: Lightning validates before it ends the epoch."""
        self._keep()

    def on_train_epoch_end(self) -> None:
        """Keep what was seen and stop: one epoch is all there is to see."""
        super().on_train_epoch_end()
        self._keep()
        self.trainer.should_stop = True

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Nothing is optimised; Lightning warns of None."""
        return []

    def _keep(self) -> None:
        """Put what all processes saw into the order of the data set."""
        if not self._pass:
            return
        parts = from_all_ranks(
            [(pair.source.x.cpu(), pair.source.y.cpu(), pair.index.cpu()) for pair in self._pass]
        )
        self._pass = []
        x, y, index = (torch.cat(values) for values in zip(*parts, strict=True))
        order = index.argsort(stable=True)
        self.kept["x"], self.kept["y"] = x[order], y[order]
        view = self.current_view()
        if isinstance(view, PairView) and view.unlabelled:
            self.kept["target_x"] = view.unlabelled_examples()
        self._met = self._weighing = ()

    # Predicting

    def transductive(self, strategy: Strategy) -> bool:
        """Say whether a strategy looks at target inputs that each task has to bring."""
        hooks = ("learn",) if overrides(strategy, "estimate") else _HOOKS[1:]
        uses = strategy.uses_target_x and any(overrides(strategy, hook) for hook in hooks)
        return uses and "target_x" not in self.kept

    def predict(self, support: Batch, x: Tensor) -> Tensor:
        """Return the strategy's or the model's estimate of the targets of `x`."""
        return self._predict_with(self.strategy, self._space(support), True, support, x)

    def predict_by(self, adapter: TargetAdapter, support: Batch, x: Tensor) -> Tensor:
        """Return the estimate of a test's strategy, or of the model as it maps and weighs."""
        same = adapter.same_labels
        return self._predict_with(adapter.strategy, adapter.space, same, support, x)

    def _predict_with(
        self, strategy: Strategy, space: Space[Any], same: bool, support: Batch, x: Tensor
    ) -> Tensor:
        target_x = self.kept.get("target_x", torch.cat([support.x, x]))
        if overrides(strategy, "estimate"):
            self._introduce(strategy, target_x)
            return torch.as_tensor(strategy.estimate(support, x, space))
        return self._predict_by_model(strategy, support, x, target_x, space, same)

    def predict_now(self, x: Tensor) -> Tensor:
        """Predict from the source examples alone."""
        return self.predict(Batch(x[:0], self.kept["y"][:0]), x)

    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
        """Measure a batch of validation tasks; an estimate needs a support, and a pair has none."""
        if isinstance(batch, Pair) and (overrides(self.strategy, "estimate") or not self.kept):
            return None
        return super().validation_step(batch, batch_idx, dataloader_idx)

    def _introduce(self, strategy: Strategy, target_x: Tensor) -> None:
        """Let a strategy learn from what is kept: once, unless every task brings target inputs."""
        if not overrides(strategy, "learn") or not strategy.uses_source:
            return
        if strategy not in self._met or self.transductive(strategy):
            strategy.learn(self._source(strategy), target_x)
            self._met = (strategy,)

    def _source(self, strategy: Strategy) -> Batch:
        if not self.kept:
            raise TlmlError(
                f"estimator: {type(strategy).__name__} carries over from source examples, and none "
                "were kept; fit the learner first: trainer.fit(learner, learner.view(domain))"
            )
        return Batch(self.kept["x"], self.kept["y"])

    def _predict_by_model(
        self, strategy: Strategy, support: Batch, x: Tensor, target_x: Tensor, space: Space[Any],
        same: bool,
    ) -> Tensor:  # fmt: skip
        known, weights = Batch(_flat(support.x), support.y), torch.ones(len(support.x))
        asked = _flat(x)
        if self.kept or type(strategy) is not Strategy:
            source = self._source(strategy)
            mapped = self._map(strategy, source, target_x)
            known, asked = Batch(strategy.transform(known.x), known.y), strategy.transform(asked)
        if self.kept and same:
            weights = torch.cat([self._weights(strategy, source, target_x), weights])
            known = Batch(torch.cat([mapped, known.x]), torch.cat([source.y, known.y]))
        if not len(known.x):
            raise TlmlError(
                "shots: 0 labelled examples, and no source examples whose labels are the task's: "
                "there is nothing to predict from"
            )
        model = make_model(self.model, isinstance(space, Discrete), self.model_options, self.seed)
        return fit_predict(model, known, weights, asked, space).float().to(x.device)

    def _map(self, strategy: Strategy, source: Batch, target_x: Tensor) -> Tensor:
        """Return the source mapped: once, unless every task brings target inputs."""
        if strategy not in self._met or "target_x" not in self.kept:
            self._source_z, _ = strategy.fit_transform(_flat(source.x), _flat(target_x))
            self._met = (strategy,)
        return self._source_z.to(target_x.device)

    def _weights(self, strategy: Strategy, source: Batch, target_x: Tensor) -> Tensor:
        """Weigh what is kept: once, unless every task brings target inputs."""
        if strategy not in self._weighing or self.transductive(strategy):
            found = weigh_source(strategy, source, target_x)
            self._source_weights = torch.ones(len(source.x)) if found is None else found.cpu()
            self._weighing = (strategy,)
        return self._source_weights

    def _space(self, support: Batch) -> Space[Any]:
        if self.view_spaces is not None:
            return self.view_spaces.y
        # Without a view the support is all there is; it may lack a class.
        if support.y.is_floating_point():
            return Box(-np.inf, np.inf, tuple(support.y.shape[1:]))
        return Discrete(int(support.y.max()) + 1)


def make_model(name: str, classes: bool, options: Mapping[str, Any], seed: int) -> Any:
    """Make the scikit-learn model that a name means for classes or for values.

    Raises:
        TlmlError: It has no such option.
    """
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.svm import SVC, SVR
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    kinds = {
        "svm": (SVC, SVR),
        "linear": (LogisticRegression, Ridge),
        "tree": (DecisionTreeClassifier, DecisionTreeRegressor),
    }
    kind = kinds[name][not classes]
    takes = inspect.signature(kind).parameters
    for option in options:
        if not any(option in inspect.signature(each).parameters for each in kinds[name]):
            raise TlmlError(
                f"model_options: {option}: no such option of {kind.__name__}; there are "
                f"{', '.join(sorted(takes))}"
            )
    own = {key: value for key, value in options.items() if key in takes}
    made = kind(**own)
    if "random_state" not in own and hasattr(made, "random_state"):
        made.random_state = seed  # SVR draws, too, and takes no such option
    return made


def fit_predict(
    model: Any, known: Batch, weight: Tensor, asked: Tensor, space: Space[Any]
) -> Tensor:
    """Train a model and return class scores ``[n, classes]`` or values ``[n, d]`` of `asked`."""
    rows, labels, queries = (part.double().cpu().numpy() for part in (*known, asked))
    weights = weight.numpy()
    if not isinstance(space, Discrete):
        shape = (len(queries), *(space.shape or ()))
        columns = labels.reshape(len(labels), -1).T
        values = [model.fit(rows, own, sample_weight=weights).predict(queries) for own in columns]
        return torch.from_numpy(np.stack(values, 1).reshape(shape))
    kinds = np.unique(labels)
    scores = np.ones((len(queries), 1))
    if len(kinds) > 1:
        scores = _scores(model.fit(rows, labels.astype(int), sample_weight=weights), queries)
    # A class without examples is less likely than all that have some.
    full = np.full((len(queries), int(space.n)), scores.min() - 10.0)
    full[:, kinds.astype(int)] = scores
    return torch.from_numpy(full)


def _scores(model: Any, x: Values) -> Values:
    if not hasattr(model, "decision_function"):
        shares: Values = np.log(np.clip(model.predict_proba(x), 1e-12, None))
        return shares
    found: Values = model.decision_function(x)
    return np.stack([-found, found], 1) / 2 if found.ndim == 1 else found


def _flat(x: Tensor) -> Tensor:
    return x.flatten(1).double()


def _check_serves(strategy: Strategy) -> None:
    if type(strategy) is Strategy or any(overrides(strategy, hook) for hook in _HOOKS):
        return
    raise TlmlError(
        f"strategy {type(strategy).__name__}: it has none of estimate(), fit_transform() and "
        "weigh_samples(), by which the learner estimator transfers (tlml info estimator)"
    )
