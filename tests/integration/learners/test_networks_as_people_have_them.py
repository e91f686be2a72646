from __future__ import annotations

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

import tlml
from tlml.learners.adapter import adapter_for

LIGHT = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}


def _tested(learner: tlml.Learner, view: tlml.EpisodeView) -> list[float]:
    pl.Trainer(**LIGHT).test(learner, view, verbose=False)
    return [round(record["mse"], 4) for record in learner.records]


def test_a_shared_activation_is_after_a_test_as_it_was_before() -> None:
    torch.manual_seed(0)
    act = nn.PReLU()
    net = nn.Sequential(nn.Linear(1, 40), act, nn.Linear(40, 40), act, nn.Linear(40, 1))
    learner, domain = tlml.learner("supervised", network=net), tlml.domain("sinusoid")
    learner.view(domain)
    view = tlml.EpisodeView(domain, shots=10, episodes=3, adapt=tlml.strategy("full"))
    for _ in range(2):
        assert _tested(learner, view) == [0.0715, 0.0724, 0.5762]
    assert act.weight.item() == 0.25
    assert isinstance(act.weight, nn.Parameter)


@pytest.mark.parametrize("vectorize", ["auto", "loop", "vmap"])
def test_a_block_in_two_places_gets_its_meta_gradient(vectorize: str) -> None:
    torch.manual_seed(0)
    block = nn.Sequential(nn.Linear(8, 8), nn.Tanh())
    net = nn.Sequential(nn.Linear(1, 8), block, block, nn.Linear(8, 1)).double()
    params = list(net.parameters())
    learner = tlml.learner("maml", network=net, vectorize=vectorize)
    view = learner.view(tlml.domain("sinusoid"), shots=5, tasks_per_batch=4, episodes=4)
    learner.meta_loss(next(iter(view.train_dataloader()))).backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in params)
    assert all(p is q for p, q in zip(params, net.parameters(), strict=True))


INNER = ["sgd", "meta_sgd", "per_step_sgd", "meta_curvature", "implicit", "body_sgd"]
TUNED = ["full", "lp_ft", "gradual_unfreeze", "discriminative_lr", "bss", "rkd", "l2_sp"]


@pytest.mark.parametrize("name", [*INNER, *TUNED, "scratch"])
def test_what_a_user_froze_is_adapted_by_no_strategy_but_scratch(name: str) -> None:
    net = nn.Sequential(nn.Linear(1, 8), nn.ReLU(), nn.Linear(8, 1))
    net[0].requires_grad_(False)
    kind, options = ("maml", {"strategy": name}) if name in INNER else ("supervised", {})
    learner, domain = tlml.learner(kind, network=net, **options), tlml.domain("sinusoid")
    learner.view(domain)
    view = tlml.EpisodeView(domain, shots=10, adapt=None if name in INNER else tlml.strategy(name))
    view.setup("test")
    problem = learner.problem(adapter_for(learner, view).turned_to((0,)))
    found = problem.adapted(view.dataset("target")[0].support)
    moved = {n for n, p in net.named_parameters() if not torch.equal(found[n], p)}
    head = {"2.weight", "2.bias"} if name != "body_sgd" else set()
    assert moved == (head | {"0.weight", "0.bias"} if name == "scratch" else head)
