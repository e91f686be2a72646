"""Strategies: how what was learned is carried to one target task."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from tlml.data.tasks import Batch, Params
from tlml.errors import TlmlError, check_choice, check_not_negative, check_positive
from tlml.recorded import Recorded
from tlml.strategies.context import Context
from tlml.strategies.gradients import Loss, gradient, kept_of
from tlml.strategies.optimiser import OPTIMIZERS, make_optimizer
from tlml.strategies.phases import Phase, joined_groups, phase_at


class Strategy(Recorded, nn.Module):
    """A way to carry knowledge over; a subclass writes the methods that it needs.

    As it stands it fine-tunes every parameter, so that many strategies only write `phases`.

    Args:
        lr: Learning rate of the adaptation.
        steps: Gradient steps on the support of a target task.
        optimizer: ``adam``, ``adamw`` or ``sgd``.
        weight_decay: Weight decay of the adaptation.
        batchnorm: Statistics that BatchNorm uses on a target task: of its ``batch`` (which makes
            predictions depend on the other queries: transductive) or as ``stored`` in training;
            as the learner does where None.

    Raises:
        TlmlError: An option is out of range.
    """

    # When `weigh_samples` acts: once, on inputs, or in each epoch, on the network's features.
    every: Literal["fit", "epoch"] = "fit"
    uses_target_x: ClassVar[bool] = True  # whether maps, weights and `learn` look at target inputs
    uses_source: bool = True  # whether `learn` has anything to take in; False: needs no fit
    effective_sample_size: float | None = None  # of the latest weights
    terms_in: ClassVar[Literal["fit", "adaptation"]] = "fit"  # where `terms` act
    sees: ClassVar[tuple[str, ...]] = ("features",)  # what they look at, beside parameters
    unlabelled: ClassVar[bool] = False  # whether it adapts to target inputs without labels
    momentum: float = 0.9  # of `sgd`
    fused: bool | None = None  # whether an adaptation's optimiser is: by the device where None
    needs_head: ClassVar[bool] = False  # whether it treats the head otherwise than the rest
    thaws: ClassVar[bool] = False  # whether it starts anew and trains what a user froze, too
    same_labels: ClassVar[bool] = False  # whether `terms` take the target's labels for the source's

    def __init__(
        self,
        lr: float = 0.003,
        steps: int = 50,
        optimizer: Literal["adam", "adamw", "sgd"] = "adam",
        weight_decay: float = 0.0,
        batchnorm: Literal["batch", "stored"] | None = None,
    ) -> None:
        super().__init__()
        check_positive(lr=lr)
        check_not_negative(steps=steps, weight_decay=weight_decay)
        check_choice("optimizer", optimizer, OPTIMIZERS)
        if batchnorm is not None:
            check_choice("batchnorm", batchnorm, ("batch", "stored"))
        self.lr, self.max_steps, self.optimizer = lr, steps, optimizer
        self.weight_decay, self.batchnorm = weight_decay, batchnorm
        self._attached = False

    # Model-transfer

    def phases(self, names: Sequence[str]) -> Sequence[Phase]:
        """Say what learns when, given the network's parameter names; by default all, at once."""
        return (Phase(),)

    def start(self, params: Params, fresh: Callable[[], Params]) -> Params:
        """Return where an adaptation starts: at the source's `params`, or at `fresh` ones."""
        return params

    def begin(self, network: nn.Module, params: Params, x: Tensor) -> Mapping[str, Tensor]:
        """Look at what adapts before the first step; return buffers to replace, by name.

        Args:
            network: What adapts, with its buffers as they were trained.
            params: Its parameters, where the adaptation starts.
            x: The target's inputs without labels ``[n, ...]``; none unless `unlabelled` is set.
        """
        return {}

    def steps(self, loss: Loss, params: Params, support: Any) -> Iterator[Params]:
        """Yield the parameters after each inner step; by default the `phases`, by an optimiser.

        Args:
            loss: ``loss(params, batch)``, called exactly once in a step.
            params: Where to start, by name; not changed. What a user froze is not among them.
            support: What to adapt to; opaque.
        """
        yield from _optimise(self, loss, params, support)

    def adapt(self, loss: Loss, params: Params, support: Any) -> Params:
        """Return the last of `steps`: `params` where there is none."""
        for adapted in self.steps(loss, params, support):
            params = adapted
        return params

    def attach(self, network: nn.Module) -> None:
        """Add to a network what the strategy needs in it, before it is trained."""

    # Feature-representation-transfer

    def terms(self, context: Context) -> Mapping[str, Tensor]:
        """Return losses to add, by name: in training, or in adaptation where `terms_in` says so.

        Those of training compare source and target. Those of adaptation see the target alone: its
        labelled inputs, or those without labels where `unlabelled` is set.
        """
        return {}

    # Instance-transfer

    def weigh_samples(self, source_x: Tensor, target_x: Tensor) -> Tensor | None:
        """Return a weight for each source example ``[n_source]``; None weighs nothing.

        What weighs by labels adds ``source_y: Tensor | None = None`` to its arguments.
        """
        return None

    # Transfer without a network, for the learner `estimator`

    def fit_transform(self, source_x: Tensor, target_x: Tensor) -> tuple[Tensor, Tensor]:
        """Map both sides, ``[n, d]`` and ``[m, d]``, to where one model serves both."""
        return source_x, target_x

    def transform(self, target_x: Tensor) -> Tensor:
        """Map more target inputs as `fit_transform` did."""
        return target_x

    def learn(self, source: Batch, target_x: Tensor) -> None:
        """Take in the labelled source and target inputs without labels, before `estimate`."""

    def estimate(self, support: Any, x: Tensor, space: Any) -> Tensor:
        """Predict ``x`` from the support, and from what `learn` took in, without a network.

        `space` is the targets' (a support may lack a class): for ``Discrete(n)`` return scores
        ``[len(x), n]``, for a Box values.
        """
        raise TlmlError(f"{type(self).__name__} gives no estimates: it has no estimate()")

    def relate(self, source_task: Any, target_task: Any) -> Any:
        """Map what is known of the source task to the target task."""
        raise TlmlError(f"{type(self).__name__} relates no tasks: it has no relate()")

    def claim(self, network: nn.Module | None) -> Strategy:
        """Attach to the one learner that owns this strategy.

        Raises:
            TlmlError: It already belongs to another learner.
        """
        if "_attached" not in vars(self):
            raise TlmlError(
                f"strategy {type(self).__name__}: its __init__() does not call super().__init__(); "
                "call it first"
            )
        if self._attached:
            raise TlmlError(
                f"strategy {type(self).__name__}: it belongs to a learner already; "
                "make a new one for each learner"
            )
        self._attached = True
        if network is not None:
            self.attach(network)
        return self


def overrides(strategy: Strategy, method: str) -> bool:
    """Return whether a strategy writes a method itself."""
    return inspect.getattr_static(type(strategy), method) is not inspect.getattr_static(
        Strategy, method
    )


def has_terms(strategy: Strategy, place: Literal["fit", "adaptation"]) -> bool:
    """Return whether a strategy has losses to add in training, or in adaptation alone."""
    return overrides(strategy, "terms") and strategy.terms_in == place


def _optimise(
    strategy: Strategy, loss: Loss, params: Params, support: Any
) -> Iterator[dict[str, Tensor]]:
    total = strategy.max_steps
    phases, groups = _moving_groups(strategy, loss, params)
    values = {name: value.detach().clone() for name, value in params.items()}
    optimizer = make_optimizer(
        strategy,
        [{"params": [values[name] for name in names]} for names, _ in groups],
        # Support sets are small: a fifth of a step would be the optimiser's loop over tensors.
        fused=all(value.device.type in ("cpu", "cuda") for value in values.values()) or None,
    )
    for step in range(total):
        phase = phases.index(phase_at(phases, step, total))
        rates = [of_phases[phase] for _, of_phases in groups]
        learning = [name for names, of_phases in groups if of_phases[phase] for name in names]
        grads = gradient(loss, values, support, learning)
        for name, value in values.items():
            # Without a gradient the optimiser passes it over; fused ones read it as memory lies.
            value.grad = torch.empty_like(value).copy_(grads[name]) if name in grads else None
        for place, rate in zip(optimizer.param_groups, rates, strict=True):
            place["lr"] = strategy.lr * rate
        optimizer.step()
        yield {name: value.detach().clone() for name, value in values.items()}


def _moving_groups(
    strategy: Strategy, loss: Loss, params: Params
) -> tuple[Sequence[Phase], list[tuple[list[str], list[float]]]]:
    """Return the phases, and names with their rate in each phase.

    Phases speak of all parameters, those that stay as they are among them.
    """
    known = (*kept_of(loss), *params)
    phases = strategy.phases(known)
    groups = [
        ([name for name in each.names if name in params], [g.lr if g else 0.0 for g in each.groups])
        for each in joined_groups(phases, known)
    ]
    return phases, [(names, rates) for names, rates in groups if names]
