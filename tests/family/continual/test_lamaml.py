"""La-MAML, its synchronous form and C-MAML against a slow implementation, on all paths."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from refusals import fails, stops
from tiny import Letters, Tables
from torch import Tensor, nn
from torch.nn import functional as F
from trainers import quiet_trainer

import tlml
from benchmarks.speed.lamaml_by_hand import ByHand
from tlml import Batch, EpisodeView, Step
from tlml.errors import DivergedError
from tlml.learners.keyed_draws import keyed_draws
from tlml_continual.lamaml_paths.layers import chain_of, perceptron_of

KINDS = ("lamaml", "sync_lamaml", "cmaml")
VARIANTS = ("official", "paper")
ORDERS = ("first", "second")
PATHS = ("plain", "adjoint", "closed")
CLASSES = 4


def _all(*choices: Any) -> list[tuple[Any, ...]]:
    return list(itertools.product(*choices))


def network(*middle: nn.Module, outputs: int = CLASSES, seed: int = 0) -> nn.Sequential:
    """Two hidden layers of odd sizes, whose biases are not 0."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        first, second = middle or (nn.ReLU(), nn.ReLU())
        made = nn.Sequential(
            nn.Linear(6, 9), first, nn.Linear(9, 7), second, nn.Linear(7, outputs)
        ).double()
        for name, parameter in made.named_parameters():
            if name.endswith("bias"):
                nn.init.normal_(parameter, std=0.3)
    return made


def draws(seed: int, k: int = 5, replay: int | None = 3) -> tuple[Batch, Batch | None]:
    """A batch and, unless None, replayed examples."""
    rng = torch.Generator().manual_seed(seed)

    def rows(n: int) -> Batch:
        x = torch.randn(n, 6, generator=rng, dtype=torch.float64)
        return Batch(x, torch.randint(CLASSES, (n,), generator=rng))

    return rows(k), None if replay is None else rows(replay)


def sides(kind: str, **options: Any) -> tuple[Any, ByHand]:
    """The learner, and the slow one with the same options and parameters."""
    net = network()
    variant = options.get("variant", "official")
    learner = tlml.learner(kind, network=net, alpha_init=0.3, **options).double()
    copy = [nn.Parameter(p.detach().clone()) for p in net.parameters()]

    def forward(x: Tensor, values: Any) -> Tensor:
        w1, b1, w2, b2, w3, b3 = values
        hidden = F.relu(F.linear(F.relu(F.linear(x, w1, b1)), w2, b2))
        return F.linear(hidden, w3, b3)

    slow = ByHand(
        forward, copy, 0.3, second=options.get("order") == "second",
        alpha_lr=None if kind == "cmaml" else learner.alpha_lr,
        lr=None if kind == "lamaml" else learner.lr,
        loss_at="mean" if variant == "official" else "last",
        inner_relu=options.get("inner_relu", variant == "official"),
        inner_clip=options.get("inner_clip"),
        clip=options.get("grad_clip_norm", 2.0 if variant == "official" else None) or None,
        inner_batch=options.get("inner_batch", 1),
    )  # fmt: skip
    return learner, slow


def look(slow: ByHand, own: Batch, replay: Batch | None) -> float:
    parts = [replay, own] if replay is not None else [own]
    meta = [torch.cat([part[i] for part in parts]) for i in range(2)]
    return slow.look(*own, *meta)


def distance(found: Any, right: Any) -> float:
    """The largest distance of a tensor from what is right, as a share of the latter's norm."""
    pairs = zip(found, right, strict=True)
    return max(float((a - b).detach().norm() / b.detach().norm()) for a, b in pairs)


@pytest.mark.parametrize(("kind", "variant", "order", "path"), _all(KINDS, VARIANTS, ORDERS, PATHS))
def test_trajectories_are_those_of_the_slow_implementation(
    kind: str, variant: str, order: str, path: str
) -> None:
    options = {} if kind == "cmaml" else {"alpha_lr": 2.0 if variant == "official" else 0.2}
    learner, slow = sides(kind, variant=variant, order=order, path=path, **options)
    for number in range(12):
        own, replay = draws(number, replay=None if number == 0 else 3)
        loss = learner.meta_update(own, replay)
        assert loss.item() == pytest.approx(look(slow, own, replay), rel=1e-9)
    assert distance(learner.network.parameters(), slow.theta) < 1e-9
    assert distance(learner.alpha.values(), slow.alpha) < 1e-9
    if kind != "cmaml":
        rates = torch.cat([rate.flatten() for rate in learner.alpha.values()])
        assert rates.unique().numel() > 50
        assert kind != "lamaml" or variant == "paper" or bool((rates < 0).any())


@pytest.mark.parametrize(
    "options",
    [
        {"inner_clip": 0.05}, {"inner_batch": 2}, {"inner_relu": False},
        {"loss_at": "last"}, {"grad_clip_norm": 0.0},
    ],
)  # fmt: skip
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("path", ["plain", "adjoint", "auto"])
def test_every_option_alone_does_what_it_says(
    options: dict[str, Any], order: str, path: str
) -> None:
    learner, slow = sides("lamaml", order=order, path=path, alpha_lr=0.1, **options)
    slow.loss_at = options.get("loss_at", "mean")
    for number in range(4):
        own, replay = draws(number)
        learner.meta_update(own, replay)
        look(slow, own, replay)
    assert distance(learner.network.parameters(), slow.theta) < 1e-9
    assert distance(learner.alpha.values(), slow.alpha) < 1e-9


@pytest.mark.parametrize(("variant", "order"), _all(VARIANTS, ORDERS))
def test_one_step_in_float32_is_that_of_float64(variant: str, order: str) -> None:
    """From many states: where a trajectory of the exact side passes."""
    learner, slow = sides("lamaml", variant=variant, order=order, grad_clip_norm=1.0, alpha_lr=0.05)
    single = tlml.learner(
        "lamaml", network=network(), variant=variant, order=order, grad_clip_norm=1.0,
        alpha_lr=0.05, alpha_init=0.3,
    ).float()  # fmt: skip
    for number in range(20):
        own, replay = draws(number)
        for mine, theirs in ((single.network.parameters(), slow.theta),
                             (single.alpha.values(), slow.alpha)):  # fmt: skip
            for to, value in zip(mine, theirs, strict=True):
                to.data.copy_(value)
                value.data.copy_(to)  # both from the same float32
        look(slow, own, replay)
        single.meta_update(own, replay)
        assert distance([flat(single.network.parameters())], [flat(slow.theta)]) < 1e-6
        assert distance([flat(single.alpha.values())], [flat(slow.alpha)]) < 3e-6
    assert learner.alpha.keys() == single.alpha.keys()


def flat(values: Any) -> Tensor:
    return torch.cat([value.detach().flatten().double() for value in values])


def perceptrons() -> dict[str, nn.Module]:
    return {
        "relu": network(),
        "tanh": network(nn.Tanh(), nn.Tanh()),
        "three": nn.Sequential(
            nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 4), nn.Tanh(),
            nn.Linear(4, CLASSES),
        ),
        "one": nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, CLASSES)),
    }  # fmt: skip


@pytest.mark.parametrize("loss_at", ["mean", "last"])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", list(perceptrons()))
@pytest.mark.parametrize("values", [False, True])
@pytest.mark.parametrize("path", ["adjoint", "closed"])
def test_paths_agree_on_perceptrons_of_all_forms_and_both_losses(
    kind: str, order: str, loss_at: str, values: bool, path: str
) -> None:
    found = []
    for taken in ("plain", path):
        net = perceptrons()[kind].double()
        if values:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(4)
                net[-1] = nn.Linear(net[-1].in_features, 2).double()
        learner = tlml.learner(
            "lamaml", network=net, order=order, loss_at=loss_at, path=taken, alpha_init=0.1,
            alpha_lr=0.1,
        ).double()  # fmt: skip
        if kind in ("three", "one"):
            rng = torch.Generator().manual_seed(2)
            for p in net.parameters():
                p.data.copy_(torch.randn(p.shape, generator=rng) * 0.5)
        for number in range(3):
            own, replay = draws(number)
            if values:
                own, replay = (Batch(x, x[:, :2].sin()) for x, _ in (own, replay))
            learner.meta_update(own, replay)
        found.append([*net.parameters(), *learner.alpha.values()])
    assert distance(found[1], found[0]) < 1e-10


def convolutions(*middle: nn.Module) -> nn.Sequential:
    """Two convolutions with all that they can have, and two linear layers."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        first, second, third = middle
        return nn.Sequential(
            nn.Conv2d(2, 3, 3, stride=2, padding=1), first,
            nn.Conv2d(3, 4, (2, 3), padding=(1, 0), dilation=(1, 2)), second,
            nn.Flatten(), nn.Linear(20, 6), third, nn.Linear(6, CLASSES),
        ).double()  # fmt: skip


@pytest.mark.parametrize("clip", [None, 0.05])
@pytest.mark.parametrize("loss_at", ["mean", "last"])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh])
def test_convolutions_by_hand_are_those_of_autograd(
    activation: type[nn.Module], order: str, loss_at: str, clip: float | None
) -> None:
    found = []
    for path in ("plain", "auto"):
        net = convolutions(nn.ReLU(), activation(), nn.Tanh())
        before = [p.detach().clone() for p in net.parameters()]
        learner = tlml.learner(
            "lamaml", network=net, order=order, loss_at=loss_at, path=path, alpha_init=0.1,
            alpha_lr=0.5, inner_clip=clip,
        ).double()  # fmt: skip
        rng = torch.Generator().manual_seed(5)
        for number in range(3):
            own, replay = (
                Batch(torch.randn(len(x), 2, 7, 9, generator=rng, dtype=x.dtype), y)
                for x, y in draws(number)
            )
            learner.meta_update(own, replay)
        [chosen] = learner._paths.values()
        assert chosen.path.name == ("plain" if path == "plain" else "closed")
        moves = [p - old for p, old in zip(net.parameters(), before, strict=True)]
        found.append([*moves, *(rate - 0.1 for rate in learner.alpha.values())])
    assert distance(found[1], found[0]) < 1e-9


def test_networks_that_are_no_chains_take_another_path() -> None:
    def chain(*layers: nn.Module) -> nn.Sequential:
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(8, 2))

    others = {
        "groups": chain(nn.Conv2d(2, 2, 3, groups=2), nn.ReLU()),
        "no bias": chain(nn.Conv2d(1, 2, 3, bias=False), nn.ReLU()),
        "other padding": chain(nn.Conv2d(1, 2, 3, padding=1, padding_mode="circular"), nn.ReLU()),
        "padding by name": chain(nn.Conv2d(1, 2, 3, padding="same"), nn.ReLU()),
        "pooling": chain(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2)),
        "norm": chain(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU()),
        "linear before": chain(nn.Linear(4, 4), nn.ReLU(), nn.Conv2d(1, 2, 3), nn.ReLU()),
        "twice linear": chain(nn.Conv2d(1, 2, 3)),
        "not flattened": nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Linear(2, 2)),
        "flattened in part": nn.Sequential(
            nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(2), nn.ReLU(), nn.Linear(2, 2)
        ),
        "perceptron": network(),
    }
    assert [name for name, net in others.items() if chain_of(net) is not None] == []
    found = chain_of(convolutions(nn.ReLU(), nn.Tanh(), nn.ReLU()))
    assert found is not None
    assert [link.weight for link in found] == ["0.weight", "2.weight", "5.weight", "7.weight"]
    assert [link.activation for link in found] == ["relu", "tanh", "relu", ""]
    assert found[1].patches == ((2, 3), (1, 2), (1, 0), (1, 1))


@pytest.mark.parametrize("loss_at", ["last", "mean"])
def test_the_first_order_gradient_of_rates_is_a_product_of_gradients(loss_at: str) -> None:
    """−∇L_m(θ_k) · Σ ∇ℓ(θ_i), where the loss is at θ_k."""
    learner, _ = sides("lamaml", variant="paper", loss_at=loss_at, alpha_lr=1.0, path="closed")
    net, (own, replay) = network(), draws(1)
    before = {name: rate.detach().clone() for name, rate in learner.alpha.items()}
    at = {name: p.detach() for name, p in net.named_parameters()}
    inner, outer = [], []
    meta = Batch(*(torch.cat(pair) for pair in zip(replay, own, strict=True)))
    for i in range(len(own.x)):
        inner.append(slopes(net, at, Batch(own.x[i : i + 1], own.y[i : i + 1])))
        at = {name: at[name] - before[name] * inner[-1][name] for name in at}
        outer.append(slopes(net, at, meta))
    learner.meta_update(own, replay)
    for name, rate in learner.alpha.items():
        if loss_at == "last":
            right = outer[-1][name] * sum(each[name] for each in inner)
        else:
            sums = [sum(each[name] for each in inner[: m + 1]) for m in range(len(inner))]
            right = sum(a[name] * b for a, b in zip(outer, sums, strict=True)) / len(inner)
        torch.testing.assert_close(rate - before[name], right, rtol=1e-9, atol=1e-12)


def slopes(net: nn.Module, at: dict[str, Tensor], batch: Batch) -> dict[str, Tensor]:
    leaves = {name: value.clone().requires_grad_() for name, value in at.items()}
    loss = F.cross_entropy(torch.func.functional_call(net, leaves, (batch.x,)), batch.y)
    return dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values())), strict=True))


@pytest.mark.parametrize("loss_at", ["last", "mean"])
def test_the_exact_gradient_of_rates_is_that_of_finite_differences(loss_at: str) -> None:
    options = {"variant": "paper", "order": "second", "loss_at": loss_at, "path": "closed"}
    own, replay = draws(3)

    def loss(moves: dict[str, Tensor], size: float) -> float:
        learner = tlml.learner(
            "lamaml", network=network(nn.Tanh(), nn.Tanh()), alpha_init=0.3, **options
        ).double()
        for name, move in moves.items():
            learner.alpha[name].data.add_(move, alpha=size)
        return float(learner.meta_update(own, replay))

    learner = tlml.learner(
        "lamaml", network=network(nn.Tanh(), nn.Tanh()), alpha_init=0.3, alpha_lr=1.0, **options
    ).double()
    before = {name: rate.detach().clone() for name, rate in learner.alpha.items()}
    learner.meta_update(own, replay)
    gradient = {name: before[name] - rate.detach() for name, rate in learner.alpha.items()}
    rng = torch.Generator().manual_seed(9)
    for _ in range(4):
        way = {n: torch.randn(r.shape, generator=rng, dtype=r.dtype) for n, r in before.items()}
        along = sum(float((gradient[name] * way[name]).sum()) for name in way)
        numeric = (loss(way, 1e-5) - loss(way, -1e-5)) / 2e-5
        assert along == pytest.approx(numeric, rel=1e-5, abs=1e-8)


def test_networks_that_are_no_perceptrons_take_another_path() -> None:
    shared = nn.Linear(6, 6)
    others = {
        "norm": nn.Sequential(nn.Linear(6, 5), nn.LayerNorm(5), nn.ReLU(), nn.Linear(5, 2)),
        "two activations": network(nn.Tanh(), nn.ReLU()),
        "no bias": nn.Sequential(nn.Linear(6, 5, bias=False), nn.ReLU(), nn.Linear(5, 2)),
        "gelu": network(nn.GELU(), nn.GELU()),
        "shared": nn.Sequential(shared, nn.ReLU(), shared, nn.ReLU(), nn.Linear(6, 2)),
        "twice linear": nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 2)),
        "linear": nn.Sequential(nn.Linear(6, 2)),
        "activation last": nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2), nn.ReLU()),
    }
    assert [name for name, net in others.items() if perceptron_of(net) is not None] == []
    hooked, frozen = network(), network()
    hooked[1].register_forward_hook(lambda *_: None)
    frozen[0].bias.requires_grad_(False)
    assert perceptron_of(hooked) is None
    assert perceptron_of(frozen) is None
    found = perceptron_of(tlml.networks.mlp((2, 3), 4, hidden=(5,)))
    assert found is not None
    assert found.weights == ("blocks.hidden1.linear.weight", "head.weight")
    assert found.flattens
    assert not perceptron_of(network()).flattens  # type: ignore[union-attr]


def test_frozen_parameters_stay_and_the_others_learn() -> None:
    net = network()
    net[0].weight.requires_grad_(False)
    learner = tlml.learner("lamaml", network=net).double()
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    learner.meta_update(*draws(0))
    same = {name: torch.equal(p, before[name]) for name, p in net.named_parameters()}
    assert [name for name, equal in same.items() if equal] == ["0.weight"]
    with stops("path: 'closed' can't be taken: the network is no perceptron"):
        other = tlml.learner("lamaml", network=net.__class__(*net), path="closed").double()
        other.meta_update(*draws(0))


def test_masked_classes_have_no_part_in_the_loss() -> None:
    """Tasks that are told: three paths on a stream of classes, with equal outcomes."""
    found = []
    for path in PATHS:
        learner = tlml.learner(
            "lamaml", network="mlp", network_options={"hidden": [6, 5]}, path=path, order="second",
            memory_size=8, replay=3, alpha_init=0.05, alpha_lr=0.05, glances=2,
        )  # fmt: skip
        view = learner.view(Letters(), ways=2, batch_size=4, scenario="task")
        learner.double()
        quiet_trainer(max_steps=6, max_epochs=-1, limit_val_batches=0).fit(learner, view)
        found.append(list(learner.network.parameters()))
    assert distance(found[1], found[0]) < 1e-9
    assert distance(found[2], found[0]) < 1e-9


class Seen(pl.Callback):
    """Keeps the batches of a fit."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Step, *_: Any) -> None:
        self.steps.append(batch)


@pytest.mark.parametrize(("kind", "variant"), _all(KINDS, VARIANTS))
def test_a_fit_is_glances_on_keyed_draws(kind: str, variant: str) -> None:
    """Sample(R) comes before what a look shows to R, which is once a batch."""
    options: dict[str, Any] = {
        "network": "mlp", "network_options": {"hidden": [6]}, "variant": variant, "glances": 2,
        "memory_size": 7, "replay": 3, "alpha_init": 0.02, "alpha_lr": 0.01, "seed": 3,
    }  # fmt: skip
    if kind != "lamaml":
        options["lr"] = 0.02
    learner = tlml.learner(kind, **options)
    view = learner.view(Tables(), batch_size=5)
    seen = Seen()
    trainer = quiet_trainer(max_steps=6, max_epochs=-1, limit_val_batches=0, callbacks=[seen])
    trainer.fit(learner, view)
    assert trainer.global_step == 6
    other = tlml.learner(kind, **options)
    other.meet(view.spaces)
    for number, step in enumerate(seen.steps):
        epoch, place = divmod(number, 2)
        with keyed_draws((3, epoch, place, 0), torch.device("cpu")):
            own = step.batch
            for look in range(2):
                if variant == "official":
                    order = torch.randperm(len(own.x))
                    given = Batch(own.x[order], own.y[order])
                else:
                    given = own
                memory, replay = other.buffer, None
                if len(memory):
                    n = min(3, len(memory))
                    if variant == "official":
                        places = torch.randint(len(memory), (n,))
                    else:
                        places = torch.randperm(len(memory))[:n]
                    replay = memory.at(places)
                other.meta_update(given, replay)
                if look == 0:
                    memory.push(given, step.task)
    for name, value in other.state_dict().items():
        torch.testing.assert_close(learner.state_dict()[name], value, rtol=0, atol=0)
    assert int(learner.buffer.age) == 30  # each example once an epoch


def test_a_fit_that_diverges_says_where() -> None:
    learner = tlml.learner(
        "lamaml", network="mlp", variant="paper", alpha_init=1e20, alpha_lr=0.3, memory_size=10
    )
    trainer = quiet_trainer(max_epochs=-1)
    message = (
        r"lamaml: the loss is (nan|inf) in step \d, in task 0; lower alpha_init \(1e\+20\) or "
        r"alpha_lr \(0\.3\)"
    )
    with pytest.raises(DivergedError, match=message):
        trainer.fit(learner, learner.view(Tables()))


def test_after_the_stream_learned_rates_adapt_to_new_tasks() -> None:
    learner = tlml.learner("lamaml", network="mlp", network_options={"hidden": [6]}, memory_size=10)
    view = learner.view(Letters(), ways=2, batch_size=4)
    quiet_trainer(max_epochs=-1, limit_val_batches=0).fit(learner, view)
    (rate, *_) = learner.alpha.values()
    rate.data[0] = -1.0
    before = {name: each.detach().clone() for name, each in learner.alpha.items()}
    episodes = EpisodeView(
        Letters(), ways=6, shots=1, queries=1, episodes=1, head="kept",
    )  # fmt: skip
    step = next(iter(episodes.test_dataloader()))
    support = Batch(step.support.x[0], step.support.y[0])
    learner.eval()
    net = learner.network
    start = {name: p.detach() for name, p in net.named_parameters()}
    way = slopes(net, start, support)
    moved = {name: start[name] - before[name].clamp(min=0) * way[name] for name in start}
    right = torch.func.functional_call(net, moved, (step.query.x[0],))
    torch.testing.assert_close(learner.predict(support, step.query.x[0]), right)
    assert all(torch.equal(before[name], each) for name, each in learner.alpha.items())


def test_learners_are_copied_and_pickled_with_their_paths() -> None:
    import copy
    import pickle

    learner, _ = sides("lamaml", order="second")
    learner.meta_update(*draws(0))
    for other in (copy.deepcopy(learner), pickle.loads(pickle.dumps(learner))):
        other.meta_update(*draws(1))
        assert not torch.equal(other.network[0].weight, learner.network[0].weight)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("lamaml", {"lr": 0.1},
         "lr: lamaml steps by rates of its own; take alpha_init, alpha_lr"),
        ("cmaml", {"momentum": 0.9},
         "momentum: cmaml steps by rates of its own; take alpha_init, alpha_lr"),
        ("lamaml", {"variant": "printed"}, "variant: 'printed' is not one of official, paper"),
        ("lamaml", {"path": "fast"},
         "path: 'fast' is not one of auto, plain, adjoint, closed, compiled"),
        ("lamaml", {"grad_clip_norm": -1.0}, "grad_clip_norm: must be at least 0, is -1.0"),
        ("lamaml", {"push": "never"}, "push: 'never' is not one of once, epoch, glance"),
        ("sync_lamaml", {"strategy": "sgd"},
         "strategy: sync_lamaml keeps a rate for each entry of each parameter in it, and Sgd has "
         "none for '0.weight'; take meta_sgd"),
    ],
)  # fmt: skip
def test_options_that_cannot_be_are_refused(kind: str, options: Any, message: str) -> None:
    with fails(message):
        tlml.learner(kind, network=network(), **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gradient_clip_val": 1.0},
         "gradient_clip_val, accumulate_grad_batches: lamaml takes its steps itself, one a look; "
         "take its grad_clip_norm, or a larger batch_size"),
        ({"accumulate_grad_batches": 2},
         "gradient_clip_val, accumulate_grad_batches: lamaml takes its steps itself, one a look; "
         "take its grad_clip_norm, or a larger batch_size"),
    ],
)  # fmt: skip
def test_what_a_trainer_does_to_gradients_is_refused(options: Any, message: str) -> None:
    learner = tlml.learner("lamaml", network="mlp", memory_size=10)
    with fails(message):
        quiet_trainer(max_epochs=-1, **options).fit(learner, learner.view(Tables()))
