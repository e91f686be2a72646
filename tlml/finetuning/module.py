"""Adapt a learner to one target task in a Trainer, by as many steps as the Trainer takes."""

from __future__ import annotations

import copy
from contextlib import nullcontext
from functools import partial
from typing import Any, Literal

import torch
from gymnasium.spaces import Box, Discrete
from pytorch_lightning import Callback, LightningModule
from torch import Tensor, nn

from tlml.data.raw_units import tell_raw_units
from tlml.data.spaces import outputs, same_space
from tlml.data.tasks import SPLITS, Pair, Params
from tlml.errors import DivergedError, TlmlError, check_choice
from tlml.finetuning.callback import PhaseCallback, attach, begin, param_groups, progress, start_at
from tlml.finetuning.phase_switch import own_parameters
from tlml.learners.adapter import TargetAdapter, takes_new_head
from tlml.learners.gradient_learner import GradientLearner
from tlml.learners.keyed_draws import KeyedDraws
from tlml.learners.learner import Learner, as_strategy
from tlml.learners.run_log import log_measured
from tlml.metrics.losses import criterion, mean_entropy
from tlml.networks.batchnorm import Policy, statistics
from tlml.networks.build import zeros
from tlml.networks.heads import check_head, head_for, last_linear
from tlml.networks.network import Network
from tlml.networks.parameters import fresh_parameters
from tlml.recorded import plain
from tlml.strategies.context import Context
from tlml.strategies.loss_terms import Pass, features_with, of_target, passes
from tlml.strategies.optimiser import make_optimizer
from tlml.strategies.strategy import Strategy, has_terms
from tlml.views.base import ViewSpaces
from tlml.views.contract import Measurement, judge
from tlml.views.pair import PairView

KEY = "tlml_adaptation"  # what a checkpoint holds beside the learner's own form, to resume by


class Adaptation(LightningModule):
    """A learner on its way to a target task: its network trained by a strategy on a `PairView`.

    The labelled target is learned from, the strategy's loss terms see source and unlabelled target
    where the view gives them, and the query is what a test measures. Checkpoints are
    the adapted learner's: `tlml.load` reads them. A learner that normalises by the statistics of
    its batch goes on doing so; in all others BatchNorm does as the strategy's phases say, and stays
    as it was trained where the strategy's `batchnorm` is ``stored``.

    Args:
        learner: What is adapted, in place.
        strategy: What adapts; a copy of the learner's own where None.
        head: Keep the learner's head or begin with a new one of zeros; kept where None and the
            target's labels mean what they meant in training.

    Raises:
        TlmlError: The learner has no network.
    """

    def __init__(
        self,
        learner: Learner,
        strategy: Strategy | str | dict[str, Any] | None = None,
        head: Literal["kept", "new"] | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(learner, GradientLearner):
            raise TlmlError(
                f"{type(learner).__name__} has no network to adapt; test it on an EpisodeView"
            )
        if head is not None:
            check_choice("head", head, ("kept", "new"))
        self.learner = learner
        self.strategy = (
            copy.deepcopy(learner.strategy) if strategy is None else as_strategy(strategy)
        )
        self.head = head
        self._ready = self._begun = False
        self.save_hyperparameters({"learner": plain(learner), "strategy": plain(self.strategy)})

    # Setting up

    def configure_model(self) -> None:
        """Fit the head to the target, attach the strategy and start where it says."""
        if self._ready:
            return
        view = self._view()
        self._check_unlabelled(view)
        spaces = view.target_spaces
        if self.learner.view_spaces is None:
            self.learner.meet(spaces)
        new = self._head_is_new(spaces)
        if new or self.strategy.needs_head:
            check_head(self.network, zeros(spaces.x, self.network))
        if new:
            replace_head(self.learner, spaces)
        self._attach()
        key = (self.learner.seed, view.episode_seed, SPLITS.index("target"), view.episode)
        start_at(self.network, self.strategy, lambda: self._fresh(key, new))
        self._ready = True

    def configure_callbacks(self) -> list[Callback]:
        """Run the strategy's phases, and key draws, once in each Trainer."""
        there: list[Callback] = self.trainer.callbacks  # type: ignore[attr-defined]
        phased = [callback for callback in there if isinstance(callback, PhaseCallback)]
        keyed = any(isinstance(callback, KeyedDraws) for callback in there)
        needed: list[Callback] = [] if keyed else [KeyedDraws()]
        if not any(callback.strategy is self.strategy for callback in phased):
            needed.append(PhaseCallback(self.strategy, "learner.network"))
        return needed

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Optimise as the strategy says, by groups made once for all its phases."""
        groups = param_groups(self.network, self.strategy)
        return [make_optimizer(self.strategy, groups)] if groups else []

    def on_fit_start(self) -> None:
        """Let the strategy look at the target, unless that was done or the fit resumes."""
        if self._begun or self.trainer.ckpt_path is not None:
            return
        x = self._view().unlabelled_examples().to(self.device) if self.strategy.unlabelled else None
        begin(self.network, self.strategy, x)
        self._begun = True

    def on_train_start(self) -> None:
        """Stop where nothing learns: all was done before."""
        if not self.trainer.optimizers:
            self.trainer.should_stop = True

    @property
    def network(self) -> nn.Module:
        """What is adapted."""
        return self.learner.built()

    # Training and measuring

    def training_step(self, batch: Pair, batch_idx: int) -> Tensor:
        """Return the loss on the labelled target and the strategy's terms."""
        losses: dict[str, Tensor] = {}
        labelled = self._pass(batch.target.x)
        if len(batch.target.x):
            losses["target"] = self._loss(labelled.scores, batch.target.y)
        elif not (self.strategy.unlabelled or has_terms(self.strategy, "fit")):
            raise TlmlError(
                f"shots: 0 labelled target examples, and {type(self.strategy).__name__} learns "
                "from labels alone"
            )
        if has_terms(self.strategy, "fit"):
            losses |= self.strategy.terms(self._of_both(batch))
        if has_terms(self.strategy, "adaptation"):
            free = self._pass(batch.unlabelled) if self.strategy.unlabelled else labelled
            losses |= self.strategy.terms(self._of_target(free))
        loss = torch.stack(list(losses.values())).sum()
        self._check_finite(loss.detach(), batch)
        self.log("train_loss", loss.detach(), prog_bar=True, batch_size=max(len(batch.target.x), 1))
        return loss

    def validation_step(self, batch: Pair, batch_idx: int) -> None:
        """Measure the target's validation part, or how unsure predictions without labels are."""
        self._measure(batch, "val")

    def test_step(self, batch: Pair, batch_idx: int) -> None:
        """Measure the query."""
        self._measure(batch, "test")

    # Checkpoints

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Write the learner's own form, and beside it what resuming needs."""
        checkpoint["state_dict"] = self.learner.state_dict()
        checkpoint[KEY] = {"strategy": plain(self.strategy), "state": self.strategy.state_dict()}
        self.learner.on_save_checkpoint(checkpoint)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the learner's form apart again.

        Raises:
            TlmlError: It is not a checkpoint of an adaptation, or of one by another strategy.
        """
        name, saved = plain(self.strategy)["name"], checkpoint.get(KEY)
        if saved is None or saved["strategy"]["name"] != name:
            whose = f"by {saved['strategy']['name']}" if saved else "of a learner, not adapted yet"
            raise TlmlError(
                f"resume: this is a checkpoint {whose}; an adaptation by {name} can't go on from it"
            )
        state = {f"learner.{key}": value for key, value in checkpoint["state_dict"].items()}
        state |= {f"strategy.{key}": value for key, value in saved["state"].items()}
        checkpoint["state_dict"] = state

    def _view(self) -> PairView:
        view = self.learner.current_view()
        if not isinstance(view, PairView):
            raise TlmlError(
                f"an adaptation needs a PairView, has {type(view).__name__}; make one by "
                "PairView(domain, shots=5, source=False)"
            )
        return view

    def _check_unlabelled(self, view: PairView) -> None:
        if self.strategy.unlabelled and not view.unlabelled:
            raise TlmlError(
                f"unlabelled: {type(self.strategy).__name__} adapts to target inputs without "
                "labels, and the view gives none; set unlabelled=True"
            )

    def _head_is_new(self, spaces: ViewSpaces) -> bool:
        trained = self.learner.view_spaces
        assert trained is not None
        if not same_space(trained.x, spaces.x):
            raise TlmlError(
                f"the learner was trained on inputs {trained.x}; the target has {spaces.x}"
            )
        return takes_new_head(self.head, trained, spaces, "target has")

    def _attach(self) -> None:
        before = set(self.network.state_dict())
        attach(self.strategy, self.network, self.learner.seed)
        if set(self.network.state_dict()) != before:
            # What it added is part of the network now: who loads the learner must attach it too.
            self.learner.strategy = self.strategy
            self.learner.hparams["strategy"] = plain(self.strategy)

    def _fresh(self, key: tuple[int, ...], new_head: bool) -> Params:
        space = self.learner.view_spaces.y  # type: ignore[union-attr]
        adapter = TargetAdapter(self.strategy, self.network, space).turned_to(key)
        head = head_for(self.network, outputs(space)) if new_head else {}
        return fresh_parameters(self.network, adapter.seed) | head

    def _of_both(self, batch: Pair) -> Context:
        free = batch.unlabelled if len(batch.unlabelled) else batch.target.x
        source, target = self._pass(batch.source.x), self._pass(free)
        return Context(
            batch.source.x, free, source.features, target.features, source.scores, target.scores,
            progress(self.trainer), self.network, labels_source=batch.source.y,
        )  # fmt: skip

    def _of_target(self, seen: Pass) -> Context:
        named = own_parameters(self.network, self.strategy)
        return of_target(self.network, seen, named, progress(self.trainer), partial(self._at, seen))

    def _at(self, seen: Pass, tensors: Params) -> Tensor:
        return features_with(self.network, tensors, seen.x, self._fixed() or "stored")

    def _pass(self, x: Tensor) -> Pass:
        """Return features and scores of one forward pass; the features are what the head sees."""
        if not len(x):
            return Pass(x, x, x)
        with passes(self.network) as seen:
            self._scores(x)
        return seen[0]

    def _scores(self, x: Tensor) -> Tensor:
        if x.is_floating_point():
            x = x.to(next(self.network.parameters()).dtype)
        fixed = self._fixed()
        with statistics(self.network, fixed) if fixed else nullcontext():
            scores: Tensor = self.network(x)
        return scores

    def _fixed(self) -> Policy | None:
        """Return the statistics that BatchNorm uses throughout; None where phases say so."""
        if self.strategy.batchnorm == "stored":
            return "stored"
        return "batch" if self.learner.batchnorm == "batch" else None

    def _loss(self, scores: Tensor, y: Tensor) -> Tensor:
        y = y.to(scores.dtype) if y.is_floating_point() else y
        return criterion(scores, y, self.learner.criterion)

    def _measure(self, batch: Pair, stage: str) -> None:
        x = batch.target.x
        space = self.learner.view_spaces.y  # type: ignore[union-attr]
        if not len(x):  # with source beside it, the view validates on held-out source
            if len(batch.unlabelled) and isinstance(space, Discrete):
                entropy = mean_entropy(self._scores(batch.unlabelled))
                log_measured(self, stage, Measurement({"entropy": entropy}, len(batch.unlabelled)))
            return
        loss, domain = self.learner.criterion, self._view().domain
        found = judge(self._scores(x), batch.target, domain, space, loss)
        log_measured(self, stage, Measurement(found, len(x)))

    def _check_finite(self, loss: Tensor, batch: Pair) -> None:
        if not bool(torch.isfinite(loss)):
            raise DivergedError(
                f"adapting by {type(self.strategy).__name__} diverged: the loss is {loss.item()} "
                f"in step {self.global_step}; lower its lr ({self.strategy.lr})"
                f"{tell_raw_units(batch.target, self._view().domain)}"
            )


def replace_head(learner: GradientLearner, spaces: ViewSpaces) -> None:
    """Give a learner's network a new head of zeros, for other targets.

    Raises:
        TlmlError: The head does not end in an nn.Linear.
    """
    network = learner.built()
    old, size = last_linear(network), outputs(spaces.y)
    linear = nn.Linear(old.in_features, size, bias=old.bias is not None).to(old.weight)
    for parameter in linear.parameters():
        nn.init.zeros_(parameter)
    for module in network.modules():
        for name, child in module._modules.items():
            if child is old:  # in all its places
                module._modules[name] = linear
    if network is old:
        learner.network = linear
    if isinstance(network, Network):
        shape = spaces.y.shape if isinstance(spaces.y, Box) else (1,)
        network.output_shape = tuple(shape) if len(shape) != 1 else None
    learner.view_spaces = None
    learner.meet(spaces)
