"""Learners with a network that is adapted by gradients."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pytorch_lightning.utilities import rank_zero_info
from torch import Tensor, nn
from torch.func import functional_call

from tlml.data.spaces import outputs
from tlml.data.tasks import Batch, Episode, Episodes, Params
from tlml.errors import TlmlError, check_choice, check_not_negative, check_positive
from tlml.learners.adapter import with_terms
from tlml.learners.learner import GIVEN, Learner
from tlml.meta.compiled import Compiled
from tlml.meta.outer_gradient import mean_over_tasks, trained, unscaled
from tlml.meta.paths import MEMORY, VECTORIZE, Execution, Memory, Vectorize, execution_for
from tlml.meta.stacked_calls import stacked_call
from tlml.meta.stacked_layers import stacked_scores
from tlml.metrics.losses import criterion, summed_criterion
from tlml.networks.batchnorm import POLICIES, Policy, statistics
from tlml.networks.build import build_network, keyed
from tlml.networks.layout import laid_out
from tlml.networks.parameters import fresh_parameters, head_for
from tlml.strategies.gradients import FirstOrder, Loss, by_autograd
from tlml.strategies.optimiser import OPTIMIZERS, make_optimizer
from tlml.strategies.strategy import Strategy, has_terms
from tlml.views.base import View, ViewSpaces
from tlml.views.episode import EpisodeView


class GradientLearner(Learner):
    """A learner whose network's parameters are adapted to a task by a strategy.

    Args:
        network: ``auto`` (by the inputs), a registered network, a class path, or a module.
        strategy: What takes part in training, and adapts unless a test names another.
        network_options: Options of the named network.
        lr: Learning rate of training.
        optimizer: Optimiser of training: ``adam``, ``adamw`` or ``sgd``.
        weight_decay: Weight decay of training.
        loss: ``cross_entropy``, ``mse``, ``l1``, ``huber``, ``smooth_l1`` or ``bce``; by the
            targets where None (integers: cross-entropy, floats: mean squared error).
        batchnorm: Statistics that BatchNorm uses on a task: its ``batch``'s, or as ``stored``.
        vectorize: Tasks of a batch together, on stacked parameters (``stack``) or by torch's
            ``vmap``; one by one (``loop``); or the fastest known to be right (``auto``).
        chunk_size: Tasks that are run together; all of the batch where None.
        compile: Trace and compile the outer step; it pays on small networks and long runs.
        memory: ``low`` keeps no graph of inner steps and computes them anew when going back.
        channels_last: Layout of images and convolutions; what is faster where None.
        seed: The key of the initialisation.
        spaces: Input and target space as plain data, as checkpoints hold them.

    Raises:
        TlmlError: An option is out of range, or the network does not fit the view.
    """

    view_type: ClassVar[type[View]] = EpisodeView
    first_order: bool = False
    stackable: bool = True  # losses are computed by `loss` and `scores` alone
    execution = Execution("vmap")  # outside `meta_loss`, calls may stand under anybody's transform
    network: nn.Module | None
    stacks_calls: bool | None = None  # whether a network of unknown layers was seen to stack

    def __init__(
        self,
        network: str | nn.Module = "auto",
        strategy: Strategy | str | dict[str, Any] | None = None,
        *,
        network_options: dict[str, Any] | None = None,
        lr: float = 1e-3,
        optimizer: Literal["adam", "adamw", "sgd"] = "adam",
        weight_decay: float = 0.0,
        loss: str | None = None,
        batchnorm: Policy = "batch",
        vectorize: Vectorize = "auto",
        chunk_size: int | None = None,
        compile: bool = False,
        memory: Memory = "normal",
        channels_last: bool | None = None,
        seed: int = 0,
        spaces: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(strategy=strategy, seed=seed, spaces=spaces)
        check_not_negative(weight_decay=weight_decay)
        check_choice("optimizer", optimizer, OPTIMIZERS)
        check_choice("batchnorm", batchnorm, POLICIES)
        check_choice("vectorize", vectorize, VECTORIZE)
        check_choice("memory", memory, MEMORY)
        check_positive(lr=lr, chunk_size=chunk_size)
        if vectorize == "vmap" and (compile or memory == "low"):
            option = "compile=True" if compile else "memory='low'"
            raise TlmlError(f"vectorize: 'vmap' does not go with {option}; take 'auto', or 'loop'")
        _check_network(network, network_options)
        self.lr, self.optimizer, self.weight_decay = lr, optimizer, weight_decay
        self.criterion, self.batchnorm = loss, batchnorm
        self.vectorize, self.chunk_size = vectorize, chunk_size
        self.compiled = Compiled() if compile else None
        self.memory, self.channels_last = memory, channels_last
        self._named = network if isinstance(network, str) else None
        self._network_options = network_options
        self.network = None
        if isinstance(network, nn.Module):
            self._build(network)
        elif self.view_spaces is not None:
            self._build(self._made(self.view_spaces))

    # Building

    def meet(self, spaces: ViewSpaces) -> None:
        """Take the spaces of the view to train on, and build the network for them."""
        super().meet(spaces)
        if self.network is None:
            self._build(self._made(spaces))
        self._check_outputs(spaces)

    def configure_model(self) -> None:
        """Build the network for the Trainer's view, where it isn't there yet."""
        super().configure_model()
        self.built()

    def built(self) -> nn.Module:
        """Return the network.

        Raises:
            TlmlError: It has not been built yet.
        """
        if self.network is None:
            raise TlmlError(
                f"{type(self).__name__}: the network '{self._named}' is not built yet: no view "
                "told its sizes; call learner.view(domain, ...), or pass the view as datamodule"
            )
        return self.network

    # Training

    def on_train_start(self) -> None:
        """Say how the tasks of a batch are run."""
        super().on_train_start()
        view = self.current_view()
        if isinstance(view, EpisodeView) and self.strategy.max_steps:
            space = view.spaces.x
            zeros = torch.from_numpy(np.zeros((2, *(space.shape or ())), space.dtype))
            chosen = execution_for(self, x=zeros.to(self.device))
            rank_zero_info(
                f"{type(self).__name__}: tasks of a batch are run by {chosen.path} ({chosen.why})"
            )

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Optimise network and strategy together."""
        return make_optimizer(self, [{"params": list(self.parameters())}])

    def loss(self, params: Params, batch: Any) -> Tensor:
        """Return the loss of the network with the parameters `params` on a batch."""
        if self.carry is not None:
            self.carry.calls += 1
        scores, y = self.scores(params, batch.x), batch.y
        if self.execution.path == "stack":
            return summed_criterion(scores, y, self.criterion)
        return criterion(scores, y, self.criterion)

    def scores(self, params: Params, x: Tensor) -> Tensor:
        """Return what the network gives for ``x [n, ...]`` with the parameters `params`."""
        network = self._at_hand()
        if x.is_floating_point():
            x = x.to(next(iter(params.values())).dtype)
        if self.execution.path == "stack":
            layers = self.execution.layers
            if not layers:
                return stacked_call(network, params, x)
            return stacked_scores(layers, params, x, self.policy)
        params, x = laid_out(self, params, x)
        if self.carry is not None:
            params = {**self.carry.buffers, **params}
        with statistics(network, self.policy):
            result: Tensor = functional_call(network, dict(params), (x,))
        return result

    def adapted(self, support: Batch) -> Params:
        """Return the network's parameters, by name, adapted to the support of one task.

        In training they are a function of the learner's parameters and can be differentiated.
        """
        strategy = self.carry.strategy if self.carry else self.strategy
        return strategy.adapt(self.inner_loss(), self.start(), support)

    def inner_loss(self) -> Loss:
        """Return the loss that inner steps go down, with the way to take its slopes."""
        if self.carry is not None:
            # No outer step comes after a test.
            adds = has_terms(self.carry.strategy, "adaptation")
            return FirstOrder(with_terms(self) if adds else self.loss, by_autograd)
        return self.execution.differentiated(self.loss, self.first_order)

    def start(self) -> dict[str, Tensor]:
        """Return where an adaptation starts: the network's parameters, or as the strategy says."""
        network = self._at_hand()
        params: dict[str, Tensor] = dict(network.named_parameters())
        if self.carry is not None:
            params = {name: value.detach() for name, value in params.items()}
            begun = dict(self.carry.strategy.start(params | self._new_head(), self._fresh))
            self.carry.begin(network, begun)
            return begun
        if self.execution.path == "stack":
            params = {n: p.expand(self.execution.tasks, *p.shape) for n, p in params.items()}
        return dict(self.strategy.start(params, lambda: fresh_parameters(network, self.seed)))

    def meta_loss(self, episode: Episode | Episodes) -> Tensor:
        """Return the mean query loss over the batch's tasks after adapting to their supports.

        Its gradient is exact, and is there once: to be differentiated by an optimiser's step.

        Raises:
            TlmlError: The inner loop can't be differentiated.
        """
        self.built()
        return mean_over_tasks(self, episode)

    def task_loss(self, support: Batch, query: Batch) -> Tensor:
        """Return the query loss of one task after adapting to its support."""
        return self.loss(self.adapted(support), query)

    def task_slopes(self, support: Batch, query: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss of one task, and its gradient by the parameters that are trained.

        Raises:
            TlmlError: The inner loop can't be differentiated.
        """
        loss, params = self.task_loss(support, query), trained(self)
        if not loss.requires_grad:
            raise TlmlError(
                f"strategy {type(self.strategy).__name__}: its steps can't be differentiated, so "
                f"{type(self).__name__} can't learn through them; take one that can, such as sgd"
            )
        scale = self.loss_scale
        scaled = loss if scale == 1 else scale * loss
        found = torch.autograd.grad(scaled, list(params.values()), materialize_grads=True)
        return loss, unscaled(dict(zip(params, found, strict=True)), scale)

    def constants(self) -> tuple[Any, ...]:
        """Return all that `task_loss` depends on beside tensors; another means compiling anew."""
        live = {"policy": self.policy, "loss_scale": self.loss_scale}
        parts = (vars(self), vars(self.strategy), live)
        kinds = (bool, int, float, str, tuple, type(None))
        return tuple((k, v) for part in parts for k, v in part.items() if isinstance(v, kinds))

    @property
    def loss_scale(self) -> float:
        """What the Trainer's gradient scaler multiplies a loss by, in 16 bits; else 1.

        Outer gradients are taken of the scaled loss, so that halves of floats hold them.
        """
        scaler = getattr(getattr(self._trainer, "precision_plugin", None), "scaler", None)
        return 1.0 if scaler is None else float(scaler.get_scale())

    def predict(self, support: Batch, x: Tensor) -> Tensor:
        """Adapt to the support of one task and return the scores of ``x``."""
        label_free = self.carry is not None and self.carry.strategy.unlabelled
        params = self.adapted(support) if len(support.x) or label_free else self.start()
        with torch.no_grad():
            return self.scores(params, x)

    def on_source(self) -> AbstractContextManager[None]:
        """Let the network be as it is for source examples, inside the block; mostly as it is."""
        return nullcontext()

    @property
    def policy(self) -> Policy:
        """The statistics that BatchNorm uses now."""
        strategy = self.carry.strategy if self.carry else self.strategy
        return strategy.batchnorm or self.batchnorm

    def _at_hand(self) -> nn.Module:
        return self.carry.network if self.carry and self.carry.network else self.built()

    def _new_head(self) -> dict[str, Tensor]:
        if self.carry is None or not self.carry.new_head:
            return {}
        return head_for(self._at_hand(), outputs(self.carry.space))

    def _fresh(self) -> dict[str, Tensor]:
        assert self.carry is not None
        return fresh_parameters(self._at_hand(), self.carry.seed()) | self._new_head()

    def _like(self, values: Tensor) -> Tensor:
        if not values.is_floating_point():
            return values
        return values.to(next(self._at_hand().parameters()).dtype)

    def _made(self, spaces: ViewSpaces) -> nn.Module:
        assert self._named is not None
        return build_network(
            self._named, spaces.x, spaces.y, seed=self.seed, options=self._network_options
        )

    def _build(self, network: nn.Module) -> None:
        self.network, self.stacks_calls = network, None
        with keyed(self.seed):
            self.strategy.claim(network)

    def _check_outputs(self, spaces: ViewSpaces) -> None:
        network = self.built()
        x = torch.from_numpy(np.zeros((2, *(spaces.x.shape or ())), spaces.x.dtype))
        modes = {module: module.training for module in network.modules()}
        try:
            with torch.no_grad(), statistics(network.eval(), "batch"):
                found = network(self._like(x).to(next(network.parameters()).device)).shape
        finally:
            for module, training in modes.items():
                module.training = training
        size = outputs(spaces.y)
        if len(found) < 2 or found[0] != 2 or found[1:].numel() != size:
            raise TlmlError(
                f"{type(self).__name__}: the network gives {tuple(found)} for 2 inputs; the view "
                f"needs {size} outputs each (its targets are {spaces.y})"
            )


def _check_network(network: str | nn.Module, options: dict[str, Any] | None) -> None:
    if isinstance(network, str) and network.startswith(GIVEN):
        raise TlmlError(
            f"network: this checkpoint's network was given as a module ({network[len(GIVEN) :]}); "
            "pass it again: load_from_checkpoint(path, network=net)"
        )
    if isinstance(network, nn.Module) and options:
        raise TlmlError("network_options: they are of a named network; this one is a module")
    if not isinstance(network, str | nn.Module):
        raise TlmlError(f"network: must be a name, a class path or a module, is {network!r}")
