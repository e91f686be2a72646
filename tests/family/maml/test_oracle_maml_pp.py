"""MAML++ against what its authors published, in float64."""

from __future__ import annotations

import pytest
import torch
from family_oracles import KINDS, PATHS, RATE, check_equal, episode, made, slopes_of
from inner_loops import PROBLEMS, Rule, Values, differentiated, outer_loss
from torch import Tensor

import tlml


def weights_as_published(steps: int, epoch: int, epochs: int) -> list[float]:
    """Return the weights of the query losses as in the authors' program, entry by entry."""
    decay = 1.0 / steps / epochs
    least = 0.03 / steps
    early = [max(1.0 / steps - epoch * decay, least) for _ in range(steps - 1)]
    last = min(1.0 / steps + epoch * (steps - 1) * decay, 1.0 - (steps - 1) * least)
    return [*early, last]


def in_epoch(monkeypatch: pytest.MonkeyPatch, learner: tlml.GradientLearner, epoch: int) -> None:
    monkeypatch.setattr(type(learner), "current_epoch", property(lambda self: epoch))


@pytest.mark.parametrize("epoch", [0, 4, 9, 10, 30])
def test_maml_pp_weighs_the_losses_along_the_way_as_published(epoch, monkeypatch):
    learner = made("maml_pp", PROBLEMS["perceptron"].network(), multi_step_epochs=10)
    in_epoch(monkeypatch, learner, epoch)
    expected = weights_as_published(5, epoch, 10) if epoch < 10 else [0, 0, 0, 0, 1]
    assert learner.step_weights(5) == pytest.approx(expected, abs=1e-15)
    assert sum(learner.step_weights(5)) == pytest.approx(1)
    assert learner.step_weights(1) == pytest.approx((1.0,))


@KINDS
@PATHS
@pytest.mark.parametrize("epoch", [0, 3, 5, 7])
def test_maml_pp_equals_a_slow_reference_of_all_its_parts(kind, path, epoch, monkeypatch):
    learner = made(
        "maml_pp", PROBLEMS[kind].network(), multi_step_epochs=7, first_order_epochs=5,
        strategy=tlml.strategy("per_step_sgd", lr=RATE, steps=3), vectorize=path,
    )  # fmt: skip
    rng = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for value in learner.strategy.parameters():
            value += 0.1 * torch.randn(value.shape, generator=rng, dtype=value.dtype)
    in_epoch(monkeypatch, learner, epoch)
    params = {n: p.detach().clone().requires_grad_() for n, p in learner.built().named_parameters()}
    own = learner.strategy.named_parameters()
    learned = {n: p.detach().clone().requires_grad_() for n, p in own}
    norms = PROBLEMS[kind].norms

    def enter(step: int, now: Values, first: Values, learned: Values) -> Values:
        later = {n: learned[f"_later.{n.replace('.', '/')}"][step - 1] for n in norms if step}
        return {**now, **later}

    def change(name: str, step: int, slope: Tensor, learned: Values) -> Tensor:
        return learned[f"_rates.{name.replace('.', '/')}"][step] * slope

    rule = Rule(change, lambda name: name not in norms, enter, learned)
    weights = weights_as_published(3, epoch, 7) if epoch < 7 else None
    slow = outer_loss(PROBLEMS[kind], rule, params, 3, first_order=epoch < 5, weights=weights)
    expected = differentiated(
        slow,
        {f"network.{name}": value for name, value in params.items()},
        {f"strategy.{name}": value for name, value in learned.items()},
    )
    loss = learner.meta_loss(episode(kind))
    loss.backward()
    torch.testing.assert_close(loss.detach(), slow.detach(), rtol=1e-11, atol=0)
    zeros = {n: torch.zeros_like(p) for n, p in learner.named_parameters()}
    found = {n: zeros[n] if p.grad is None else p.grad for n, p in learner.named_parameters()}
    check_equal(found, expected)


def test_maml_pp_with_every_part_left_out_is_maml(monkeypatch):
    options = {"multi_step_epochs": 0, "first_order_epochs": 0, "cosine": False}
    found = []
    for name, more in (("maml_pp", options), ("maml", {})):
        inner = tlml.strategy("sgd", lr=RATE, steps=3)
        learner = made(name, PROBLEMS["convnet"].network(), strategy=inner, **more)
        found.append(slopes_of(learner, episode("convnet"))[1])
    check_equal(*found, 1e-14)
