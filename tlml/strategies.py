"""Strategies: how what was learned is carried to one target task."""

from __future__ import annotations

import fnmatch
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

import torch
from torch import Tensor, nn

from tlml.errors import TlmlError, check_choice, check_not_negative, check_positive, did_you_mean
from tlml.recording import Recorded
from tlml.slopes import Loss, gradient
from tlml.task import Batch, Examples, Params

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
}


@dataclass(frozen=True, slots=True)
class Group:
    """Parameters that learn in a phase.

    Args:
        pattern: Shell-style pattern of parameter names, such as ``"head.*"``.
        lr: Their learning rate as a multiple of the strategy's; 0 freezes them.
        bn: What their BatchNorm layers do in a long adaptation: use the batch and update what is
            stored (``train``), use what is stored (``eval``), or only update it (``adapt``).
    """

    pattern: str = "*"
    lr: float = 1.0
    bn: Literal["train", "eval", "adapt"] = "train"


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of an adaptation; parameters that no group names are frozen.

    Args:
        until: Where it ends: a number of steps, or a share of the whole as a float.
        groups: What learns, each parameter by the first group that matches it.
    """

    until: int | float = 1.0
    groups: Sequence[Group] = (Group(),)


@dataclass(frozen=True, slots=True)
class Context:
    """What a loss term sees: one forward pass of each side, made by the learner.

    Inputs are ``[n, ...]``, features ``[n, d]``, logits ``[n, outputs]``; `progress` is the share
    of training done, in [0, 1]. The source's labels are ``[n]`` (classes) or ``[n, d]`` (values);
    there are none where there is no source. Terms that act in adaptation also see `params`, what is
    adapted by name, and ``features_at(tensors)``: the target's features with other parameters and
    buffers in the network, by name, without gradient.
    """

    source: Tensor
    target: Tensor
    features_source: Tensor
    features_target: Tensor
    logits_source: Tensor
    logits_target: Tensor
    progress: float
    network: nn.Module
    labels_source: Tensor = field(default_factory=lambda: torch.zeros(0))
    params: Params = field(default_factory=dict)
    features_at: Callable[[Params], Tensor] | None = None


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
            params: Where to start, by name; not changed.
            support: What to adapt to; opaque.
        """
        yield from _optimised(self, loss, params, support)

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
        if self._attached:
            raise TlmlError(
                f"strategy {type(self).__name__}: it belongs to a learner already; "
                "make a new one for each learner"
            )
        self._attached = True
        if network is not None:
            self.attach(network)
        return self


def matching(names: Sequence[str], groups: Sequence[Group]) -> dict[str, Group]:
    """Map each name to the first group whose pattern matches it; names without one are left out.

    Raises:
        TlmlError: A pattern matches no name.
    """
    for group in groups:
        if not any(fnmatch.fnmatchcase(name, group.pattern) for name in names):
            raise TlmlError(
                f"pattern '{group.pattern}' matches no parameter"
                f"{did_you_mean(group.pattern, names)}"
            )
    found = {}
    for name in names:
        for group in groups:
            if fnmatch.fnmatchcase(name, group.pattern):
                found[name] = group
                break
    return found


def until_step(phase: Phase, total: int | None) -> int:
    """Return the step at which a phase ends.

    Raises:
        TlmlError: It is a share, and there is no total to take it of.
    """
    if isinstance(phase.until, int):
        return phase.until
    if total is None:
        raise TlmlError(
            f"until={phase.until}: a share needs a total; set max_steps or max_epochs, or give the "
            "phase a number of steps"
        )
    return round(phase.until * total)


def phase_at(phases: Sequence[Phase], step: int, total: int | None) -> Phase:
    """Return the phase that `step` is in; the last one goes on."""
    for phase in phases:
        if step < until_step(phase, total):
            return phase
    return phases[-1]


def overrides(strategy: Strategy, method: str) -> bool:
    """Return whether a strategy writes a method itself."""
    return inspect.getattr_static(type(strategy), method) is not inspect.getattr_static(
        Strategy, method
    )


def weighed(strategy: Strategy, source: Batch | Examples, target_x: Tensor) -> Tensor | None:
    """Return a strategy's weights for source examples; it sees the labels if it asks for them."""
    takes = inspect.signature(strategy.weigh_samples).parameters
    labels = {"source_y": source.y} if "source_y" in takes else {}
    found = strategy.weigh_samples(source.x, target_x, **labels)
    return weights_of(found, len(source.x), strategy)


def has_terms(strategy: Strategy, place: Literal["fit", "adaptation"]) -> bool:
    """Return whether a strategy has losses to add in training, or in adaptation alone."""
    return overrides(strategy, "terms") and strategy.terms_in == place


def weights_of(weights: Tensor | None, count: int, strategy: Strategy) -> Tensor | None:
    """Check a strategy's weights, and note in it their effective sample size (Kish 1965).

    Raises:
        TlmlError: They aren't one for each source example, finite, none negative, or all are 0.
    """
    if weights is None:
        return None
    name = type(strategy).__name__
    if weights.shape != (count,) or not bool(torch.isfinite(weights).all()) or weights.min() < 0:
        raise TlmlError(
            f"strategy {name}: weigh_samples must return {count} finite weights "
            f"≥ 0, one for each source example; it gave shape {tuple(weights.shape)}"
        )
    if not weights.any():
        raise TlmlError(
            f"strategy {name}: all {count} weights are 0, so that there is no source example to "
            "learn from; source and target may have nothing in common"
        )
    strategy.effective_sample_size = effective_sample_size(weights)
    return weights


def effective_sample_size(weights: Tensor) -> float:
    """Return (Σ w)² / Σ w²: how many equally weighted examples tell as much."""
    scaled = weights.double() / weights.max()  # squares of tiny weights would be 0
    return float(scaled.sum().square() / scaled.square().sum())


@dataclass(frozen=True, slots=True)
class Joined:
    """Parameters that are in the same group in every phase, and which group that is.

    Args:
        names: The parameters.
        groups: Their group in each phase; None where the phase freezes them.
    """

    names: tuple[str, ...]
    groups: tuple[Group | None, ...]


def joined_groups(phases: Sequence[Phase], names: Sequence[str]) -> list[Joined]:
    """Divide the parameters once for all phases, so that optimisers never gain a group midway.

    Raises:
        TlmlError: A pattern matches no parameter.
    """
    by_phase = [matching(names, phase.groups) for phase in phases]
    found: dict[tuple[Group | None, ...], list[str]] = {}
    for name in names:
        found.setdefault(tuple(groups.get(name) for groups in by_phase), []).append(name)
    return [Joined(tuple(members), groups) for groups, members in found.items()]


class Optimized(Protocol):
    """What says how it is optimised: a strategy or a learner."""

    lr: float
    optimizer: Literal["adam", "adamw", "sgd"]
    weight_decay: float


def make_optimizer(
    owner: Optimized, groups: Sequence[Mapping[str, Any]], *, fused: bool | None = None
) -> torch.optim.Optimizer:
    """Make the optimiser that a strategy or a learner names over parameter groups."""
    options: dict[str, Any] = {"lr": owner.lr, "weight_decay": owner.weight_decay, "fused": fused}
    if owner.optimizer == "sgd":
        options["momentum"] = 0.9
    return OPTIMIZERS[owner.optimizer]([dict(group) for group in groups], **options)


def _optimised(
    strategy: Strategy, loss: Loss, params: Params, support: Any
) -> Iterator[dict[str, Tensor]]:
    total = strategy.max_steps
    phases = strategy.phases(tuple(params))
    joined = joined_groups(phases, tuple(params))
    values = {name: value.detach().clone() for name, value in params.items()}
    optimizer = make_optimizer(
        strategy,
        [{"params": [values[name] for name in group.names]} for group in joined],
        # Support sets are small: a fifth of a step would be the optimiser's loop over tensors.
        fused=all(value.device.type in ("cpu", "cuda") for value in values.values()) or None,
    )
    for step in range(total):
        phase = phases.index(phase_at(phases, step, total))
        rates = [group.groups[phase].lr if group.groups[phase] else 0.0 for group in joined]  # type: ignore[union-attr]
        learning = [n for g, rate in zip(joined, rates, strict=True) if rate for n in g.names]
        grads = gradient(loss, values, support, learning)
        for name, value in values.items():
            # Without a gradient the optimiser passes it over; fused ones read it as memory lies.
            value.grad = torch.empty_like(value).copy_(grads[name]) if name in grads else None
        for place, rate in zip(optimizer.param_groups, rates, strict=True):
            place["lr"] = strategy.lr * rate
        optimizer.step()
        yield {name: value.detach().clone() for name, value in values.items()}
