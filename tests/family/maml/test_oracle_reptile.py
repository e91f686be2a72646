"""Reptile against its definition, in float64."""

from __future__ import annotations

import numpy as np
import torch
from family_oracles import KINDS, PATHS, RATE, check_equal, episode, made, slopes_of
from inner_loops import PROBLEMS, Values, differentiated

import tlml
from tlml import Batch


def ends(kind: str, params: Values, steps: int) -> list[Values]:
    """Return where plain gradient steps on each support end."""
    found = []
    for sx, sy, _, _ in zip(*PROBLEMS[kind].tasks(), strict=True):
        at = dict(params)
        for _ in range(steps):
            leaves = {name: value.detach().requires_grad_() for name, value in at.items()}
            slope = differentiated(PROBLEMS[kind].loss(leaves, sx, sy), leaves)
            at = {name: value - RATE * slope[name] for name, value in at.items()}
        found.append({name: value.detach() for name, value in at.items()})
    return found


@KINDS
@PATHS
def test_reptile_steps_towards_the_mean_of_the_ends(kind, path):
    learner = made(
        "reptile", PROBLEMS[kind].network(), strategy=tlml.strategy("sgd", lr=RATE, steps=4),
        lr=0.3, anneal=False, vectorize=path,
    )  # fmt: skip
    before = {n: p.detach().clone() for n, p in learner.built().named_parameters()}
    optimizer = learner.configure_optimizers()
    loss = learner.meta_loss(episode(kind))
    loss.backward()
    optimizer.step()
    found = ends(kind, before, 4)
    for name, value in learner.built().named_parameters():
        mean = torch.stack([end[name] for end in found]).mean(0)
        expected = before[name] + 0.3 * (mean - before[name])
        torch.testing.assert_close(value.detach(), expected, rtol=1e-12, atol=1e-14)
    queries = zip(found, *PROBLEMS[kind].tasks()[2:], strict=True)
    losses = [PROBLEMS[kind].loss(end, x, y) for end, x, y in queries]
    torch.testing.assert_close(loss.detach(), torch.stack(losses).mean(), rtol=1e-12, atol=0)


def test_reptile_takes_an_inner_loop_that_cannot_be_differentiated():
    network = PROBLEMS["perceptron"].network()
    inner = tlml.strategy("full", lr=0.05, steps=3)
    learner = made("reptile", network, strategy=inner)
    _, found = slopes_of(learner, episode("perceptron"))
    loss = learner.loss
    start = {n: p.detach() for n, p in network.named_parameters()}
    data = episode("perceptron").support
    adapted = [inner.adapt(loss, start, Batch(data.x[i], data.y[i])) for i in range(3)]
    check_equal(found, {n: p - sum(end[n] for end in adapted) / 3 for n, p in start.items()}, 1e-12)


@PATHS
def test_reptile_reads_a_support_part_by_part(path):
    learner = made(
        "reptile", PROBLEMS["perceptron"].network(), inner_batch=2, vectorize=path, seed=7,
        strategy=tlml.strategy("sgd", lr=RATE, steps=3),
    )  # fmt: skip
    start = {n: p.detach() for n, p in learner.built().named_parameters()}
    _, found = slopes_of(learner, episode("perceptron"))
    order = np.random.default_rng([7, 0, 0]).permutation(6).reshape(3, 2)
    total = {name: torch.zeros_like(value) for name, value in start.items()}
    for sx, sy, _, _ in zip(*PROBLEMS["perceptron"].tasks(), strict=True):
        at = start
        for part in order.tolist():
            leaves = {name: value.detach().requires_grad_() for name, value in at.items()}
            loss = PROBLEMS["perceptron"].loss(leaves, sx[part], sy[part])
            slope = differentiated(loss, leaves)
            at = {name: value - RATE * slope[name] for name, value in at.items()}
        total = {name: total[name] + (start[name] - at[name]) / 3 for name in total}
    check_equal(found, total, 1e-11)
