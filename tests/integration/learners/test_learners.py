from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from refusals import fails
from small_learners import FOUR, SMALL
from tiny import Letters, Lines, Plain, Tables
from torch import Tensor, nn
from trainers import quiet_trainer

import tlml
from tlml import Batch, EpisodeView, PairView, Strategy, TlmlError
from tlml.testing.toys import LearnedRates, Nearest


def fitted(learner: tlml.Learner, view: tlml.View, **options: Any) -> pl.Trainer:
    trainer = quiet_trainer(**{"max_steps": 3, "limit_val_batches": 1, **options})
    trainer.fit(learner, datamodule=view)
    return trainer


def records_of(learner: tlml.Learner, view: tlml.View) -> list[dict[str, Any]]:
    quiet_trainer().test(learner, datamodule=view, verbose=False)
    return learner.records


def parameters_of(learner: tlml.Learner) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in learner.named_parameters()}


def test_phases_never_act_in_fit():
    learner = tlml.learner("supervised", strategy=tlml.strategy("linear_probe"), **SMALL)
    view = learner.view(FOUR, batch_size=8)
    before = parameters_of(learner)
    fitted(learner, view)
    assert all(not torch.equal(p, before[name]) for name, p in parameters_of(learner).items())


def test_a_test_adapts_by_the_views_strategy_not_by_the_training_one():
    class Explosive(Strategy):
        def steps(self, loss, params, support):
            raise AssertionError("the training strategy must rest")
            yield params

    learner = tlml.learner("supervised", strategy=Explosive(), **SMALL)
    learner.view(FOUR)
    options = {"shots": 2, "queries": 2, "episodes": 3}
    full = records_of(learner, EpisodeView(FOUR, adapt=tlml.strategy("full"), **options))
    probe = records_of(learner, EpisodeView(FOUR, adapt=tlml.strategy("linear_probe"), **options))
    assert [record["loss"] for record in full] != [record["loss"] for record in probe]
    with pytest.raises(AssertionError, match=r"^the training strategy must rest$"):
        records_of(learner, EpisodeView(FOUR, **options))


def test_maml_learns_through_its_own_strategy_in_fit():
    learner = tlml.learner("maml", strategy=LearnedRates(lr=0.1, steps=1), **SMALL)
    view = learner.view(
        Lines(), shots=3, queries=3, episodes=8, adapt=tlml.strategy("full", steps=1)
    )
    before = parameters_of(learner)
    fitted(learner, view)
    after = parameters_of(learner)
    assert {name for name in after if not torch.equal(after[name], before[name])} == set(after)
    assert any(name.startswith("strategy.") for name in after)


def test_the_trainer_builds_what_no_view_has_built():
    learner = tlml.learner("maml", **SMALL)
    fitted(learner, EpisodeView(FOUR, shots=1, queries=1, episodes=4))
    assert learner.network.head.out_features == 4


def test_a_learner_meets_no_view_of_other_spaces():
    learner = tlml.learner("maml", **SMALL)
    learner.view(FOUR)
    message = "Maml: it was built for inputs .* and targets Discrete\\(4\\); the view has .* and "
    with pytest.raises(TlmlError, match=message + r"Discrete\(3\)$"):
        learner.view(FOUR, ways=3)
    with pytest.raises(TlmlError, match=message + r"Discrete\(5\)$"):
        fitted(learner, EpisodeView(Letters(), shots=1, queries=1))


def test_an_estimator_predicts_and_is_tested_without_a_fit():
    learner = tlml.learner("estimator", strategy=Nearest())
    task = FOUR.tasks("target")[0]
    whole = Batch(task.x, task.y)
    assert torch.equal(learner.predict(whole, task.x).argmax(1), task.y)
    records = records_of(learner, EpisodeView(FOUR, shots=3, queries=2, episodes=3))
    assert [record["gradient_steps"] for record in records] == [0, 0, 0]


class Errors(Tables):
    """Tables of which the share of wrong classes is what counts."""

    metric = tlml.Metric("errors", higher_is_better=False)

    def measure(self, batch, scores):
        return {"errors": (scores.argmax(1) != batch.y).double().mean()}


def test_the_metric_of_a_domain_takes_the_place_of_accuracy():
    view = {"shots": 1, "queries": 4, "episodes": 3}
    accuracies = records_of(
        tlml.learner("estimator", strategy=Nearest()), EpisodeView(FOUR, **view)
    )
    errors, learner = Errors(classes=4, train=24), tlml.learner("estimator", strategy=Nearest())
    logged = quiet_trainer().test(learner, EpisodeView(errors, **view), verbose=False)[0]
    for record, other in zip(learner.records, accuracies, strict=True):
        assert record.keys() == {
            "episode",
            "loss",
            "errors",
            "seconds",
            "cpu_seconds",
            "gradient_steps",
        }
        assert record["errors"] == pytest.approx(1 - other["accuracy"])
    assert logged.keys() == {"test_loss", "test_errors"}  # three episodes give no interval


def adapted_by_hand(learner: tlml.GradientLearner, support: Batch, query: Batch) -> Tensor:
    """Return scores after three gradient steps of .1, by the chain of torch's own functions."""
    weight, bias = (p.detach().clone().requires_grad_() for p in learner.network.parameters())
    for _ in range(3):
        scores = support.x @ weight.T + bias
        if support.y.is_floating_point():
            loss = ((scores - support.y) ** 2).mean()
        else:
            loss = nn.functional.cross_entropy(scores, support.y)
        grads = torch.autograd.grad(loss, (weight, bias))
        weight, bias = (
            (p - 0.1 * g).detach().requires_grad_()
            for p, g in zip((weight, bias), grads, strict=True)
        )
    return (query.x @ weight.T + bias).detach()


@pytest.mark.parametrize("domain", [FOUR, Lines()])
def test_records_are_the_metrics_of_each_episode(domain):
    torch.manual_seed(0)
    size = (2, 4) if domain is FOUR else (1, 1)
    learner = tlml.learner(
        "maml", network=nn.Linear(*size), strategy=tlml.strategy("sgd", lr=0.1, steps=3)
    )
    view = EpisodeView(domain, shots=2, queries=3, episodes=5, tasks_per_batch=2, seed=3)
    trainer = quiet_trainer()
    logged = trainer.test(learner, datamodule=view, verbose=False)[0]
    records = learner.records
    assert [record["episode"] for record in records] == [0, 1, 2, 3, 4]
    assert {*records[0]} == {
        "episode", "loss", "accuracy" if domain is FOUR else "mse", "seconds", "cpu_seconds",
        "gradient_steps",
    }  # fmt: skip
    for record in records:
        support, query = view.dataset("target")[record["episode"]]
        scores = adapted_by_hand(learner, support, query)
        if domain is FOUR:
            right = (scores.argmax(1) == query.y).float().mean()
            assert record["accuracy"] == pytest.approx(float(right))
            loss = nn.functional.cross_entropy(scores, query.y)
        else:
            loss = ((scores - query.y) ** 2).mean()
            assert record["mse"] == pytest.approx(float(loss), rel=1e-5)
        assert record["loss"] == pytest.approx(float(loss), rel=1e-5)
        assert record["gradient_steps"] == 3
        assert record["seconds"] > 0
    metric = "accuracy" if domain is FOUR else "mse"
    values = np.array([record[metric] for record in records])
    assert logged[f"test_{metric}"] == pytest.approx(values.mean(), rel=1e-5)
    expected = 1.96 * values.std(ddof=1) / 5**0.5
    assert logged[f"test_{metric}_ci95"] == pytest.approx(expected, rel=1e-5, abs=1e-6)
    assert logged["test_loss"] == pytest.approx(np.mean([r["loss"] for r in records]), rel=1e-5)


def test_every_learner_meets_the_same_episodes():
    seen: dict[str, list[bytes]] = {}

    class Watching(pl.Callback):
        def on_test_batch_start(self, trainer, pl_module, batch, *_):
            where = seen.setdefault(type(pl_module).__name__, [])
            where += [x.numpy().tobytes() for part in batch for x in part.x]

    for learner in (
        tlml.learner("maml", **SMALL),
        tlml.learner("supervised", **SMALL),
        tlml.learner("estimator", strategy=Nearest()),
    ):
        view = EpisodeView(FOUR, shots=1, queries=2, episodes=4)
        if not isinstance(learner, tlml.GradientLearner):
            learner.meet(view.spaces)
        quiet_trainer(callbacks=[Watching()]).test(learner, datamodule=view, verbose=False)
    first, *others = seen.values()
    assert len(seen) == 3
    assert len(set(first)) == 8
    assert all(other == first for other in others)


def test_validation_measures_the_validation_tasks():
    learner = tlml.learner("maml", network=nn.Linear(2, 4))
    view = EpisodeView(FOUR, shots=1, queries=2, episodes=3, val_episodes=2)
    logged = quiet_trainer().validate(learner, datamodule=view, verbose=False)[0]
    assert {*logged} == {"val_loss", "val_accuracy"}
    losses = []
    for index in range(2):
        support, query = view.dataset("validation")[index]
        losses.append(nn.functional.cross_entropy(learner.predict(support, query.x), query.y))
    assert logged["val_loss"] == pytest.approx(float(torch.stack(losses).mean()), rel=1e-5)


def test_loaders_given_alone_bring_their_view():
    learner = tlml.learner("maml", network=nn.Linear(2, 4))
    view = EpisodeView(FOUR, shots=1, queries=1, episodes=2, seed=5)
    other = EpisodeView(FOUR, shots=1, queries=1, episodes=2, seed=6)
    learner.meet(view.spaces)
    trainer, seen = quiet_trainer(), []
    learner.on_test_start = learner.on_validation_start = lambda: seen.append(  # type: ignore[method-assign]
        learner.current_view().seed
    )
    trainer.test(learner, view.test_dataloader(), verbose=False)
    trainer.validate(learner, other.val_dataloader(), verbose=False)
    assert seen == [5, 6]
    trainer.test(learner, datamodule=other, verbose=False)
    assert seen == [5, 6, 6]


def test_a_divergence_names_episode_strategy_and_inner_step():
    learner = tlml.learner(
        "maml", network=nn.Linear(1, 1), strategy=tlml.strategy("sgd", lr=1e30, steps=5)
    )
    with fails(
        "episode 0: adapting by Sgd diverged at inner step 2 (NaN or infinity); lower its lr"
    ):
        records_of(learner, EpisodeView(Lines(), shots=2, queries=2, episodes=2))


def test_a_divergence_in_training_names_the_step():
    learner = tlml.learner("maml", network=nn.Linear(1, 1), strategy=tlml.strategy("sgd", lr=1e30))
    with fails(
        "maml: the meta-loss is nan in step 0: task 0 of the batch diverged at inner step 2; lower "
        "the inner lr (1e+30) or the meta lr (0.001)"
    ):
        view = EpisodeView(Lines(), shots=2, queries=2, episodes=8)
        fitted(learner, view, num_sanity_val_steps=0)
    net = nn.Linear(2, 4)
    net.weight.data.fill_(float("nan"))
    with fails("supervised: the loss is nan in step 0; lower lr (0.001)"):
        fitted(tlml.learner("supervised", network=net), PairView(FOUR), num_sanity_val_steps=0)


def test_labels_of_another_episode_are_not_measured_by_the_sources_head():
    learner = tlml.learner("supervised", **SMALL)
    view = learner.view(Letters(), ways=3, queries=2)
    with fails(
        "Supervised: the target's labels (Discrete(3), of its episode) are not those that it "
        "learned (Discrete(6), of the pool); test it on an EpisodeView, where it adapts"
    ):
        quiet_trainer().test(learner, datamodule=view, verbose=False)


def test_labels_of_another_episode_are_not_learned_by_the_sources_head():
    learner = tlml.learner("supervised", **SMALL)
    with fails(
        "shots: the target's labels (Discrete(3), of its episode) are not the source's "
        "(Discrete(6), of the pool), so one head can't learn both; take shots=0 and adapt on an "
        "EpisodeView"
    ):
        fitted(learner, learner.view(Letters(), ways=3, shots=1, queries=2))


def test_target_labels_of_the_same_meaning_are_learned_beside_the_source():
    learner = tlml.learner("supervised", **SMALL)
    trainer = fitted(learner, learner.view(FOUR, shots=1, queries=2), log_every_n_steps=1)
    losses = {name: float(value) for name, value in trainer.logged_metrics.items()}
    both = losses["train_source_loss"] + losses["train_target_loss"]
    assert losses["train_loss"] == pytest.approx(both, rel=1e-6)


def test_what_a_learner_can_not_do_it_says():
    learner = tlml.learner("maml", network=nn.Linear(2, 4))
    with fails("Maml predicts episodes only; test it on an EpisodeView"):
        quiet_trainer().test(learner, datamodule=PairView(FOUR, queries=2), verbose=False)
    with fails("Maml can't act; environments need a learner that plays"):
        learner.play(None)


def test_a_fit_ends_with_the_stream_and_does_not_begin_it_again(tmp_path: Path):
    learner = Plain(network="mlp", batchnorm="stored")
    view = learner.view(Tables(number=3, test=2), batch_size=4)
    trainer = fitted(learner, view, max_steps=-1, max_epochs=-1)
    assert trainer.global_step == 9
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    before, again = parameters_of(learner), Plain(network="mlp", batchnorm="stored")
    resumed = quiet_trainer(max_epochs=-1)
    resumed.fit(again, datamodule=view, ckpt_path=tmp_path / "last.ckpt", weights_only=True)
    assert resumed.global_step == 9
    assert all(torch.equal(p, before[name]) for name, p in parameters_of(again).items())


def test_what_is_logged_is_of_the_step_it_is_logged_at(tmp_path: Path):
    from pytorch_lightning.loggers import CSVLogger

    seen = []

    class Watched(Plain):
        def training_step(self, batch, batch_idx):
            loss = super().training_step(batch, batch_idx)
            self.log_sparsely({"train_loss": loss.detach()}, len(batch.task))
            seen.append(float(loss.detach()))
            return loss

    learner = Watched(network="mlp")
    logger = CSVLogger(tmp_path, name="", version="")
    fitted(learner, learner.view(Tables(number=3, test=2), batch_size=2), max_steps=12,
           logger=logger, log_every_n_steps=5)  # fmt: skip
    rows = (tmp_path / "metrics.csv").read_text().splitlines()
    header = rows[0].split(",")
    at = {
        int(row.split(",")[header.index("step")]): row.split(",")[header.index("train_loss")]
        for row in rows[1:]
    }
    found = {step: float(value) for step, value in at.items() if value}
    assert found == pytest.approx({4: seen[4], 9: seen[9]}, rel=1e-5)


def saved(learner: tlml.Learner, view: tlml.View, path: Path) -> dict[str, Any]:
    trainer = fitted(learner, view)
    trainer.save_checkpoint(path)
    content: dict[str, Any] = torch.load(path, weights_only=True)
    return content


def episodes() -> dict[str, Any]:
    return {"shots": 2, "queries": 2, "episodes": 8}


def test_a_checkpoint_is_plain_data_that_says_whose_it_is(tmp_path: Path):
    learner = tlml.learner("maml", strategy=tlml.strategy("sgd", lr=0.1, steps=2), **SMALL)
    content = saved(learner, learner.view(FOUR, **episodes()), tmp_path / "a.ckpt")
    assert content["tlml"] == {
        "learner": "maml", "strategy": "sgd", "version": tlml.__version__
    }  # fmt: skip
    options = content["hyper_parameters"]
    assert options["network"] == "mlp"
    assert options["network_options"] == {"hidden": [4]}
    assert options["strategy"] == {
        "name": "sgd",
        "options": {
            "lr": 0.1, "steps": 2, "batchnorm": None, "learn_lr": False, "test_steps": None
        },
    }  # fmt: skip
    assert options["spaces"]["y"] == {"type": "Discrete", "n": 4, "start": 0}
    assert options["spaces"]["labels"] == "domain"


@pytest.mark.parametrize("name", ["maml", "supervised"])
def test_a_checkpoint_is_read_back_as_it_was(tmp_path: Path, name):
    learner = tlml.learner(name, seed=3, **SMALL)
    options = episodes() if name == "maml" else {}
    saved(learner, learner.view(FOUR, **options), tmp_path / "a.ckpt")
    again = type(learner).load_from_checkpoint(tmp_path / "a.ckpt", weights_only=True)
    assert again.options | {"strategy": 0} == {
        **learner.options, "strategy": 0, "spaces": learner.hparams["spaces"]
    }  # fmt: skip
    assert type(again.strategy) is type(learner.strategy)
    assert again.view_spaces == learner.view_spaces
    state = again.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in learner.state_dict().items())
    view = EpisodeView(FOUR, shots=1, queries=2, episodes=3)
    first, second = records_of(learner, view), records_of(again, view)
    assert [record["loss"] for record in first] == [record["loss"] for record in second]


def test_a_module_that_was_given_must_be_given_again(tmp_path: Path):
    learner = tlml.learner("maml", network=nn.Linear(2, 4))
    saved(learner, learner.view(FOUR, **episodes()), tmp_path / "a.ckpt")
    with fails(
        "network: this checkpoint's network was given as a module "
        "(torch.nn.modules.linear.Linear); pass it again: load_from_checkpoint(path, network=net)"
    ):
        type(learner).load_from_checkpoint(tmp_path / "a.ckpt", weights_only=True)
    net = nn.Linear(2, 4)
    again = type(learner).load_from_checkpoint(tmp_path / "a.ckpt", network=net, weights_only=True)
    assert again.network is net
    assert torch.equal(net.weight, learner.network.weight)


def test_the_checkpoint_of_another_learner_is_refused(tmp_path: Path):
    from tlml_transfer.supervised import Supervised

    learner = tlml.learner("maml", **SMALL)
    saved(learner, learner.view(FOUR, **episodes()), tmp_path / "a.ckpt")
    with fails(
        "learner supervised: this is the checkpoint of learner maml; load it with tlml.load(path)"
    ):
        Supervised.load_from_checkpoint(tmp_path / "a.ckpt", weights_only=True)
    supervised = tlml.learner("supervised", **SMALL)
    with fails(
        "learner supervised: this is the checkpoint of learner maml; load it with tlml.load(path)"
    ):
        quiet_trainer(max_epochs=1).fit(
            supervised, datamodule=PairView(FOUR), ckpt_path=tmp_path / "a.ckpt", weights_only=True
        )


def learned_rates(tmp_path: Path) -> tlml.Learner:
    learner = tlml.learner("maml", strategy=LearnedRates(lr=0.1, steps=1), **SMALL)
    saved(learner, learner.view(FOUR, **episodes()), tmp_path / "a.ckpt")
    assert not torch.equal(
        learner.strategy.rates[0], torch.full_like(learner.strategy.rates[0], 0.1)
    )
    return learner


@pytest.mark.parametrize(
    "given", [{}, {"strategy": lambda: LearnedRates(lr=0.1, steps=1)}], ids=["saved", "given"]
)
def test_a_strategys_own_state_is_read_back(tmp_path: Path, given):
    learner = learned_rates(tmp_path)
    options = {name: make() for name, make in given.items()}
    again = type(learner).load_from_checkpoint(tmp_path / "a.ckpt", weights_only=True, **options)
    state = again.state_dict()
    assert state.keys() == learner.state_dict().keys()
    assert all(torch.equal(value, state[key]) for key, value in learner.state_dict().items())


@pytest.mark.parametrize("strategy", ["sgd", lambda: tlml.strategy("full")], ids=["name", "object"])
def test_loading_under_another_strategy_drops_its_state_and_says_so(tmp_path, strategy, caplog):
    learner = learned_rates(tmp_path)
    given = strategy if isinstance(strategy, str) else strategy()
    with caplog.at_level("INFO"):
        again = type(learner).load_from_checkpoint(
            tmp_path / "a.ckpt", strategy=given, weights_only=True
        )
    assert "dropped 4 tensors of the strategy tlml.testing.toys.LearnedRates" in caplog.text
    assert not any(key.startswith("strategy.") for key in again.state_dict())
    assert torch.equal(again.network.head.weight, learner.network.head.weight)


def test_a_strategy_with_state_starts_fresh_on_anothers_checkpoint(tmp_path: Path):
    learner = tlml.learner("maml", **SMALL)
    saved(learner, learner.view(FOUR, **episodes()), tmp_path / "a.ckpt")
    again = type(learner).load_from_checkpoint(
        tmp_path / "a.ckpt", strategy=LearnedRates(lr=0.25), weights_only=True
    )
    assert all((rates == 0.25).all() for rates in again.strategy.rates)
    assert torch.equal(again.network.head.weight, learner.network.head.weight)
