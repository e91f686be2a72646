"""Learners whose head is computed from the support: what all of them do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from heads import HEADS, LETTERS, learner_of, task
from refusals import stops
from tiny import Tables
from torch import Tensor, nn
from trainers import quiet_trainer

import tlml
from tlml import Batch, Episode, Episodes, EpisodeView
from tlml.networks import mlp

ON_EPISODES = [name for name in HEADS if name != "baseline_pp"]


@pytest.mark.parametrize("name", HEADS)
def test_any_module_predicts_without_a_view_for_any_ways(name):
    net = nn.Sequential(nn.Linear(6, 8), nn.Tanh())
    learner = tlml.learner(name, network=net)
    for ways in (2, 5):
        support, query = task(ways)
        scores = learner.predict(support, query.x)
        assert scores.shape == (4 * ways, ways)
        assert not scores.requires_grad
        assert bool(torch.isfinite(scores).all())
        with torch.inference_mode():
            torch.testing.assert_close(learner.predict(support, query.x), scores)


@pytest.mark.parametrize("name", HEADS)
def test_a_network_of_ours_embeds_by_its_features(name):
    net = mlp((6,), 4, hidden=[8])
    headless = nn.Sequential(net.blocks["hidden1"])
    support, query = task()
    found = [tlml.learner(name, network=one).predict(support, query.x) for one in (net, headless)]
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("name", HEADS)
def test_a_named_network_has_no_head_that_is_never_read(name):
    learner = learner_of(name)
    learner.view(LETTERS if name in ON_EPISODES else Tables(classes=3))
    assert not any(key.startswith("network.head") for key in learner.state_dict())


@pytest.mark.parametrize("name", HEADS)
def test_a_support_without_a_class_is_refused(name):
    learner = tlml.learner(name, network=nn.Linear(6, 4))
    support, query = task(4)
    keep = support.y != 2
    with stops(
        "support without a class: class 2 of 4 has no example; give each class one, or leave "
        "classes without examples out and number the others from 0"
    ):
        learner.predict(Batch(support.x[keep], support.y[keep]), query.x)
    with stops("support without a class: it has no example"):
        learner.predict(Batch(support.x[:0], support.y[:0]), query.x)


@pytest.mark.parametrize("name", ON_EPISODES)
def test_the_loss_of_unequal_tasks_is_the_mean_of_each(name):
    learner = tlml.learner(name, network=nn.Linear(6, 4).double())
    tasks = [task(ways, shots, torch.float64) for ways, shots in ((2, 1), (3, 2), (4, 3))]
    whole = learner.meta_loss(Episodes(tasks))
    alone = [learner.meta_loss(Episodes([one])) for one in tasks]
    torch.testing.assert_close(whole, torch.stack(alone).mean())
    whole.backward()
    assert all(p.grad is not None for p in learner.parameters())


@pytest.mark.parametrize("name", ON_EPISODES)
def test_a_head_that_was_given_takes_part_with_no_gradient(name):
    net = mlp((6,), 4, hidden=[8])
    learner = tlml.learner(name, network=net)
    learner.meta_loss(Episodes([task()])).backward()
    assert all(p.grad is not None for p in net.parameters())  # DDP finds none unused
    assert not any(p.grad.any() for p in net.head.parameters())


def test_training_stores_batchnorms_statistics_and_tests_read_them():
    net = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4))
    learner = tlml.learner("protonet", network=net)
    support, query = task()
    learner.train()
    learner.meta_loss(Episodes([task()]))
    stored = net[1].running_mean.clone()
    assert bool(stored.any())
    alone = torch.cat([learner.predict(support, x[None]) for x in query.x])
    torch.testing.assert_close(learner.predict(support, query.x), alone)
    assert torch.equal(net[1].running_mean, stored)
    transductive = tlml.learner("protonet", network=net, batchnorm="batch")
    found = transductive.predict(support, query.x)
    assert not torch.allclose(found, alone)


def test_another_strategy_is_refused():
    learner = learner_of("protonet")
    learner.view(LETTERS, ways=3, shots=1, queries=2)
    view = EpisodeView(
        LETTERS, ways=3, shots=1, queries=2, episodes=2, adapt=tlml.strategy("full"), head="kept"
    )
    with stops(
        "adapt: ProtoNet adapts by the head that it computes and takes no Full; leave adapt out"
    ):
        quiet_trainer().test(learner, view, verbose=False)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("protonet", {"distance": "far"}, "distance: 'far' is not one of euclidean, cosine"),
        ("protonet", {"scale": 0}, "scale: must be greater than 0, is 0"),
        ("matching", {"scale": -1}, "scale: must be greater than 0, is -1"),
        (
            "matching",
            {"context_steps": 0},
            "context_steps: must be a whole number of at least 1, is 0",
        ),
        ("relation", {"hidden": 0}, "hidden: must be greater than 0, is 0"),
        ("baseline_pp", {"epochs": 0}, "epochs: must be greater than 0, is 0"),
        ("matching", {"lr": 0}, "lr: must be greater than 0, is 0"),
    ],
)
def test_options_out_of_range_are_refused(name, options, message):
    with stops(message):
        learner_of(name, **options)


# Oracles


def embedded(net: nn.Module, episode: Episode) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        return net(episode.support.x), net(episode.query.x)


def test_protonet_is_the_nearest_class_mean():
    from sklearn.neighbors import NearestCentroid

    net = nn.Sequential(nn.Linear(6, 5), nn.Tanh()).double()
    for shots in (2, 5):
        episode = task(4, shots, torch.float64)
        known, new = embedded(net, episode)
        scores = tlml.learner("protonet", network=net).predict(episode.support, episode.query.x)
        oracle = NearestCentroid().fit(known.numpy(), episode.support.y.numpy())
        assert (scores.argmax(1).numpy() == oracle.predict(new.numpy())).all()
        expected = -((new.numpy()[:, None] - oracle.centroids_[None]) ** 2).sum(2)
        np.testing.assert_allclose(scores.numpy(), expected, rtol=1e-10)


def test_protonet_by_cosines():
    from sklearn.metrics.pairwise import cosine_similarity

    net, episode = nn.Linear(6, 5).double(), task(3, 2, torch.float64)
    known, new = embedded(net, episode)
    means = [known[episode.support.y == k].mean(0).numpy() for k in range(3)]
    learner = tlml.learner("protonet", network=net, distance="cosine", scale=4.0)
    scores = learner.predict(episode.support, episode.query.x)
    np.testing.assert_allclose(scores.numpy(), 4 * cosine_similarity(new, np.stack(means)))


def test_matching_sums_the_attention_of_each_class():
    from scipy.special import softmax
    from sklearn.metrics.pairwise import cosine_similarity

    net, episode = nn.Linear(6, 5).double(), task(3, 4, torch.float64)
    known, new = embedded(net, episode)
    learner = tlml.learner("matching", network=net, scale=5.0)
    scores = learner.predict(episode.support, episode.query.x)
    attention = softmax(5 * cosine_similarity(new, known), axis=1)
    expected = attention @ np.eye(3)[episode.support.y.numpy()]
    np.testing.assert_allclose(scores.exp().numpy(), expected, rtol=1e-10)
    np.testing.assert_allclose(scores.exp().sum(1).numpy(), 1, rtol=1e-12)


def lstm_cell(x: Tensor, h: Tensor, c: Tensor, weights: Any, suffix: str = "") -> Any:
    """Return h and c after one step of an LSTM: gates i, f, g and o, as torch stacks them."""
    w_x, w_h, b_x, b_h = (
        weights[f"{name}{suffix}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    i, f, g, o = (w_x @ x + b_x + w_h @ h + b_h).chunk(4)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def test_matching_in_full_context_reads_the_support_as_the_paper_says():
    net, episode = nn.Linear(6, 5).double(), task(3, 2, torch.float64)
    known, new = embedded(net, episode)
    learner = tlml.learner("matching", network=net, full_context=True, context_steps=3)
    scores = learner.predict(episode.support, episode.query.x)
    g, f = (dict(part.named_parameters()) for part in (learner.context.g, learner.context.f))
    zero = torch.zeros(5).double()
    with torch.no_grad():
        in_context = known.clone()  # g(x, S) = h forward + h backward + g'(x)
        for order, suffix in ((range(6), "_l0"), (range(5, -1, -1), "_l0_reverse")):
            h, c = zero, zero
            for i in order:
                h, c = lstm_cell(known[i], h, c, g, suffix)
                in_context[i] += h
        for score, query in zip(scores, new, strict=True):
            h, c = query, zero
            for _ in range(3):
                attention = torch.stack([h @ k for k in in_context]).softmax(0)
                read = sum(a * k for a, k in zip(attention, in_context, strict=True))
                h, c = lstm_cell(torch.cat([query, read]), h, c, f)
                h = h + query
            attention = torch.cosine_similarity(h[None], in_context).softmax(0)
            expected = torch.stack([attention[episode.support.y == k].sum() for k in range(3)])
            torch.testing.assert_close(score.exp(), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("side", "hidden_inputs"), [(1, 64), (5, 64), (19, 576)])
def test_relation_on_maps_is_the_papers_module(side, hidden_inputs):
    rng = torch.Generator().manual_seed(3)
    images = torch.randn(9, 2, side, side, generator=rng, dtype=torch.float64)
    support, new = Batch(images[:6], torch.tensor([0, 1, 2, 0, 1, 2])), images[6:]
    net = nn.Conv2d(2, 4, 1).double()
    learner = tlml.learner("relation", network=net)
    scores = learner.predict(support, new)
    maps = net(images).detach()
    found = dict(learner.relation.named_parameters())
    assert found["9.weight" if side > 1 else "7.weight"].shape == (8, hidden_inputs)
    names = list(found)  # convolution and norm, twice, then two linear layers
    for i in range(3):
        for k in range(3):
            x = torch.cat([maps[:6][support.y == k].sum(0), maps[6 + i]])[None]
            for block in (0, 4):
                weight, bias, scale, shift = (found[n] for n in names[block : block + 4])
                x = nn.functional.conv2d(x, weight, bias, padding=1 if side < 10 else 0)
                x = x / (1 + 1e-5) ** 0.5  # nothing is stored yet: mean 0, variance 1
                x = (x * scale[:, None, None] + shift[:, None, None]).relu()
                x = nn.functional.max_pool2d(x, 2) if side > 1 else x
            w1, b1, w2, b2 = (found[n] for n in names[8:])
            expected = (w2 @ (w1 @ x.flatten() + b1).relu() + b2).sigmoid()
            torch.testing.assert_close(scores[i, k], expected.squeeze().detach())


def test_relation_compares_each_query_with_summed_features():
    net, episode = nn.Linear(6, 5).double(), task(3, 2, torch.float64)
    known, new = embedded(net, episode)
    learner = tlml.learner("relation", network=net)
    scores = learner.predict(episode.support, episode.query.x)
    for i, query in enumerate(new):
        for k in range(3):
            pair = torch.cat([known[episode.support.y == k].sum(0), query])
            expected = learner.relation(pair).sigmoid()
            torch.testing.assert_close(scores[i, k], expected.squeeze().detach())
    one_hot = torch.eye(3).double()[episode.query.y]
    loss = learner.score_loss(scores, episode.query.y)
    torch.testing.assert_close(loss, (scores - one_hot).square().mean())


def test_baseline_pp_learns_by_the_authors_optimiser():
    net, episode = nn.Linear(6, 5).double(), task(3, 2, torch.float64)
    known, new = embedded(net, episode)
    learner = tlml.learner("baseline_pp", network=net, epochs=3, batch_size=6, scale=2.0)
    scores = learner.predict(episode.support, episode.query.x)
    first = torch.empty(3, 5)
    nn.init.kaiming_uniform_(first, generator=torch.Generator().manual_seed(0))
    w, momentum = first.double(), torch.zeros(3, 5).double()
    for step in range(3):  # the whole support in each batch: its order does not matter
        w = w.detach().requires_grad_()
        cosine = torch.cosine_similarity(known[:, None], w[None], dim=2)
        loss = nn.functional.cross_entropy(2 * cosine, episode.support.y)
        (slope,) = torch.autograd.grad(loss, [w])
        slope = slope + 0.001 * w
        momentum = slope if step == 0 else 0.9 * momentum + 0.1 * slope
        w = w - 0.01 * momentum
    expected = 2 * torch.cosine_similarity(new[:, None], w.detach()[None], dim=2)
    torch.testing.assert_close(scores, expected, rtol=1e-10, atol=1e-12)


def test_baseline_pp_knows_its_source_classes():
    learner = learner_of("baseline_pp")
    view = learner.view(Tables(classes=3, number=2), batch_size=4)
    assert learner.directions.shape == (3, 16)
    assert learner.predict_now(torch.zeros(2, *view.spaces.x.shape)).shape == (2, 3)


def test_baseline_pp_refuses_values_to_predict():
    with stops("baseline_pp: it needs classes, the source's targets are values"):
        learner_of("baseline_pp").view(Tables(classes=0))
