"""Are a gradient learner's meta-gradients the same on every path, and its steps counted?"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from tlml.data.tasks import Batch, Episode, Params
from tlml.learners.gradient_learner import GradientLearner
from tlml.meta.contract import Vectorize
from tlml.meta.paths import can_stack_tasks, can_vmap
from tlml.testing.failure import doing, require
from tlml.testing.learner_trial import Trial
from tlml.testing.toys import LearnedRates
from tlml.views.base import View
from tlml.views.env import EnvView

_TOLERANCE = 1e-9  # relative, in float64


def check_gradients(trial: Trial) -> None:
    """Check the gradients of all parameters, the strategy's too, and that each step costs one loss.

    Raises:
        CheckFailed: A gradient differs between paths, or `loss` is called too often.
    """
    learner, view = _made(trial)
    _check_calls(trial, learner, view)
    spec = trial.subject.spec
    if spec is not None and not any("differentiable" in need for need in spec.needs):
        return  # it does not train through adaptation
    _check_paths(trial, learner, view)
    if "strategy" in inspect.signature(type(learner)).parameters:
        _check_paths(trial, *_made(trial, strategy=LearnedRates()))


def check_paths(
    label: str, learner: GradientLearner, episode: Episode, paths: Sequence[Vectorize] = ("vmap",)
) -> None:
    """Check that the meta-gradients of all parameters are equal by the loop and on other paths.

    Args:
        label: What messages call the learner.
        learner: In float64.
        episode: Tasks ``[T, n, ...]`` in float64.
        paths: ``vmap``, ``stack``.

    Raises:
        CheckFailed: One differs.
    """
    with doing(f"{label}: meta_loss() task by task"):
        loop = _meta_gradients(learner, episode, "loop")
    for path in paths:
        with doing(f"{label}: meta_loss() of all tasks together, by {path}"):
            together = _meta_gradients(learner, episode, path)
        for name, expected in loop.items():
            found = together[name]
            require(
                torch.allclose(found, expected, rtol=_TOLERANCE, atol=_TOLERANCE * 1e-3),
                f"{label}: the meta-gradient of '{name}' differs between loop and {path} by "
                f"{float((found - expected).abs().max()):.3g}; read parameters where they are "
                "used, keep none in tensors of your own, and average inside meta_loss()",
            )


def _made(trial: Trial, **options: Any) -> tuple[GradientLearner, View]:
    learner, view = trial.make(**options)
    assert isinstance(learner, GradientLearner)
    learner.configure_model()
    return learner.double(), view


def _check_paths(trial: Trial, learner: GradientLearner, view: View) -> None:
    able: dict[Vectorize, bool] = {"vmap": can_vmap(learner), "stack": can_stack_tasks(learner)}
    paths = [path for path, there in able.items() if there]  # `auto` takes no others
    episode: Any = next(iter(view.train_dataloader()))
    if isinstance(episode, Episode):
        check_paths(
            f"{trial.label} with {type(learner.strategy).__name__}", learner, episode, paths
        )


def _meta_gradients(learner: GradientLearner, episode: Episode, path: Any) -> dict[str, Tensor]:
    learner.vectorize = path
    learner.zero_grad()
    learner.meta_loss(episode).backward()  # type: ignore[no-untyped-call]
    return {
        name: torch.zeros_like(p) if p.grad is None else p.grad.clone()
        for name, p in learner.named_parameters()
    }


def _check_calls(trial: Trial, learner: GradientLearner, view: View) -> None:
    """Count how often a learner asks for its loss in the steps of its strategy."""
    calls = steps = 0
    loss, inner = learner.loss, learner.strategy.steps

    def counted_loss(params: Params, batch: Any) -> Tensor:
        nonlocal calls
        calls += 1
        return loss(params, batch)

    def counted_steps(*arguments: Any) -> Iterator[Params]:
        nonlocal steps
        for params in inner(*arguments):
            steps += 1
            yield params

    learner.loss = counted_loss  # type: ignore[method-assign]
    learner.strategy.steps = counted_steps  # type: ignore[method-assign, assignment]
    with doing(f"{trial.label}: adapted()"):
        learner.adapted(_support(view))
    require(
        calls == steps,
        f"{trial.label}: adapted() calls the loss {calls} times in {steps} inner steps; once in a "
        "step is enough (on environments a call collects rollouts)",
    )


def _support(view: View) -> Any:
    batch: Any = next(iter(view.train_dataloader()))
    if isinstance(view, EnvView):
        return batch[0]
    if isinstance(batch, Episode):
        return Batch(batch.support.x[0], batch.support.y[0])
    return getattr(batch, "source", None) or batch.batch
