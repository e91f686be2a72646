"""Changes of low rank: exact when merged, on episodes, at length and in checkpoints."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from adapting import adapted, interrupted, problem_of
from refusals import stops
from tiny import Tables
from torch import Tensor, nn
from torch.func import functional_call, vmap
from trainers import fitting_trainer

import tlml
from tlml import Batch, EpisodeView, PairView
from tlml.finetuning import Adaptation


def keyed(make: Any) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return make()


def network(dropout: float = 0.0) -> nn.Module:
    return keyed(
        lambda: nn.Sequential(
            nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Dropout(dropout),
            nn.Linear(4, 4), nn.Linear(4, 3),
        )
    )  # fmt: skip


def convolutions() -> nn.Module:
    return keyed(
        lambda: nn.Sequential(
            nn.Conv2d(2, 4, 3, stride=2, padding=1), nn.Tanh(), nn.Conv2d(4, 6, 3, groups=2),
            nn.Flatten(), nn.Linear(54, 3),
        )
    )  # fmt: skip


def sequences() -> nn.Module:
    return keyed(
        lambda: nn.Sequential(nn.Conv1d(2, 4, 3, dilation=2), nn.Flatten(), nn.Linear(16, 3))
    )


def volumes() -> nn.Module:
    return keyed(lambda: nn.Sequential(nn.Conv3d(1, 3, 2), nn.Flatten(), nn.Linear(24, 3)))


def draw(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def changed(net: nn.Module) -> None:
    """Give all changes some values."""
    with torch.no_grad():
        for name, value in net.named_parameters():
            if name.endswith((".up", ".down")):
                value.copy_(draw(*value.shape))


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (network, (5, 2)), (convolutions, (5, 2, 9, 9)), (sequences, (5, 2, 8)),
        (volumes, (5, 1, 3, 3, 3)),
    ],
)  # fmt: skip
def test_a_merged_network_gives_the_same_and_has_its_own_names_again(make: Any, shape: Any) -> None:
    net, x = make().double().eval(), draw(*shape)
    names, source = list(net.state_dict()), net(x)
    strategy = tlml.strategy("lora", rank=2, alpha=3.0).claim(net)
    torch.testing.assert_close(net(x), source, rtol=0, atol=0)
    changed(net)
    own = {name: value.clone() for name, value in net.state_dict().items()}
    expected = net(x)
    assert not torch.allclose(expected, source)
    strategy.merge(net)
    assert sorted(net.state_dict()) == sorted(names)
    torch.testing.assert_close(net(x), expected, rtol=1e-12, atol=1e-12)
    strategy.unmerge(net)
    assert net.state_dict().keys() == own.keys()
    for name, value in net.state_dict().items():
        torch.testing.assert_close(value, own[name], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(net(x), expected, rtol=1e-12, atol=1e-12)


def test_the_change_is_the_product_of_the_factors_over_the_rank() -> None:
    net = convolutions().double()
    before = net[2].weight.detach().clone()
    tlml.strategy("lora", rank=2, alpha=3.0).claim(net)
    changed(net)
    factors = net[2].parametrizations.weight[0]
    delta = 1.5 * torch.einsum("or,ri->oi", factors.up, factors.down).reshape(before.shape)
    torch.testing.assert_close(net[2].weight, before + delta)
    assert (factors.up.shape, factors.down.shape) == ((6, 2), (2, 18))


@pytest.mark.parametrize("head", [True, False])
def test_on_an_episode_the_changes_learn_and_the_head_if_it_shall(head: bool) -> None:
    net = network()
    strategy = tlml.strategy("lora", rank=2, head=head, steps=3, weight_decay=0.1)
    problem = problem_of(net, strategy)
    x = draw(6, 2).float()
    start = {name: value.detach().clone() for name, value in net.named_parameters()}
    found = problem.adapted(Batch(x, torch.arange(6) % 3))
    moved = {name for name in found if not torch.equal(found[name], start[name])}
    factors = {f"{i}.parametrizations.weight.0.{n}" for i in (0, 4) for n in ("down", "up")}
    assert moved == factors | ({"5.weight", "5.bias"} if head else set())


def test_patterns_say_which_layers() -> None:
    net = network()
    tlml.strategy("lora", rank=4, patterns=["4"]).claim(net)
    assert [name for name, _ in net.named_parameters() if "parametrizations" in name] == [
        f"4.parametrizations.weight.{name}" for name in ("original", "0.down", "0.up")
    ]


def test_it_runs_under_vmap_and_is_copied() -> None:
    net = network().double().eval()
    tlml.strategy("lora", rank=2).claim(net)
    changed(net)
    params = {name: torch.stack([p, 2 * p]) for name, p in net.named_parameters()}
    x = draw(5, 2)
    together = vmap(lambda own: functional_call(net, own, (x,)))(params)
    copied = copy.deepcopy(net)
    for i in range(2):
        alone = functional_call(copied, {name: value[i] for name, value in params.items()}, (x,))
        torch.testing.assert_close(together[i], alone)


def test_a_test_adapts_a_copy_and_leaves_the_learner_alone() -> None:
    domain = Tables(classes=3)
    learner = tlml.learner("supervised", network=network())
    learner.view(domain)
    names = list(learner.state_dict())
    losses = []
    for steps in (0, 30):
        adapt = tlml.strategy("lora", rank=2, steps=steps, lr=0.02)
        view = EpisodeView(domain, shots=3, queries=1, episodes=2, adapt=adapt)
        fitting_trainer().test(learner, view, verbose=False)
        losses.append(sum(record["loss"] for record in learner.records))
    assert list(learner.state_dict()) == names
    assert losses[1] < losses[0]


def test_what_was_adapted_is_loaded_and_merged(tmp_path: Path) -> None:
    domain = Tables(classes=3)
    view = PairView(domain, source=False, shots=3, queries=1)
    learner = tlml.learner("supervised", network="mlp", network_options={"hidden": [6, 5]})
    learner.meet(view.target_spaces)
    before = {name: value.clone() for name, value in learner.network.state_dict().items()}
    adaptation = Adaptation(learner, tlml.strategy("lora", rank=2, lr=0.02))
    run = fitting_trainer(max_epochs=5)
    run.fit(adaptation, datamodule=view)
    run.save_checkpoint(tmp_path / "lora.ckpt", weights_only=False)
    loaded = tlml.load(tmp_path / "lora.ckpt")
    x = draw(4, 2).float()
    expected = learner.network.eval()(x)
    assert torch.equal(loaded.network.eval()(x), expected)
    loaded.strategy.merge(loaded.network)
    torch.testing.assert_close(loaded.network(x), expected)
    after = loaded.network.state_dict()
    assert after.keys() == before.keys()
    moved = {name for name in before if not torch.equal(after[name], before[name])}
    layers = {f"blocks.hidden{i}.linear.weight" for i in (1, 2)}
    assert moved == layers | {"head.weight", "head.bias"}


def test_a_resumed_adaptation_equals_the_uninterrupted_one(tmp_path: Path) -> None:
    view = PairView(Tables(classes=3), source=False, shots=3, queries=1, batch_size=5)

    def make() -> Adaptation:
        learner = tlml.learner("supervised", network=network(0.2))
        learner.meet(view.target_spaces)
        return Adaptation(learner, tlml.strategy("lora", rank=2))

    whole, resumed = interrupted(tmp_path, make, view, list)
    assert all(torch.equal(value, resumed[key]) for key, value in whole.items())


def test_a_long_adaptation_is_a_function_of_the_seed() -> None:
    view = PairView(Tables(classes=3), source=False, shots=3, queries=1)
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        net = adapted(network(), tlml.strategy("lora", rank=2), view)
        found.append(net[0].parametrizations.weight[0].down)
    assert torch.equal(*found)


def test_what_does_not_fit_is_refused() -> None:
    with stops(
        "lora: rank=3 is more than the weight of '0' has, which is [4, 2]; take at most 2, or "
        "patterns that leave it out"
    ):
        tlml.strategy("lora", rank=3).claim(network())
    with stops("patterns: 'blocks.*' matches no linear layer or convolution; choose from 0, 4"):
        tlml.strategy("lora", patterns="blocks.*").claim(network())
    with stops("lora: Linear has no linear layer or convolution beside its head; take full"):
        tlml.strategy("lora").claim(nn.Linear(2, 2))
    net = network()
    first = tlml.strategy("lora", rank=2).claim(net)
    with stops("lora: '0' is parametrized already; merge that first (strategy.merge(network))"):
        tlml.strategy("lora", rank=2).claim(net)
    with stops("lora: the network is not merged"):
        first.unmerge(net)
    first.merge(net)
    with stops("lora: the network is already merged"):
        first.merge(net)
    with stops("lora: it is not attached to this Linear"):
        first.merge(nn.Linear(2, 2))


def test_the_default_rank_is_at_most_a_layers_smaller_side() -> None:
    net = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3))
    strategy = tlml.strategy("lora").claim(net)
    found = [net[i].parametrizations.weight[0].down.shape[0] for i in (0, 2)]
    assert found == [2, 4]
    strategy.merge(net)
    strategy.unmerge(net)
    assert [net[i].parametrizations.weight[0].down.shape[0] for i in (0, 2)] == found


@pytest.mark.parametrize("options", [{"rank": 0}, {"alpha": 0}])
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with stops(f"{next(iter(options))}: must be greater than 0, is 0"):
        tlml.strategy("lora", **options)
