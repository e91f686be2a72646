"""Does a strategy do what its spec gives, step by step and without side effects?"""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from tlml.data.tasks import Batch, Params
from tlml.errors import TlmlError
from tlml.learners.gradient_learner import GradientLearner
from tlml.meta.outer_gradient import one_task
from tlml.recorded import plain
from tlml.spec import Spec
from tlml.strategies.phases import Phase, joined_groups
from tlml.testing.failure import CheckFailed, doing, require
from tlml.testing.learner_gradients import check_paths
from tlml.testing.problem import NetworkOf, slopes, tiny_episode, tiny_learner, tiny_network
from tlml.testing.randomness import global_state, without_global_draws
from tlml.testing.strategy_claims import check_claims
from tlml.testing.strategy_form import check_form
from tlml.testing.subject import Given, Subject, find_subject

_TOLERANCE = 1e-5


def check_strategy(
    strategy: Given,
    spec: Spec | None = None,
    *,
    options: Mapping[str, Any] | None = None,
    network: NetworkOf = tiny_network,
) -> None:
    """Check that a strategy does what its spec gives, step by step and without side effects.

    Args:
        strategy: A registered name, a class path, a class or an object.
        spec: What it declares; that of the registered name where None.
        options: Of its constructor.
        network: Makes a network with 3 inputs and 2 outputs, where the strategy needs its own kind.

    Raises:
        CheckFailed: The first thing that is wrong, in one line.
    """
    subject = find_subject("strategy", strategy, spec, options)
    classes = _needs_classes(subject)
    _check_options(subject)
    check_form(subject)
    check_claims(subject, network, classes)
    if not (subject.gives("estimates") or subject.gives("relates")):
        support = one_task(tiny_episode(classes), 0).support
        _check_phases(subject, network)
        _check_steps(subject, network, support)
        _check_repeats(subject, network, support)
    if subject.gives("differentiable"):
        _check_differentiable(subject, network, classes)
    _check_life(subject, network)


def _needs_classes(subject: Subject) -> bool:
    needs = [need.split("|") for need in subject.spec.needs] if subject.spec else []
    return any("classification" in need and "regression" not in need for need in needs)


def _check_options(subject: Subject) -> None:
    made = subject.make()
    for name, value in plain(made.options).items():
        require(
            "given:" not in str(value),
            f"{subject.label}: option '{name}' is {str(value).removeprefix('given:')}, which no "
            "checkpoint can hold; take a number, a text, a list or a dict",
        )
    with doing(f"{subject.label}: making it again from its options"):
        type(made)(**plain(made.options))


def _check_phases(subject: Subject, network: NetworkOf) -> None:
    learner = _learner(subject, network)
    names = tuple(learner.start())
    with doing(f"{subject.label}: phases()"):
        phases: Any = learner.strategy.phases(names)
        listed = isinstance(phases, list | tuple) and all(isinstance(p, Phase) for p in phases)
        require(
            listed,
            f"{subject.label}: phases() gives a {type(phases).__name__}; return a list of "
            "tlml.Phase",
        )
        require(len(phases) > 0, f"{subject.label}: phases() gives none; give one at least")
        joined_groups(phases, names)


def _check_steps(subject: Subject, network: NetworkOf, support: Batch) -> None:
    learner = _learner(subject, network)
    params = learner.start()
    before = {name: value.detach().clone() for name, value in params.items()}
    calls = 0

    def loss(params: Params, batch: Any) -> Tensor:
        nonlocal calls
        calls += 1
        return learner.loss(params, batch)

    step = 0
    with without_global_draws(f"{subject.label}: steps()"), doing(f"{subject.label}: steps()"):
        for step, adapted in enumerate(_begun(subject, learner, loss, params, support), 1):
            require(
                isinstance(adapted, Mapping),
                f"{subject.label}: inner step {step} gives a {type(adapted).__name__}; yield a "
                "dict of parameters by name",
            )
            _check_calls(subject, step, calls)
            _check_step(subject, step, adapted, before)
    _check_calls(subject, step, calls)
    for name, value in params.items():
        require(
            torch.equal(value, before[name]) and value.grad is None,
            f"{subject.label}: steps() changes '{name}' of the parameters that it starts from; "
            "yield new tensors",
        )


def _begun(
    subject: Subject, learner: GradientLearner, loss: Any, params: Params, support: Batch
) -> Iterator[Any]:
    found: Any = learner.strategy.steps(loss, params, support)
    if not isinstance(found, Iterator):
        raise CheckFailed(
            f"{subject.label}: steps() returns a {type(found).__name__}; yield the parameters "
            "after each inner step, where it returns them"
        )
    return found


def _check_calls(subject: Subject, step: int, calls: int) -> None:
    require(
        calls == step,
        f"{subject.label}: after inner step {step} the loss was called {calls} times; call it "
        "once in a step and at no other time (on environments a call collects rollouts)",
    )


def _check_step(subject: Subject, step: int, adapted: Params, before: Params) -> None:
    where = f"{subject.label}: inner step {step}"
    missing = sorted(before.keys() ^ adapted.keys())
    require(not missing, f"{where} does not give the parameters it was given: {missing}")
    for name, value in adapted.items():
        require(
            value.shape == before[name].shape,
            f"{where} gives '{name}' the shape {list(value.shape)}, not {list(before[name].shape)}",
        )
        require(bool(torch.isfinite(value).all()), f"{where} makes '{name}' NaN or infinite")


def _check_repeats(subject: Subject, network: NetworkOf, support: Batch) -> None:
    with global_state(1):
        one = _learner(subject, network).adapted(support)
    with (
        global_state(2),
        torch.inference_mode(),
        doing(
            f"{subject.label}: adapting in inference mode, as a test does",
            "take gradients by tlml.gradient",
        ),
    ):
        other = _learner(subject, network).adapted(support)
    for name, value in one.items():
        require(
            torch.allclose(value, other[name], rtol=1e-10, atol=1e-12),
            f"{subject.label}: two adaptations to the same support differ in '{name}'; steps() "
            "must be a function of what it is given, in inference mode too",
        )


def _check_differentiable(subject: Subject, network: NetworkOf, classes: bool) -> None:
    learner = _learner(subject, network)
    task = one_task(tiny_episode(classes), 0)
    mend = "take gradients by tlml.gradient and detach nothing, or drop 'differentiable' from gives"
    with doing(f"{subject.label}: spec gives 'differentiable' but the meta-gradient fails", mend):
        found = slopes(lambda: learner.problem().task_loss(*task), dict(learner.named_parameters()))
    for name, (exact, difference) in found.items():
        require(
            abs(exact - difference) <= _TOLERANCE * (1 + abs(difference)),
            f"{subject.label}: spec gives 'differentiable' but along '{name}' the meta-gradient is "
            f"{exact:.6g} and the finite difference {difference:.6g}; {mend}",
        )
    require(
        any(abs(exact) > _TOLERANCE for exact, _ in found.values()),
        f"{subject.label}: spec gives 'differentiable' but the meta-gradient is zero; {mend}",
    )
    if getattr(learner.strategy, "batched", False):
        check_paths(subject.label, _learner(subject, network), tiny_episode(classes))


def _check_life(subject: Subject, network: NetworkOf) -> None:
    estimates = subject.gives("estimates") or subject.gives("relates")
    learner = None if estimates else _learner(subject, network)
    strategy = subject.make().claim(None) if learner is None else learner.strategy
    with doing(f"{subject.label}: pickling it", "no lambdas, no open files, no local classes"):
        pickle.loads(pickle.dumps(subject.make()))
        copied = pickle.loads(pickle.dumps(strategy))
    held = io.BytesIO()
    torch.save(strategy.state_dict(), held)
    held.seek(0)
    fresh = subject.make().claim(None) if learner is None else _learner(subject, network).strategy
    with doing(f"{subject.label}: loading its state into a new one"):
        fresh.load_state_dict(torch.load(held, weights_only=True))
    theirs = copied.state_dict()
    require(
        all(_same(value, theirs[name]) for name, value in strategy.state_dict().items()),
        f"{subject.label}: unpickled, its tensors differ",
    )
    try:
        strategy.claim(None)
    except TlmlError:
        return
    raise CheckFailed(
        f"{subject.label}: it lets two learners have it; leave claim() as it is and write attach()"
    )


def _same(value: Any, other: Any) -> bool:
    if isinstance(value, Mapping):  # an extra state, such as that of `NamedBuffers`
        return value.keys() == other.keys() and all(_same(value[k], other[k]) for k in value)
    return torch.equal(value, other) if isinstance(value, Tensor) else bool(value == other)


def _learner(subject: Subject, network: NetworkOf) -> GradientLearner:
    strategy = subject.make()
    with doing(f"{subject.label}: attaching it to a network"):
        return tiny_learner(strategy, network)
