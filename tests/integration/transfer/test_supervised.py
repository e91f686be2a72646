"""Joint training on source, labelled and unlabelled target, by hand; BatchNorm of two domains."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from refusals import stops
from sklearn.linear_model import LogisticRegression
from tiny import Letters, Moved, Norms, Tables
from torch import Tensor, nn
from torch.nn import functional as F
from trainers import fitting_trainer

import tlml
from tlml import Context, PairView, Strategy

SMALL = {"network": "mlp", "network_options": {"hidden": [8]}}
DEEP = ["cdan", "dann", "jdot", "mcc"]


def fitted(learner: Any, view: PairView, **options: Any) -> pl.Trainer:
    trainer = fitting_trainer(**options)
    trainer.fit(learner, datamodule=view)
    return trainer


class Noting(Strategy):
    """Notes what its loss term sees, and draws the target's features to 0."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Context] = []

    def terms(self, context: Context) -> Mapping[str, Tensor]:
        self.seen.append(context)
        return {"noted": context.features_target.square().mean()}


# Joint training


@pytest.mark.parametrize("classes", [3, 0], ids=["classes", "values"])
def test_a_step_goes_down_the_loss_of_all_three_parts(classes: int) -> None:
    domain = Tables(classes=classes, train=20)
    strategy = Noting()
    learner = tlml.learner("supervised", strategy=strategy, optimizer="sgd", lr=0.1, **SMALL)
    view = learner.view(domain, batch_size=8, shots=2, unlabelled=True, queries=2)
    net = copy.deepcopy(learner.network)
    trainer = fitted(learner, view, max_steps=1, log_every_n_steps=1)

    batch = view.train_dataloader().dataset[0]
    loss = F.cross_entropy if classes else F.mse_loss
    losses = {
        "source": loss(net(batch.source.x), batch.source.y),
        "target": loss(net(batch.target.x), batch.target.y),
        "noted": net.features(batch.unlabelled).square().mean(),
    }
    assert [len(part.x) for part in batch[:2]] == [8, 2 * (classes or 1)]
    for name, value in losses.items():
        assert trainer.callback_metrics[f"train_{name}_loss"].item() == pytest.approx(value.item())
    total = torch.stack(list(losses.values())).sum()
    assert trainer.callback_metrics["train_loss"].item() == pytest.approx(total.item())
    slopes = torch.autograd.grad(total, list(net.parameters()))
    for parameter, slope, before in zip(
        learner.network.parameters(), slopes, net.parameters(), strict=True
    ):
        torch.testing.assert_close(parameter, before - 0.1 * slope)

    (context,) = strategy.seen
    assert torch.equal(context.source, batch.source.x)
    assert torch.equal(context.labels_source, batch.source.y)
    assert torch.equal(context.target, batch.unlabelled)
    torch.testing.assert_close(context.logits_target, net(batch.unlabelled))


@pytest.mark.parametrize("domain", [Moved(), Tables(train=30, test=30)], ids=["classes", "values"])
def test_a_few_target_labels_beside_the_source_help_on_the_target(domain: Any) -> None:
    losses = []
    for shots in (0, 4):
        learner = tlml.learner("supervised", lr=0.02, **SMALL)
        view = learner.view(domain, batch_size=30, shots=shots, queries=20)
        trainer = fitted(learner, view, max_epochs=20)
        losses.append(trainer.test(learner, view, verbose=False)[0]["test_loss"])
    assert losses[1] < 0.8 * losses[0]


@pytest.mark.parametrize("name", [*DEEP, "mmd"])
@pytest.mark.parametrize(
    ("given", "passes"),
    [
        ({"unlabelled": True}, 2),
        ({"shots": 2}, 2),
        ({"shots": 2, "unlabelled": True}, 3),
    ],
    ids=str,
)
def test_each_part_is_passed_through_the_network_once(
    name: str, given: dict[str, Any], passes: int
) -> None:
    # BatchNorm would mix the parts, and without it one pass serves them all.
    domain = Tables(classes=3)
    for norm, expected in ((nn.Identity(), 1), (nn.BatchNorm1d(8), passes)):
        width = domain.x.shape[0]
        net = nn.Sequential(nn.Linear(width, 8), norm, nn.ReLU(), nn.Linear(8, 3))
        learner = tlml.learner("supervised", network=net, strategy=name)
        view = learner.view(domain, batch_size=8, queries=2, **given)
        batch, sizes = next(iter(view.train_dataloader())), list[int]()
        parts = (batch.source.x, batch.target.x, batch.unlabelled)
        net.register_forward_hook(
            lambda net, given, _, sizes=sizes: sizes.append(len(given[0])) if net.training else None
        )
        fitted(learner, view, max_steps=2)
        assert len(sizes) == 2 * expected
        assert sum(sizes[:expected]) == sum(map(len, parts))


def test_one_pass_for_all_parts_is_the_same_as_one_for_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = []
    for apart in (False, True):
        if apart:
            monkeypatch.setattr("tlml_transfer.supervised.has_batchnorm", lambda network: True)
        learner = tlml.learner("supervised", strategy="mmd", **SMALL).double()
        view = learner.view(Tables(classes=3), batch_size=8, shots=2, queries=2, unlabelled=True)
        fitted(learner, view, max_steps=3)
        found.append(learner.network.state_dict())
    for key, value in found[0].items():
        torch.testing.assert_close(value, found[1][key], rtol=1e-4, atol=1e-6)


# Alignment


def aligned(domain: Any, name: str, weight: float, **more: Any) -> tuple[Any, PairView]:
    options = {"network": "mlp", "network_options": {"hidden": [16]}}
    strategy = tlml.strategy(name, weight=weight, **more)
    learner = tlml.learner("supervised", strategy=strategy, lr=0.01, **options)
    view = learner.view(domain, batch_size=30, unlabelled=True, queries=2)
    fitted(learner, view, max_epochs=40)
    return learner, view


@pytest.mark.parametrize(("name", "options"), [("mcc", {}), ("jdot", {"alpha": 0.01})])
def test_what_looks_at_predictions_finds_moved_classes_again(
    name: str, options: dict[str, float]
) -> None:
    domain, found = Moved(), []
    test = domain.tasks("target")[0].split("test")
    for weight in (0.0, 1.0):
        learner = aligned(domain, name, weight, **options)[0]
        with torch.no_grad():
            right = learner.predict_now(test.x).argmax(1) == test.y
        found.append(right.float().mean())
    assert found[0] < 0.9
    assert found[1] > 0.95


@pytest.mark.parametrize("name", ["dann", "cdan"])
def test_what_plays_against_a_discriminator_leaves_the_sides_hard_to_tell(name: str) -> None:
    domain, found = Moved(), []
    for weight in (0.0, 1.0):
        learner, view = aligned(domain, name, weight)
        with torch.no_grad():
            sides = view.source_examples().x, view.unlabelled_examples()
            features = torch.cat([learner.network.features(side) for side in sides]).numpy()
        side = [0] * len(sides[0]) + [1] * len(sides[1])
        found.append(LogisticRegression().fit(features, side).score(features, side))
    assert found[0] > 0.8
    assert found[1] < found[0] - 0.1


@pytest.mark.parametrize("name", DEEP)
def test_checkpoints_hold_what_aligns_and_a_resumed_fit_is_the_whole_one(
    name: str, tmp_path: Path
) -> None:
    def run(stop: bool, path: Path | None = None) -> dict[str, Tensor]:
        learner = tlml.learner("supervised", strategy=name, **SMALL)
        view = learner.view(Tables(classes=3), batch_size=18, unlabelled=True, queries=2)
        trainer = fitting_trainer(max_epochs=4, callbacks=[Stop()] if stop else None)
        trainer.fit(learner, datamodule=view, ckpt_path=path, weights_only=True)
        trainer.save_checkpoint(tmp_path / "last.ckpt", weights_only=False)
        return {key: value.clone() for key, value in learner.state_dict().items()}

    half = run(stop=True)
    assert any(key.startswith("strategy.") for key in half) is (name in ("cdan", "dann"))
    loaded = tlml.load(tmp_path / "last.ckpt").state_dict()
    assert loaded.keys() == half.keys()
    assert all(torch.equal(value, half[key]) for key, value in loaded.items())
    resumed, whole = run(stop=False, path=tmp_path / "last.ckpt"), run(stop=False)
    assert all(torch.equal(resumed[key], value) for key, value in whole.items())
    assert not torch.equal(half["network.head.weight"], whole["network.head.weight"])


class Stop(pl.Callback):
    """Ends a training after its second epoch of four."""

    def on_train_epoch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        trainer.should_stop = trainer.current_epoch == 1


def test_discriminators_begin_by_the_learners_key() -> None:
    def start(seed: int) -> Tensor:
        learner = tlml.learner("supervised", strategy="dann", seed=seed, **SMALL)
        learner.view(Tables(classes=3))
        return next(learner.strategy.parameters())

    torch.manual_seed(1)
    first = start(0)
    torch.manual_seed(2)
    assert torch.equal(start(0), first)
    assert not torch.equal(start(1), first)


@pytest.mark.parametrize("name", DEEP)
def test_without_target_examples_there_is_nothing_to_align_to(name: str) -> None:
    learner = tlml.learner("supervised", strategy=name, **SMALL)
    with stops(
        f"unlabelled: {name.title()} compares source and target, and the view has no target "
        "examples; set unlabelled=True (or shots above 0)"
    ):
        fitted(learner, learner.view(Tables(classes=3), batch_size=8), max_epochs=1)


@pytest.mark.parametrize("name", ["cdan", "jdot", "mcc"])
def test_other_labels_in_the_target_are_refused_by_what_predicts_them(name: str) -> None:
    learner = tlml.learner("supervised", strategy=name, **SMALL)
    view = learner.view(Letters(), batch_size=8, unlabelled=True, queries=2)
    with stops(
        f"{name.title()}: the target's labels (Discrete(5), of its episode) are not the source's "
        "(Discrete(6), of the pool), and it looks at the target by the source's; take a strategy "
        "that compares features alone, such as mmd"
    ):
        fitted(learner, view, max_epochs=1)


def test_features_alone_may_be_aligned_to_other_labels() -> None:
    learner = tlml.learner("supervised", strategy="dann", **SMALL)
    view = learner.view(Letters(), batch_size=8, unlabelled=True, queries=2)
    assert fitted(learner, view, max_steps=1).global_step == 1


class Tokens(nn.Module):
    """Its head sees every entry of an input by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(1, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Return the mean over the entries ``[n, 3]``."""
        found: Tensor = self.head(torch.tanh(self.body(x.reshape(-1, 1))))
        return found.reshape(len(x), -1, 3).mean(1)


@pytest.mark.parametrize("strategy", ["full", "mmd"])
def test_a_head_that_sees_other_rows_than_examples_is_trained(strategy: str) -> None:
    learner = tlml.learner("supervised", network=Tokens(), strategy=strategy)
    before = learner.network.body.weight.detach().clone()
    view = learner.view(
        Tables(classes=3, train=20), batch_size=8, queries=2, shots=2, unlabelled=True
    )
    fitted(learner, view, max_steps=2)
    assert not torch.equal(learner.network.body.weight, before)


def test_a_view_without_labels_is_refused() -> None:
    learner = tlml.learner("supervised", **SMALL)
    view = learner.view(
        Tables(classes=3, train=20), source=False, shots=0, unlabelled=True, queries=2
    )
    with stops("source: the view has no labels, and supervised learns from them; set source=True"):
        fitted(learner, view, max_steps=1)


# BatchNorm


def separated(strategy: Any = "full", outputs: int = 3, **options: Any) -> Any:
    torch.manual_seed(0)
    return tlml.learner(
        "supervised", network=Norms(2, outputs), strategy=strategy, separate_batchnorm=True,
        **options,
    )  # fmt: skip


@pytest.mark.parametrize("given", [{"unlabelled": True}, {"shots": 2}], ids=str)
def test_each_domain_stores_its_own_statistics(given: dict[str, Any]) -> None:
    learner = separated()
    view = learner.view(Tables(classes=3, train=20), batch_size=8, queries=2, **given)
    first = copy.deepcopy(learner.network.body[0])
    fitted(learner, view, max_steps=1)
    batch = view.train_dataloader().dataset[0]
    target = batch.unlabelled if "unlabelled" in given else batch.target.x
    assert len(target) > 1
    of_source, norm = learner.source_statistics.norms[0], learner.network.body[1]
    for stored, x in ((of_source, batch.source.x), (norm, target)):
        hidden = first(x).detach()
        torch.testing.assert_close(stored.running_mean, 0.1 * hidden.mean(0))
        torch.testing.assert_close(stored.running_var, 0.9 + 0.1 * hidden.var(0))
        assert stored.num_batches_tracked == 1
    assert len(list(learner.network.parameters())) == 6  # weights and biases are shared


def test_the_target_is_predicted_by_its_own_and_the_source_by_its() -> None:
    domain = Moved()
    learner = separated(outputs=2)
    view = learner.view(domain, batch_size=8, unlabelled=True, queries=2)
    trainer = fitted(learner, view, max_epochs=3, limit_val_batches=1.0)
    net, norm = learner.network.eval(), learner.network.body[1]
    query = view.drawn().episode.query
    tested = trainer.test(learner, view, verbose=False)[0]["test_loss"]
    assert tested == pytest.approx(F.cross_entropy(net(query.x), query.y).item(), rel=1e-5)
    validated = trainer.validate(learner, view, verbose=False)[0]["val_loss"]
    parts = [batch.source for batch in view.val_dataloader()]
    x, y = torch.cat([part.x for part in parts]), torch.cat([part.y for part in parts])
    theirs = F.cross_entropy(net(x), y).item()
    norm.load_state_dict(norm.state_dict() | learner.source_statistics.norms[0].state_dict())
    assert validated == pytest.approx(F.cross_entropy(net(x), y).item(), rel=1e-5)
    assert validated != pytest.approx(theirs, rel=1e-3)


def test_checkpoints_hold_both_statistics(tmp_path: Path) -> None:
    learner = tlml.learner("supervised", network="auto", separate_batchnorm=True,
                           network_options={"channels": 2, "blocks": 1})  # fmt: skip
    domain = Letters(shape=(1, 4, 4))
    view = learner.view(domain, batch_size=8, unlabelled=True, queries=2)
    fitted(learner, view, max_steps=2).save_checkpoint(tmp_path / "two.ckpt")
    loaded = tlml.load(tmp_path / "two.ckpt")
    expected = learner.state_dict()
    names = [key for key in expected if "running_mean" in key]
    assert len(names) == 2
    assert not torch.equal(expected[names[0]], expected[names[1]])
    assert all(torch.equal(value, expected[key]) for key, value in loaded.state_dict().items())


def test_two_sets_of_statistics_need_batchnorm_and_a_target() -> None:
    with stops(
        "separate_batchnorm: Linear has no BatchNorm that stores statistics; take a network that "
        "has, such as conv4, or leave the option out"
    ):
        tlml.learner("supervised", network=nn.Linear(2, 3), separate_batchnorm=True)
    learner = separated()
    with stops(
        "separate_batchnorm: stores statistics of source and target, and the view has no target "
        "examples; set unlabelled=True (or shots above 0)"
    ):
        fitted(learner, learner.view(Tables(classes=3), batch_size=8), max_epochs=1)
