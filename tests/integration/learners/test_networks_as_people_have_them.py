from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from built import TwoHeads
from gymnasium.spaces import Box
from peoples_networks import snapshot, unchanged
from stations import stations
from tiny import Tables
from torch import Tensor, nn

import tlml
from tlml import TlmlError
from tlml.finetuning.module import replace_head
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


@pytest.mark.parametrize("name", ["full", "batchnorm", "tent"])
def test_a_batchnorm_in_two_places_is_after_a_test_as_it_was_before(name: str) -> None:
    norm = nn.BatchNorm1d(4)
    net = nn.Sequential(nn.Linear(2, 4), norm, nn.Tanh(), nn.Linear(4, 4), norm, nn.Linear(4, 3))
    domain, learner = Tables(classes=3), tlml.learner("supervised", network=net)
    learner.view(domain)
    before, buffers = snapshot(net), {key: value.clone() for key, value in net.named_buffers()}
    view = tlml.EpisodeView(domain, shots=2, queries=2, episodes=3, adapt=tlml.strategy(name))
    found = []
    for _ in range(2):
        pl.Trainer(**LIGHT).test(learner, view, verbose=False)
        found.append([record["loss"] for record in learner.records])
    assert found[0] == found[1]
    assert unchanged(net, before)
    assert all(torch.equal(value, buffers[key]) for key, value in net.named_buffers())


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


class Inside(nn.Module):
    """A head that a Sequential before it holds, too."""

    def __init__(self) -> None:
        super().__init__()
        head = nn.Linear(8, 1)
        self.net = nn.Sequential(nn.Linear(1, 8), nn.ReLU(), head)
        self.head = head

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[n, 1]`` to ``[n, 1]``."""
        scores: Tensor = self.net(x)
        return scores


HEADS = ["linear_probe", "lp_ft", "lora", "gradual_unfreeze", "freeze_generic", "discriminative_lr"]
NOT_CALLED = r"^head: 'heads.b' is not called; name the layer that gives the outputs 'head'$"


@pytest.mark.parametrize("name", HEADS)
def test_a_head_that_is_not_called_is_refused_by_what_treats_it_otherwise(name: str) -> None:
    learner, domain = tlml.learner("supervised", network=TwoHeads()), tlml.domain("sinusoid")
    learner.view(domain)
    options = {"rank": 1} if name == "lora" else {}
    view = tlml.EpisodeView(domain, adapt=tlml.strategy(name, **options))
    with pytest.raises(TlmlError, match=NOT_CALLED):
        adapter_for(learner, view)


@pytest.mark.parametrize(
    ("name", "options"),
    [("anil", {}), ("boil", {}), ("maml", {"strategy": "head_sgd"}),
     ("maml", {"strategy": "body_sgd"}), ("supervised", {"strategy": "linear_probe"})],
)  # fmt: skip
def test_a_head_that_is_not_called_is_refused_by_learners_that_adapt_it(
    name: str, options: dict[str, str]
) -> None:
    with pytest.raises(TlmlError, match=NOT_CALLED):
        tlml.learner(name, network=TwoHeads(), **options).view(tlml.domain("sinusoid"))


def test_who_needs_no_head_takes_a_network_whose_head_is_not_found() -> None:
    learner = tlml.learner("supervised", network=TwoHeads())
    view = learner.view(tlml.domain("sinusoid"), samples=20)
    pl.Trainer(max_epochs=1, **LIGHT).fit(learner, view)
    view = tlml.EpisodeView(tlml.domain("sinusoid"), shots=5, episodes=1)
    assert len(_tested(learner, view)) == 1
    view = tlml.EpisodeView(tlml.domain("sinusoid"), head="new")
    with pytest.raises(TlmlError, match=NOT_CALLED):
        adapter_for(learner, view)


@pytest.mark.parametrize("name", [*HEADS, "head_sgd", "body_sgd"])
def test_a_head_inside_the_body_is_the_head(name: str) -> None:
    net, domain = Inside(), tlml.domain("sinusoid")
    learner = tlml.learner("maml" if "sgd" in name else "supervised", network=net)
    learner.view(domain)
    options = {"rank": 1} if name == "lora" else {}
    view = tlml.EpisodeView(domain, adapt=tlml.strategy(name, **options))
    view.setup("test")
    problem = learner.problem(adapter_for(learner, view).turned_to((0,)))
    start = problem.start()
    found = next(problem.steps(start, view.dataset("target")[0].support))
    moved = {n for n, value in start.items() if not torch.equal(found[n], value)}
    head = {"net.2.weight", "net.2.bias"}
    expected = {
        "body_sgd": set(start) - head, "discriminative_lr": set(start),
        "lora": head | {"net.0.parametrizations.weight.0.up"},
    }  # fmt: skip
    assert moved == expected.get(name, head)


class Tied(nn.Module):
    """Scores words by the weight that embeds them."""

    def __init__(self, bias: bool) -> None:
        super().__init__()
        self.embedding, self.body = nn.Embedding(7, 6), nn.Linear(6, 6)
        self.head = nn.Linear(6, 7, bias=bias)
        self.head.weight = self.embedding.weight

    def forward(self, x: Tensor) -> Tensor:
        """Map words ``[n]`` to ``[n, 7]``."""
        scores: Tensor = self.head(self.body(self.embedding(x.long())))
        return scores


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", [*HEADS, "head_sgd", "body_sgd"])
def test_a_head_that_is_tied_is_refused_by_what_treats_it_otherwise(name: str, bias: bool) -> None:
    with pytest.raises(TlmlError, match=r"^head: its weight is tied to 'embedding.weight'; untie"):
        tlml.param_groups(Tied(bias), tlml.strategy(name))


@pytest.mark.parametrize("name", ["full", "sgd"])
def test_who_treats_all_alike_takes_a_head_that_is_tied(name: str) -> None:
    (group,) = tlml.param_groups(Tied(bias=True), tlml.strategy(name))
    assert group["names"] == ["embedding.weight", "body.weight", "body.bias", "head.bias"]


def test_a_new_head_takes_every_place_of_the_old() -> None:
    net = Inside()
    learner = tlml.learner("supervised", network=net)
    learner.view(tlml.domain("sinusoid"))
    space = Box(-9.0, 9.0, (3,))
    replace_head(learner, replace(learner.view_spaces, y=space))
    assert net.net[2] is net.head
    assert net(torch.zeros(2, 1)).tolist() == [[0.0] * 3] * 2


class Attending(nn.Module):
    """A body, torch's own transformer, and a head."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.body, self.encoder = nn.Linear(1, 8), nn.TransformerEncoder(layer, 1)
        self.head = nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[n, 1]`` to ``[n, 1]``."""
        scores: Tensor = self.head(self.encoder(self.body(x)[:, None])[:, 0])
        return scores


def _meta_loss(learner: tlml.GradientLearner, **options: int) -> Tensor:
    view = learner.view(tlml.domain("sinusoid"), **{"shots": 5, "tasks_per_batch": 2, **options})
    return learner.meta_loss(next(iter(view.train_dataloader())))


@pytest.mark.parametrize(
    "options",
    [{}, {"memory": "low"}, {"strategy": "implicit"}, {"vectorize": "loop"}, {"vectorize": "vmap"}],
)
def test_attention_is_differentiated_twice(options: dict[str, str]) -> None:
    torch.manual_seed(0)
    learner = tlml.learner("maml", network=Attending(), **options)
    _meta_loss(learner).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in learner.parameters())


class Bags(nn.Module):
    """A layer that torch differentiates once only."""

    def __init__(self) -> None:
        super().__init__()
        self.bag, self.head = nn.EmbeddingBag(5, 4), nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[n, 1]`` to ``[n, 1]``."""
        scores: Tensor = self.head(self.bag(x.long().clamp(0, 4)).tanh())
        return scores


def test_what_can_not_be_differentiated_twice_is_named() -> None:
    with pytest.raises(TlmlError, match=r"^Maml: embedding_bag\w* of the network can't be differ"):
        _meta_loss(tlml.learner("maml", network=Bags()))
    _meta_loss(tlml.learner("maml", network=Bags(), first_order=True)).backward()


class Saying(nn.Module):
    """A head whose outputs come as people like them."""

    def __init__(self, say: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.head, self.say = nn.Linear(1, 1), say

    def forward(self, x: Tensor) -> object:
        """Say it."""
        return self.say(self.head(x))


@pytest.mark.parametrize(
    ("say", "kind"),
    [(lambda y: (y, y), "tuple"), (lambda y: {"y": y}, "dict"), (lambda y: None, "NoneType")],
)
@pytest.mark.parametrize("name", ["maml", "supervised"])
def test_a_network_that_gives_no_tensor_is_refused(
    name: str, say: Callable[[Tensor], object], kind: str
) -> None:
    said = rf"^{name.title()}: the network gives a {kind}; the view needs a tensor \[n, 1\]$"
    with pytest.raises(TlmlError, match=said):
        tlml.learner(name, network=Saying(say)).view(tlml.domain("sinusoid"))


def _normed(outputs: int = 1) -> nn.Module:
    return nn.Sequential(nn.Linear(1, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, outputs))


def _soils() -> Any:
    """Classes of which a query may have a single example, for it is in time."""
    options = {"features": ["pressure"], "group": "site", "order": "day"}
    return tlml.table(stations(), target="soil", **options)


ALONE = r"BatchNorm can't take statistics of 1 example; take batchnorm='stored', or shots and que"


@pytest.mark.parametrize("path", ["loop", "stack", "vmap"])
@pytest.mark.parametrize("options", [{"shots": 1}, {"queries": 1}])
def test_batchnorm_on_one_example_is_refused_in_training(
    path: str, options: dict[str, int]
) -> None:
    learner = tlml.learner("maml", network=_normed(), vectorize=path)
    with pytest.raises(TlmlError, match=f"^{ALONE}"):
        _meta_loss(learner, **options)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("supervised", {"shots": 1, "adapt": "scratch"}),
        ("supervised", {"queries": 1, "adapt": "tent"}),
        ("maml", {"shots": 1}),
        ("maml", {"queries": 1}),
    ],
)
def test_batchnorm_on_one_example_is_refused_in_a_test(name: str, options: dict[str, Any]) -> None:
    tells_classes = options.get("adapt") == "tent"
    domain = _soils() if tells_classes else tlml.domain("sinusoid")
    learner = tlml.learner(name, network=_normed(3 if tells_classes else 1))
    learner.view(domain)
    if "adapt" in options:
        options = {**options, "adapt": tlml.strategy(options["adapt"])}
    view = tlml.EpisodeView(domain, episodes=2, **options)
    with pytest.raises(TlmlError, match=rf"^episode 0: {ALONE}"):
        _tested(learner, view)


def test_one_example_is_enough_where_stored_statistics_are_used() -> None:
    learner, domain = tlml.learner("supervised", network=_normed()), tlml.domain("sinusoid")
    learner.view(domain)
    view = tlml.EpisodeView(domain, shots=1, episodes=2, adapt=tlml.strategy("full"))
    assert len(_tested(learner, view)) == 2


def test_batchnorm_takes_moments_in_32_bits_where_passes_are_of_16() -> None:
    domain = tlml.domain("digits", size=8)
    options = {"channels": 4, "blocks": 2}
    learner = tlml.learner("supervised", network="conv4", network_options=options)
    learner.view(domain)
    view = tlml.EpisodeView(
        domain, shots=0, queries=2, episodes=2, adapt=tlml.strategy("batchnorm")
    )
    found = []
    for precision in ("32-true", "bf16-mixed"):
        pl.Trainer(precision=precision, **LIGHT).test(learner, view, verbose=False)
        found.append([record["accuracy"] for record in learner.records])
    assert found[1] == pytest.approx(found[0], abs=0.11)
