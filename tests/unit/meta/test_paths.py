"""Which way the tasks of a batch are run, and what each way promises beside equal gradients."""

from __future__ import annotations

import copy
import weakref
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from waves import fails, learner_of, perceptron, same, slopes, waves

import tlml
from tlml import Batch, Episode, Episodes, GradientLearner
from tlml.meta import InnerProblem, Loop, first_divergence
from tlml.meta.paths import path_for
from tlml.networks import conv4, mlp
from tlml.testing.toys import LearnedRates


class OwnLoss(GradientLearner):
    def loss(self, params: Any, batch: Any) -> Tensor:
        return super().loss(params, batch).sqrt()


class RootProblem(InnerProblem):
    def standard_loss(self, params: Any, batch: Any) -> Tensor:
        return super().standard_loss(params, batch).sqrt()


class OwnProblem(GradientLearner):
    problem_type = RootProblem


class VouchedProblem(RootProblem):
    stackable = True


class Vouched(GradientLearner):
    problem_type = VouchedProblem


@pytest.mark.parametrize(
    ("made", "path", "why"),
    [
        (lambda: learner_of(mlp((2,), 1)), "stack", "every layer is known"),
        (lambda: learner_of(perceptron(nn.LayerNorm(6))), "stack", "every layer is known"),
        (lambda: learner_of(perceptron(nn.GroupNorm(2, 6))), "vmap", "under vmap"),
        (lambda: learner_of(perceptron(nn.PReLU())), "loop", "the network has other layers"),
        (lambda: learner_of(conv4((1, 16, 16), 3, channels=4)), "loop", "other layers"),
        (lambda: learner_of(mlp((2,), 1), tlml.strategy("full")), "loop", "strategy Full does not"),
        (lambda: OwnLoss(mlp((2,), 1), "sgd"), "vmap", "in a way of its own"),
        (lambda: OwnProblem(mlp((2,), 1), "sgd"), "vmap", "in a way of its own"),
        (lambda: Vouched(mlp((2,), 1), "sgd"), "stack", "every layer is known"),
        (lambda: learner_of(mlp((2,), 1), vectorize="loop"), "loop", "as vectorize says"),
        (
            lambda: learner_of(perceptron(nn.GroupNorm(2, 6)), memory="low"),
            "loop",
            "the network has other layers",
        ),
    ],
    ids=[
        "mlp", "layernorm", "groupnorm", "unknown layer", "convolutions", "not batched",
        "own loss", "own problem", "vouched for", "asked for", "low memory",
    ],
)  # fmt: skip
def test_auto_takes_what_is_known_to_be_right(made, path, why):
    chosen = path_for(made())
    assert chosen.name == path
    assert why in chosen.why


def test_watched_and_shared_layers_are_not_stacked():
    watched = mlp((2,), 1)
    watched.head.register_forward_hook(lambda *_: None)
    assert path_for(learner_of(watched)).name == "vmap"
    shared = perceptron()
    shared.append(shared[2])
    assert path_for(learner_of(shared)).name == "vmap"


def test_a_loss_replaced_in_the_object_is_not_stacked():
    learner = learner_of(mlp((2,), 1))
    learner.loss = lambda params, batch: torch.zeros(())  # type: ignore[method-assign]
    assert path_for(learner).name == "vmap"


def test_stacking_what_can_not_be_stacked_says_why():
    learner = learner_of(perceptron(nn.PReLU()), vectorize="stack")
    with fails(
        "vectorize: 'stack' does not go with Maml: the network has other layers than linear ones, "
        "norms and activations; take 'vmap', 'loop' or 'auto'"
    ):
        learner.meta_loss(waves())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"memory": "low", "vectorize": "vmap"}, "vectorize: 'vmap' does not go with memory='low'"),
        ({"compile": True, "vectorize": "vmap"}, "vectorize: 'vmap' does not go with compile=True"),
        ({"chunk_size": 0}, "chunk_size: must be greater than 0, is 0"),
        ({"memory": "tiny"}, "memory: 'tiny' is not one of normal, low"),
        ({"vectorize": "fast"}, "vectorize: 'fast' is not one of auto, vmap, stack, loop"),
    ],
)
def test_options_that_do_not_fit_are_refused_at_once(options, message):
    with fails(message):
        learner_of(mlp((2,), 1), **options)


def test_tasks_of_unequal_sizes_are_looped_over_and_averaged():
    learner = learner_of(perceptron(), LearnedRates(steps=2))
    tasks = [Episode(*(Batch(b.x[0], b.y[0]) for b in waves(1, n, n))) for n in (3, 5, 7)]
    found = slopes(learner, Episodes(tasks))
    alone = [
        slopes(learner, Episode(*(Batch(b.x[None], b.y[None]) for b in task))) for task in tasks
    ]
    same(found, {name: sum(one[name] for one in alone) / 3 for name in found})


def test_stacked_tasks_have_a_dropout_of_their_own():
    net = nn.Sequential(nn.Dropout(0.5), nn.Linear(2, 1, bias=False))
    nn.init.ones_(net[1].weight)
    learner = learner_of(net, tlml.strategy("sgd", lr=0.1, steps=0), vectorize="stack")
    batch = Batch(torch.ones(64, 1, 2).double(), torch.zeros(64, 1, 1).double())
    loss = float(learner.meta_loss(Episode(batch, batch)).detach())
    assert 0 < loss < 16  # one mask for all would give 0, 4 or 16
    assert loss != 4


def test_steps_computed_anew_drop_what_was_dropped():
    found = []
    for memory in ("normal", "low"):
        learner = learner_of(perceptron(nn.Dropout(0.5)), vectorize="loop", memory=memory)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(7)
            found.append(slopes(learner, waves()))
    same(*found)


def test_low_memory_keeps_no_graph_of_the_inner_steps():
    """Count what autograd keeps of activations until the outer gradient is taken."""

    class Kept:
        def __init__(self, tensor: Tensor) -> None:
            self.tensor = tensor

    def kept(memory: str, steps: int) -> int:
        alive: weakref.WeakSet[Kept] = weakref.WeakSet()

        def keep(tensor: Tensor) -> Kept:
            alive.add(one := Kept(tensor))
            return one

        learner = learner_of(
            mlp((2,), 1, hidden=[4, 4]), tlml.strategy("sgd", lr=0.1, steps=steps),
            vectorize="loop", memory=memory,
        )  # fmt: skip
        task = Episode(*(Batch(b.x[0], b.y[0]) for b in waves(1, 300)))
        problem = learner.problem(path=Loop(memory=memory))  # type: ignore[arg-type]
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda one: one.tensor):
            loss = problem.task_loss(*task)
        assert loss.requires_grad
        return sum(one.tensor.numel() for one in alive if one.tensor.numel() >= 300)

    query = kept("low", 0)
    assert kept("low", 4) == query
    assert kept("normal", 4) > 4 * query


def test_frozen_parameters_adapt_inside_and_are_not_trained():
    for path in ("loop", "stack", "vmap"):
        learner = learner_of(perceptron(), vectorize=path)
        first = next(learner.built().parameters())
        first.requires_grad_(False)
        found = slopes(learner, waves())
        assert "network.0.weight" not in found
        reference = learner_of(perceptron(), vectorize="loop")
        expected = slopes(reference, waves())
        same(found, {name: expected[name] for name in found})


def test_a_layer_that_changes_buffers_in_place_is_explained_under_vmap():
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("total", torch.zeros(6).double())

        def forward(self, x: Tensor) -> Tensor:
            self.total += x.detach().sum(0)
            return x

    learner = learner_of(perceptron(Counting()), vectorize="vmap")
    with fails(
        "vectorize: a layer of the network, or the strategy, can't run for several tasks at "
        "once; take vectorize='loop', or write it without changing tensors in place and "
        "without reading values out of them (torch says: "
    ):
        learner.meta_loss(waves())
    assert path_for(learner_of(perceptron(Counting()))).name == "loop"


def test_a_scaled_loss_scales_the_gradient():
    learner = learner_of(perceptron())
    plain = slopes(learner, waves())
    learner.zero_grad()
    (8 * learner.meta_loss(waves())).backward()
    same({n: p.grad / 8 for n, p in learner.named_parameters()}, plain)


@pytest.mark.parametrize("path", ["loop", "stack", "vmap"])
def test_autocast_to_bfloat16_gives_close_gradients(path):
    net = perceptron().float()
    learner = tlml.learner("maml", network=net, strategy="sgd", vectorize=path)
    data = Episode(*(Batch(b.x.float(), b.y.float()) for b in waves()))
    exact = slopes(learner, data)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = slopes(learner, data)
    for name, value in exact.items():
        assert rough[name].dtype == torch.float32
        assert float((rough[name] - value).norm()) < 0.05 * float(value.norm()) + 1e-3


@pytest.mark.parametrize("path", ["loop", "stack", "vmap"])
def test_the_scaler_of_half_precision_keeps_small_outer_gradients(path):
    net = perceptron().float()
    with torch.no_grad():
        net[2].weight *= 1e-4  # what comes through it is below the least half
        net[2].bias.zero_()
    strategy = tlml.strategy("sgd", lr=1e-4, steps=1)
    learner = tlml.learner("maml", network=net, strategy=strategy, vectorize=path)
    data = Episode(*(Batch(b.x.float(), 1e-3 * b.y.float()) for b in waves()))
    exact = slopes(learner, data)
    with torch.autocast("cpu", dtype=torch.float16):
        lost = slopes(learner, data)
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**14)
        learner._trainer = SimpleNamespace(precision_plugin=SimpleNamespace(scaler=scaler))
        learner.zero_grad()
        scaler.scale(learner.meta_loss(data)).backward()
        optimizer = torch.optim.SGD(learner.parameters(), 0.1)
        scaler.unscale_(optimizer)
    kept = {n: p.grad for n, p in learner.named_parameters()}

    def error(found: dict[str, Tensor], name: str) -> float:
        return float((found[name] - exact[name]).norm() / exact[name].norm())

    assert error(lost, "network.0.weight") > 0.2
    assert all(error(kept, name) < 0.02 for name in exact)


def test_overflow_of_a_scaled_gradient_skips_the_step():
    learner = tlml.learner("maml", network=perceptron().float(), strategy="sgd")
    data = Episode(*(Batch(b.x.float(), b.y.float()) for b in waves()))
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**60)
    learner._trainer = SimpleNamespace(precision_plugin=SimpleNamespace(scaler=scaler))
    before = {n: p.detach().clone() for n, p in learner.named_parameters()}
    optimizer = torch.optim.SGD(learner.parameters(), 0.1)
    with torch.autocast("cpu", dtype=torch.float16):
        loss = learner.meta_loss(data)
    assert bool(torch.isfinite(loss))
    scaler.scale(loss).backward()
    scaler.step(optimizer)
    scaler.update()
    assert all(torch.equal(before[n], p) for n, p in learner.named_parameters())
    assert scaler.get_scale() == 2.0**59


@pytest.mark.parametrize(
    ("path", "spoilt", "blamed"), [("stack", 2, (2, 2)), ("loop", 1, (1, 2)), ("vmap", 0, (0, 2))]
)
def test_a_diverging_inner_loop_is_traced_to_its_task_and_step(path, spoilt, blamed):
    learner = learner_of(perceptron(), tlml.strategy("sgd", lr=1e200, steps=3), vectorize=path)
    data = waves()
    for i in range(3):
        if i != spoilt:
            data.support.y[i] = learner.scores(learner.start(), data.support.x[i]).detach()
    assert not torch.isfinite(learner.meta_loss(data))
    assert first_divergence(learner, data) == blamed
    assert first_divergence(learner_of(perceptron()), waves()) is None


def test_training_stops_at_divergence_and_names_the_task_and_the_step():
    from tlml_maml.outer import outer_step

    learner = learner_of(perceptron(), tlml.strategy("sgd", lr=1e200, steps=3))
    with fails(
        "maml: the meta-loss is nan in step 0: task 0 of the batch diverged at inner step 2; "
        "lower the inner lr (1e+200) or the meta lr (0.001)"
    ):
        outer_step(learner, waves())


@pytest.mark.parametrize("bias", [True, False])
def test_layers_of_width_one_equal_the_loop(bias):
    with torch.random.fork_rng(devices=[]):
        net = nn.Sequential(
            nn.Linear(1, 6, bias=bias), nn.Tanh(), nn.Linear(6, 1, bias=bias), nn.Tanh(),
            nn.Linear(1, 1, bias=bias),
        )  # fmt: skip
    x = torch.randn(3, 5, 4, 1, dtype=torch.float64)  # four rows an example
    batch = Episode(Batch(x, x.sin()), Batch(x + 1, x.cos()))
    found = [
        slopes(learner_of(copy.deepcopy(net), vectorize=path), batch) for path in ("stack", "loop")
    ]
    same(*found)
