"""The nearest class mean: running means of features, whatever the order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from refusals import fails
from tiny import MLP, Letters, Tables
from torch import Tensor
from torch.nn import functional as F
from trainers import fitting_trainer

import tlml
from tlml.data import Batch, Step


def learner(**options: Any) -> Any:
    made = tlml.learner("ncm", **MLP, **options)
    made.view(Letters(), ways=2)
    return made.double()


def examples(n: int, classes: int = 6) -> tuple[Tensor, Tensor]:
    x = torch.randn(n, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return x, torch.arange(n) % classes


def shown(made: Any, x: Tensor, y: Tensor, sizes: Sequence[int], order: Tensor) -> Any:
    for rows in order.split(list(sizes)):
        made.update(Step(Batch(x[rows], y[rows]), y[rows] // 2))
    return made


def features(made: Any, x: Tensor) -> Tensor:
    with torch.no_grad():
        return made.network.features(x)


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_the_class_of_the_nearest_mean_is_predicted(distance: str) -> None:
    x, y = examples(40, classes=4)
    made = shown(learner(distance=distance), x, y, [10] * 4, torch.arange(40))
    seen = features(made, x)
    means = [sum(seen[i] for i in range(40) if y[i] == c) / 10 for c in range(4)]
    torch.testing.assert_close(made.means()[:4], torch.stack(means), rtol=1e-12, atol=1e-14)
    new = torch.randn(60, 2, generator=torch.Generator().manual_seed(4), dtype=torch.float64)

    def nearness(feature: Tensor, mean: Tensor) -> float:
        if distance == "cosine":
            return float(F.cosine_similarity(feature, mean, dim=0))
        return -float((feature - mean).norm())

    expected = [
        max(range(4), key=lambda c, f=f: nearness(f, means[c])) for f in features(made, new)
    ]
    assert len(set(expected)) > 1
    assert made.predict_now(new).argmax(1).tolist() == expected


def test_two_orders_give_the_same_means_and_predictions() -> None:
    x, y = examples(60)
    one = shown(learner(), x, y, [10] * 6, y.argsort(stable=True))  # class by class
    mixed = torch.randperm(60, generator=torch.Generator().manual_seed(1))
    other = shown(learner(), x, y, [7] * 8 + [4], mixed)
    assert torch.equal(one.counts, other.counts)
    torch.testing.assert_close(one.means(), other.means(), rtol=1e-13, atol=1e-15)
    new = torch.randn(200, 2, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    assert torch.equal(one.predict_now(new).argmax(1), other.predict_now(new).argmax(1))


def test_classes_that_never_came_are_behind_all_others() -> None:
    made = learner()
    x, y = examples(12, classes=2)
    assert made.predict_now(x).argmax(1).tolist() == [0] * 12
    scores = shown(made, x, y, [12], torch.arange(12)).predict_now(x)
    assert bool((scores[:, 2:] < scores[:, :2].amin(1, keepdim=True)).all())
    assert bool(torch.isfinite(scores).all())


def test_each_example_counts_once_however_many_epochs_and_the_network_stays() -> None:
    made = tlml.learner("ncm", **MLP)
    view = made.view(Letters(), ways=2, batch_size=5, samples=12, epochs=3)
    before = [p.detach().clone() for p in made.network.parameters()]
    trainer = fitting_trainer(max_epochs=-1)
    trainer.fit(made, view)
    assert trainer.global_step == 3 * 3 * 3
    assert int(made.counts.sum()) == 3 * 12
    assert all(torch.equal(p, q) for p, q in zip(made.network.parameters(), before, strict=True))


def test_features_may_be_those_of_another_learner(tmp_path: Path) -> None:
    naive = tlml.learner("naive", lr=0.1, seed=3, **MLP)
    trainer = fitting_trainer(max_epochs=1)
    trainer.fit(naive, naive.view(Letters(), ways=3))
    path = tmp_path / "naive.ckpt"
    trainer.save_checkpoint(path)
    made = tlml.learner("ncm", pretrained=str(path), **MLP)
    trainer = fitting_trainer(max_epochs=-1)
    trainer.fit(made, made.view(Letters(), ways=1))
    body = dict(naive.network.blocks.named_parameters())
    assert body
    for name, parameter in made.network.blocks.named_parameters():
        assert torch.equal(parameter, body[name])
    assert not torch.equal(made.network.head.weight, naive.network.head.weight)
    trainer.save_checkpoint(tmp_path / "ncm.ckpt")
    path.unlink()
    again: Any = tlml.load(tmp_path / "ncm.ckpt")
    x = torch.randn(5, 2)
    assert torch.equal(again.predict_now(x), made.predict_now(x))


def test_another_kind_of_network_is_refused(tmp_path: Path) -> None:
    naive = tlml.learner("naive", **MLP)
    trainer = fitting_trainer(max_epochs=1)
    trainer.fit(naive, naive.view(Letters(), ways=3))
    path = tmp_path / "naive.ckpt"
    trainer.save_checkpoint(path)
    made = tlml.learner("ncm", pretrained=str(path), network="mlp", network_options={"hidden": [9]})
    with fails(
        f"pretrained: the network in {path} has no 'blocks.hidden1.linear.weight' of the shape "
        "[9, 2]; take the network and the options that it was made with"
    ):
        made.view(Letters(), ways=3)


def test_what_cannot_be_is_refused() -> None:
    with fails("lr: ncm takes no steps that it could be of; leave it out"):
        learner(lr=0.1)
    with fails("distance: 'city' is not one of euclidean, cosine"):
        learner(distance="city")
    with fails(
        "ncm: it keeps something of each class, and the targets are values "
        "(Box(-inf, inf, (1,), float32)); take er, or a domain with classes"
    ):
        tlml.learner("ncm", network="mlp").view(Tables())


def test_what_has_no_meaning_may_be_as_it_is_by_itself() -> None:
    """The command line gives every option."""
    usual = {"lr": 0.03, "optimizer": "sgd", "momentum": 0.0, "fused": False, "glances": 1}
    assert learner(**usual, weight_decay=0.0).lr == 0.03
