"""Supervised pretraining on pooled source tasks, target examples beside (Pan & Yang 2010)."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from tlml import Context, GradientLearner, Pair, PairView, Strategy, TlmlError, View
from tlml.data import Batch, tell_raw_units
from tlml.errors import DivergedError
from tlml.metrics import criterion
from tlml.networks import evaluating, has_batchnorm, head_inputs
from tlml.strategies import has_terms, overrides, weigh_source, weights_of
from tlml_transfer.source_statistics import SourceStatistics


class Supervised(GradientLearner):
    """Train a network on all source tasks pooled, and on labelled target examples if there are.

    The view decides what is beside the source (`PairView`: `shots`, `unlabelled`), and whether
    its classes are drawn equally often (`balanced`). The strategy's weights and loss terms take
    part; its phases act when adapting only.

    Args:
        network: ``auto`` (by the inputs), a registered network, a class path, or a module.
        strategy: What weighs and aligns in training, and adapts unless a test names another.
        network_options: Options of the named network.
        lr: Learning rate of training.
        optimizer: Optimiser of training: ``adam``, ``adamw`` or ``sgd``.
        weight_decay: Weight decay of training.
        momentum: Momentum of ``sgd``.
        fused: Step all parameters by one operation, which is quicker and changes last digits.
        loss: ``cross_entropy``, ``mse``, ``l1``, ``huber``, ``smooth_l1`` or ``bce``; by the
            targets where None (integers: cross-entropy, floats: mean squared error).
        batchnorm: Statistics that BatchNorm uses on a target task: as ``stored`` in training, or
            the ``batch``'s (transductive).
        separate_batchnorm: Store statistics of source and target apart, where both are trained
            on: predictions use those of the target, validation on source examples those of the
            source. Weights and biases of BatchNorm are shared.
        seed: The key of the initialisation.
        spaces: Input and target space as plain data, as checkpoints hold them.

    Raises:
        TlmlError: An option is out of range, or the network does not fit the view.
    """

    view_type: ClassVar[type[View]] = PairView
    source_statistics: SourceStatistics | None

    def __init__(
        self,
        network: str | nn.Module = "auto",
        strategy: Strategy | str | dict[str, Any] | None = "full",
        *,
        network_options: dict[str, Any] | None = None,
        lr: float = 1e-3,
        optimizer: Literal["adam", "adamw", "sgd"] = "adam",
        weight_decay: float = 0.0,
        momentum: float = 0.9,
        fused: bool = False,
        loss: str | None = None,
        batchnorm: Literal["batch", "stored"] = "stored",
        separate_batchnorm: bool = False,
        seed: int = 0,
        spaces: dict[str, Any] | None = None,
    ) -> None:
        self.separate_batchnorm = separate_batchnorm  # before the network is built
        super().__init__(
            network,
            strategy,
            network_options=network_options,
            lr=lr,
            optimizer=optimizer,
            weight_decay=weight_decay,
            momentum=momentum,
            fused=fused,
            loss=loss,
            batchnorm=batchnorm,
            seed=seed,
            spaces=spaces,
        )
        self._weights: Tensor | None = None

    def check(self, view: View) -> None:
        """Raise where the view doesn't fit the strategy.

        Raises:
            TlmlError: There are no labels, the labelled target's are not the source's, or the
                strategy aligns and there is no target.
        """
        name = type(self.strategy).__name__
        if not isinstance(view, PairView):
            return
        if has_terms(self.strategy, "fit"):
            _check_both_sides(view, f"unlabelled: {name} compares")
        if self.separate_batchnorm:
            _check_both_sides(view, "separate_batchnorm: stores statistics of")
        if not (view.source or view.shots):
            raise TlmlError(
                "source: the view has no labels, and supervised learns from them; set source=True "
                "or shots above 0"
            )
        if view.source and view.shots:
            _check_labels(view)
        elif self.strategy.same_labels:
            _check_same_labels(view, name)

    def on_fit_start(self) -> None:
        """Check the view, and weigh the source examples, where the strategy does so."""
        super().on_fit_start()
        if self.strategy.every == "fit":
            self._weigh()

    def on_train_epoch_start(self) -> None:
        """Weigh them by the features as they are now, where the strategy does so."""
        if self.strategy.every == "epoch":
            self._weigh()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the weights: in the middle of an epoch they can't be found again."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["weights"] = self._weights

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take up the weights of a training that goes on."""
        super().on_load_checkpoint(checkpoint)
        weights = checkpoint.get("weights")
        if weights is not None and overrides(self.strategy, "weigh_samples"):
            self._weights = weights_of(weights, len(weights), self.strategy)

    def training_step(self, batch: Pair, batch_idx: int) -> Tensor:
        """Return the loss on source and labelled target, and the strategy's terms."""
        source, target, unlabelled, index = batch
        aligns = has_terms(self.strategy, "fit")
        looks = len(unlabelled) and (aligns or self.separate_batchnorm)
        free = unlabelled if looks else unlabelled[:0]
        (features_s, logits_s), of_labelled, of_free = self._passes(source.x, target.x, free)
        losses: dict[str, Tensor] = {}
        if len(source.x):
            losses["source"] = self._source_loss(logits_s, source.y, index)
        if len(target.x):
            losses["target"] = criterion(of_labelled[1], self._like(target.y), self.criterion)
        if aligns:
            features_t, logits_t = of_free if len(free) else of_labelled
            free = free if len(free) else target.x
            losses |= self.strategy.terms(
                Context(
                    source.x, free, features_s, features_t, logits_s, logits_t,
                    self._progress(), self.built(), source.y,
                )
            )  # fmt: skip
        loss = torch.stack(list(losses.values())).sum()
        self._check(loss, batch)
        named: dict[str, Tensor | float] = {
            f"train_{name}_loss": value.detach() for name, value in losses.items()
        }
        named |= {"train_loss": loss.detach(), **self._sample_size()}
        self.log_sparsely(named, batch_size=max(len(source.x), 1))
        return loss

    def predict_now(self, x: Tensor) -> Tensor:
        """Predict with the network as it is."""
        scores: Tensor = self.built()(self._like(x))
        return scores

    def on_source(self) -> AbstractContextManager[None]:
        """Let BatchNorm use and store what is of the source, where that is kept apart."""
        apart = self.source_statistics
        return nullcontext() if apart is None else apart.of(self.built())

    def _build(self, network: nn.Module) -> None:
        super()._build(network)
        self.source_statistics = SourceStatistics(network) if self.separate_batchnorm else None

    def _source_loss(self, logits: Tensor, y: Tensor, index: Tensor) -> Tensor:
        y = self._like(y)
        if self._weights is None:
            return criterion(logits, y, self.criterion)
        each = torch.func.vmap(self._one_loss)(logits, y)
        weights = self._weights[index].to(each)
        return (weights * each).mean()

    def _one_loss(self, logits: Tensor, y: Tensor) -> Tensor:
        return criterion(logits[None], y[None], self.criterion)

    def _passes(self, source: Tensor, *target: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return features and logits of each side; the features are what the head sees.

        One forward pass serves all sides, unless BatchNorm would mix them or the head sees other
        rows than one for each example.
        """
        sides = [side for side in (source, *target) if len(side)]
        found = [] if has_batchnorm(self.built()) or len(sides) < 2 else self._together(sides)
        if not found:
            with self.on_source():
                found = [self._pass(source)] if len(source) else []
            found += [self._pass(side) for side in sides[len(found) :]]
        passed = iter(found)
        return [next(passed) if len(side) else (side, side) for side in (source, *target)]

    def _together(self, sides: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
        features, logits = self._pass(torch.cat(sides))
        if len(features) != len(logits):
            return []
        sizes = [len(side) for side in sides]
        return list(zip(torch.split(features, sizes), torch.split(logits, sizes), strict=True))

    def _pass(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if not has_terms(self.strategy, "fit"):  # nothing looks at features
            logits = self.built()(self._like(x))
            return logits, logits
        with head_inputs(self.built()) as seen:
            logits = self.built()(self._like(x))
        return seen[0], logits

    def _weigh(self) -> None:
        view = self.current_view()
        if not overrides(self.strategy, "weigh_samples") or not isinstance(view, PairView):
            return
        examples = view.source_examples()
        source, target_x = Batch(examples.x, examples.y), _target_inputs(view)
        if self.strategy.every == "epoch":
            with self.on_source():
                source = Batch(self._features(source.x, view.batch_size), source.y)
            target_x = self._features(target_x, view.batch_size)
        self._weights = weigh_source(self.strategy, source, target_x)

    def _features(self, x: Tensor, size: int) -> Tensor:
        """Return what the head sees of each input ``[n, d]``, in parts, as in a prediction."""
        network = self.built()
        with torch.no_grad(), evaluating(network), head_inputs(network) as seen:
            for part in torch.split(x, size):
                network(self._like(part))
        return torch.cat(seen).flatten(1)

    def _sample_size(self) -> dict[str, Tensor | float]:
        size = self.strategy.effective_sample_size
        return {} if size is None else {"train_effective_sample_size": size}

    def _progress(self) -> float:
        total = self.trainer.estimated_stepping_batches
        return min(self.global_step / total, 1.0) if total not in (0, float("inf")) else 0.0

    def _check(self, loss: Tensor, batch: Pair) -> None:
        if not bool(torch.isfinite(loss)):
            view = self.current_view()
            seen = batch.source if len(batch.source.x) else batch.target
            raise DivergedError(
                f"supervised: the loss is {loss.item()} in step {self.global_step}; lower lr "
                f"({self.lr}){tell_raw_units(seen, view.domain if view else None)}"
            )


def _check_both_sides(view: PairView, what: str) -> None:
    if not (view.unlabelled or view.shots):
        raise TlmlError(
            f"{what} source and target, and the view has no target examples; set unlabelled=True "
            "(or shots above 0)"
        )


def _target_inputs(view: PairView) -> Tensor:
    """Return the target inputs that a view gives: the labelled ones where there are no others."""
    if view.unlabelled:
        return view.unlabelled_examples()
    return view.drawn().episode.support.x if view.shots else view.source_examples().x[:0]


def _check_labels(view: PairView) -> None:
    if not view.spaces.same_labels(view.target_spaces):
        raise TlmlError(
            f"shots: {_difference(view)}, so one head can't learn both; take shots=0 and adapt on "
            "an EpisodeView"
        )


def _check_same_labels(view: PairView, strategy: str) -> None:
    if not view.spaces.same_labels(view.target_spaces):
        raise TlmlError(
            f"{strategy}: {_difference(view)}, and it looks at the target by the source's; take a "
            "strategy that compares features alone, such as mmd"
        )


def _difference(view: PairView) -> str:
    source, target = view.spaces, view.target_spaces
    return (
        f"the target's labels ({target.y}, of its {target.labels}) are not the source's "
        f"({source.y}, of the {source.labels})"
    )
