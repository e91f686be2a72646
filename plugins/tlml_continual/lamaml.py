"""La-MAML (Gupta, Yadav & Paull 2020, arXiv 2007.13904): look-ahead MAML for streams."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from pytorch_lightning.utilities import rank_zero_info
from torch import Tensor, nn

from tlml import Batch, Step, Strategy, StreamView, TlmlError, View
from tlml.data import Params
from tlml.errors import OptionError, check_choice, check_not_negative, check_positive
from tlml.meta import InnerProblem
from tlml.networks import has_batchnorm
from tlml.registry import default_registry
from tlml_continual.base.stream_learner import RehearsingLearner, scales_losses
from tlml_continual.lamaml_paths import PATHS, Glance, Recipe, Rows, Slopes, choose_path
from tlml_continual.lamaml_paths.choice import Chosen
from tlml_continual.lamaml_paths.contract import Objective


class _Preset(NamedTuple):
    """What a variant says where an option is not given."""

    loss_at: Literal["last", "mean"]
    inner_relu: bool
    grad_clip_norm: float
    glances: int
    permute: bool
    with_replacement: bool
    push: Literal["once", "epoch", "glance"]


_VARIANTS = {
    "official": _Preset("mean", True, 2.0, 5, True, True, "once"),
    "paper": _Preset("last", False, 0.0, 1, False, False, "epoch"),
}


class LamamlProblem(InnerProblem):
    """Adapts with the rates that training stepped by: none below 0 where it took max(0, α)."""

    def adapt(self, params: Params, support: Any) -> Params:
        """Return `params` adapted to the support."""
        rates = getattr(self.strategy, "rates", {}) if self.learner.recipe.inner_relu else {}
        with _not_negative(rates):
            return super().adapt(params, support)


class Lamaml(RehearsingLearner):
    """Steps down a batch one example at a time, and learns from where that leads (algorithm 1).

    With b_m = Sample(R) ∪ b and rates α, one for each entry of each parameter, a look at a batch b
    of k examples is

        θ_{i+1} = θ_i − α ∘ ∇ℓ(θ_i, b[i]),  i = 0 … k − 1
        α ← α − η ∇_α L(θ_k, b_m)
        θ ← θ − max(0, α) ∘ ∇_θ L(θ_k, b_m)

    and the examples of b are shown to the reservoir R. α is the rates of the strategy ``meta_sgd``,
    so that one adapts to a task after the stream by what was learned of them.

    Two variants are there; each of their options can be chosen alone. ``official`` is the authors'
    code, which reaches the published figures: the meta-loss is the mean over θ_1 … θ_k, inner steps
    go by max(0, α), so that a rate of 0 or less stays where it is, the gradients of θ and of α are
    clipped apart, and a batch is looked at five times, each time in another order. ``paper`` is the
    algorithm as printed; with the authors' rates it diverges within the first tasks, so take
    `grad_clip_norm` of 2 with it, or rates of 0.03.

    Args:
        network: ``auto`` (by the inputs), a registered network, a class path, or a module.
        strategy: What keeps α, and adapts to a task after the stream by it: ``meta_sgd``, or one
            with a rate for each entry.
        variant: ``official`` or ``paper``: what the options that are None are.
        order: ``second`` differentiates inner steps, ``first`` takes their gradients for constant.
        loss_at: The meta-loss: at θ_k (``last``), or the ``mean`` over θ_1 … θ_k.
        inner_relu: Step by max(0, α) inside.
        inner_clip: What entries of inner gradients are clamped to; none where None.
        grad_clip_norm: What the norm of the gradients of θ, and that of α's, is clipped to; 0 clips
            nothing.
        glances: Looks at each batch.
        permute: Whether each look takes the examples in an order of its own.
        with_replacement: Whether Sample(R) may draw an example twice.
        push: What the reservoir is shown: a batch ``once``, once each ``epoch``, or at each
            ``glance``.
        inner_batch: Examples of an inner step.
        replay: Examples of Sample(R), or as many as there are.
        memory_size: Examples that are kept, of all tasks together.
        alpha_init: Where every rate starts, unless `strategy` says it.
        alpha_lr: The rate η of α.
        path: How gradients are computed: ``closed`` (by hand on a CPU: perceptrons, and single
            examples in networks of convolutions), ``plain`` (autograd through all steps),
            ``adjoint`` (by Hessian-vector products: no graph of the steps is kept), ``compiled``,
            or ``auto``: what is fastest and right, ``adjoint`` where memory is ``low``, and
            ``compiled`` where `compile` is set.
        **options: Those of `tlml.GradientLearner`.

    Raises:
        TlmlError: An option is out of range, the strategy has no such rates, or the network does
            not fit the view.
    """

    problem_type = LamamlProblem
    learns_alpha: ClassVar[bool] = True
    steers: ClassVar[tuple[str, ...]] = ("alpha_init", "alpha_lr")
    refused: ClassVar[tuple[str, ...]] = ("lr", "optimizer", "momentum", "weight_decay", "fused")

    def __init__(
        self,
        network: str | nn.Module = "auto",
        strategy: Strategy | str | dict[str, Any] | None = "meta_sgd",
        *,
        variant: Literal["official", "paper"] = "official",
        order: Literal["first", "second"] = "first",
        loss_at: Literal["last", "mean"] | None = None,
        inner_relu: bool | None = None,
        inner_clip: float | None = None,
        grad_clip_norm: float | None = None,
        glances: int | None = None,
        permute: bool | None = None,
        with_replacement: bool | None = None,
        push: Literal["once", "epoch", "glance"] | None = None,
        inner_batch: int = 1,
        replay: int = 10,
        memory_size: int = 200,
        alpha_init: float = 0.15,
        alpha_lr: float = 0.3,
        path: Literal["auto", "plain", "adjoint", "closed", "compiled"] = "auto",
        **options: Any,
    ) -> None:
        self._check_options(options)
        check_choice("order", order, ("first", "second"))
        check_choice("path", path, PATHS)
        check_positive(inner_batch=inner_batch, inner_clip=inner_clip, alpha_init=alpha_init)
        chosen = _preset(
            variant, loss_at=loss_at, inner_relu=inner_relu, grad_clip_norm=grad_clip_norm,
            glances=glances, permute=permute, with_replacement=with_replacement, push=push,
        )  # fmt: skip
        check_not_negative(alpha_lr=alpha_lr, grad_clip_norm=chosen.grad_clip_norm)
        self.recipe = Recipe(
            order, chosen.loss_at, chosen.inner_relu, inner_clip, inner_batch, self.learns_alpha
        )
        self.permute, self.with_replacement = chosen.permute, chosen.with_replacement
        self.push, self.grad_clip_norm = chosen.push, chosen.grad_clip_norm
        self.alpha_init, self.alpha_lr, self.asked_path = alpha_init, alpha_lr, path
        self._paths: dict[Any, Chosen] = {}
        super().__init__(
            network, _with_rate(strategy, alpha_init), glances=chosen.glances, replay=replay,
            memory_size=memory_size, **options,
        )  # fmt: skip

    # The algorithm

    def training_step(self, batch: Step, batch_idx: int) -> Tensor:
        """Look at a batch some times, and return the loss of the last look.

        All is done then: no parameter gets a gradient of what is returned, and the optimiser's step
        only counts the batch. (Lightning's manual optimisation warns of every checkpoint.)
        """
        loss = self.observe(batch)
        self.log_sparsely({"train_loss": loss}, batch_size=len(batch.task))
        return loss.detach().requires_grad_()

    def observe(self, batch: Step) -> Tensor:
        """Look at a batch as often as `glances` says, with Sample(R), and show it to R.

        Returns:
            The meta-loss of the last look.

        Raises:
            DivergedError: A meta-loss isn't finite.
        """
        for glance in range(self.glances):
            step = _permuted(batch) if self.permute else batch
            replay = self._replayed()  # before this look shows R anything
            loss = self._look(Rows(*step.batch, step.task), replay)
            if self._pushes(glance):
                self.remember(step)
        return loss

    def meta_update(self, batch: Batch, replay: Batch | None = None) -> Tensor:
        """Look once at a batch, in the order given, and change θ and α in place.

        Nothing is drawn, and nothing shown to the memory. It needs no Trainer.

        Args:
            batch: The batch b: ``Batch(x [k, ...], y [k, ...])``.
            replay: Sample(R), if there is any.

        Returns:
            The meta-loss.

        Raises:
            DivergedError: It isn't finite.
        """
        return self._look(Rows(*batch), None if replay is None else Rows(*replay))

    @property
    def alpha(self) -> dict[str, Tensor]:
        """The rates α by parameter name: those of the strategy, to be changed in place."""
        rates: dict[str, Tensor] = self.strategy.rates  # type: ignore[assignment]
        return rates

    def _look(self, own: Rows, replay: Rows | None) -> Tensor:
        """Take the inner steps, then step α and θ down the meta-loss."""
        network = self.built()
        theta = {name: p for name, p in network.named_parameters() if p.requires_grad}
        rates = self.alpha
        alpha = {name: rates[name] for name in theta}
        dtype = next(iter(theta.values())).dtype
        glance = Glance(theta, alpha, _cast(own, dtype), replay and _cast(replay, dtype))
        objective = Objective(network, self.criterion, self._mask())
        path = self._path(objective, glance)
        with torch.enable_grad():
            slopes = path.path.slopes(objective, self.recipe, glance)
        self._checked(slopes.loss)
        with torch.no_grad():
            self._step_alpha(alpha, slopes)  # (a)
            self._step_theta(theta, alpha, slopes)  # (b)
        return slopes.loss

    def _step_alpha(self, alpha: dict[str, Tensor], slopes: Slopes) -> None:
        """Step α down the gradient by η."""
        size = -self.alpha_lr * self._clip(slopes.alpha)
        for name, slope in slopes.alpha.items():
            alpha[name].add_(slope, alpha=size)

    def _step_theta(
        self, theta: dict[str, nn.Parameter], alpha: dict[str, Tensor], slopes: Slopes
    ) -> None:
        """Step θ down the gradient by max(0, α), of the α that has just been stepped."""
        size = -self._clip(slopes.theta)
        for name, slope in slopes.theta.items():
            theta[name].addcmul_(slope, alpha[name].relu(), value=size)

    def _clip(self, slopes: dict[str, Tensor]) -> float:
        """Return by what gradients are multiplied so that their norm is not above the limit."""
        if not self.grad_clip_norm or not slopes:
            return 1.0
        norms = [torch.linalg.vector_norm(slope).item() for slope in slopes.values()]
        return float(min(1.0, self.grad_clip_norm / (math.hypot(*norms) + 1e-6)))

    # What a look is taken at

    def _replayed(self) -> Rows | None:
        """Return Sample(R): as many examples as `replay` says, or as there are."""
        memory = self.kept_examples()
        n = min(self.replay, len(memory))
        if not n:
            return None
        if self.with_replacement:
            places = memory.draw(n)
        else:
            places = torch.randperm(len(memory))[:n].to(memory.x.device)
        return Rows(*memory.at(places), memory.task.index_select(0, places))

    def _pushes(self, glance: int) -> bool:
        """Say whether the memory is shown the batch with this look."""
        if glance or self.push == "glance":
            return self.push == "glance"
        view = self.current_view()
        again = isinstance(view, StreamView) and self.current_epoch % view.epochs > 0
        return self.push == "epoch" or not again

    def _mask(self) -> Any:
        view = self.current_view()
        return view.masked if isinstance(view, StreamView) and view.scenario is not None else None

    def _path(self, objective: Objective, glance: Glance) -> Chosen:
        """Return the path for glances of this kind, and name a new one in the log."""
        (x, y, _), theta = glance.own, glance.theta
        first = next(iter(theta.values()))
        device = first.device
        cast = torch.is_autocast_enabled(device.type)
        key = (
            id(objective.network), len(theta), first.dtype, device, cast, x.dim(), y.dim(), y.dtype,
        )  # fmt: skip
        if key not in self._paths:
            asked = self.asked_path
            if asked == "auto" and self.compiled is not None:
                asked = "compiled"
            elif asked == "auto" and self.memory == "low":
                asked = "adjoint"
            chosen = choose_path(asked, objective, self.recipe, glance, self.replay)
            self._paths[key] = chosen
            rank_zero_info(f"{self._name()}: glances take path {chosen.path.name} ({chosen.why})")
        return self._paths[key]

    # What the core asks

    def _build(self, network: nn.Module) -> None:
        super()._build(network)
        rates = getattr(self.strategy, "rates", {})
        for name, parameter in network.named_parameters():
            if name not in rates or rates[name].shape != parameter.shape:
                raise TlmlError(
                    f"strategy: {self._name()} keeps a rate for each entry of each parameter in "
                    f"it, and {type(self.strategy).__name__} has none for '{name}'; take meta_sgd"
                )

    def check(self, view: View) -> None:
        """Raise where a Trainer would do something to gradients that it does not see.

        Raises:
            TlmlError: It would.
        """
        super().check(view)
        trainer = self._trainer
        if trainer is None:  # a suite asks before there is one
            return
        if scales_losses(trainer):
            raise TlmlError(
                f"precision: 16-mixed scales losses, which {self._name()} does not; take "
                "precision bf16-mixed or 32-true"
            )
        if trainer.gradient_clip_val or trainer.accumulate_grad_batches != 1:
            raise TlmlError(
                f"gradient_clip_val, accumulate_grad_batches: {self._name()} takes its steps "
                "itself, one a look; take its grad_clip_norm, or a larger batch_size"
            )

    def _check_glances(self) -> None:
        """Raise nothing: looks are no steps of the Trainer's optimiser."""

    def remarks(self, view: StreamView) -> Iterator[str]:
        """Yield what a user should know of the network."""
        if has_batchnorm(self.built()):
            yield (
                "BatchNorm keeps to the statistics that it begins with, as single examples have "
                "none; R is measured by them too. GroupNorm stores none"
            )

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return one whose steps are counted and change nothing: no parameter has a gradient."""
        return torch.optim.SGD(self.parameters(), lr=1.0)

    def _name(self) -> str:
        return default_registry().name_of(type(self))

    def _check_options(self, options: dict[str, Any]) -> None:
        for name in self.refused:
            if name in options:
                raise OptionError(
                    f"{name}: {self._name()} steps by rates of its own; take alpha_init, alpha_lr"
                )


def _preset(variant: str, **given: Any) -> _Preset:
    """Return what a variant says, but for what is given."""
    check_choice("variant", variant, _VARIANTS)
    chosen = _VARIANTS[variant]._replace(**{k: v for k, v in given.items() if v is not None})
    check_choice("loss_at", chosen.loss_at, ("last", "mean"))
    check_choice("push", chosen.push, ("once", "epoch", "glance"))
    return chosen


def _with_rate(strategy: Any, rate: float) -> Any:
    """Return what names a strategy, with the rate that it starts with unless it says one."""
    if strategy is None or isinstance(strategy, Strategy):
        return strategy
    named: dict[str, Any] = {"name": strategy} if isinstance(strategy, str) else dict(strategy)
    return {**named, "options": {"lr": rate, **named.get("options", {})}}


def _cast(rows: Rows, dtype: torch.dtype) -> Rows:
    """Return rows in a precision; whole numbers as they are."""
    x, y = (part.to(dtype) if part.is_floating_point() else part for part in rows[:2])
    return Rows(x, y, rows.task)


def _permuted(step: Step) -> Step:
    order = torch.randperm(len(step.task)).to(step.task.device)
    x, y, task = (part.index_select(0, order) for part in (*step.batch, step.task))
    return Step(Batch(x, y), task)


@contextmanager
def _not_negative(rates: dict[str, Tensor]) -> Iterator[None]:
    """Let no rate be below 0 inside the block."""
    before = {name: rate.detach().clone() for name, rate in rates.items()}
    try:
        with torch.no_grad():
            for rate in rates.values():
                rate.clamp_(min=0)
        yield
    finally:
        with torch.no_grad():
            for name, rate in rates.items():
                rate.copy_(before[name])
