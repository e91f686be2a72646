from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from tiny import Letters, Norms, Tables
from torch import Tensor, nn
from trainers import quiet_trainer

import tlml
from tlml import (  # fmt: skip
    Context,
    Domain,
    EpisodeView,
    Examples,
    Group,
    Learner,
    PairView,
    Phase,
    Strategy,
    TlmlError,
    View,
)
from tlml.data import Part, Split
from tlml.finetuning import Adaptation
from tlml.finetuning.module import replace_head

STEPS = 6


def pretrained(domain: Domain[Any], name: str = "supervised", **options: Any) -> Any:
    """Return a learner of the domain's source tasks."""
    if "network" not in options:
        options["network_options"] = {"hidden": [6]}
    learner = tlml.learner(name, **options)
    quiet_trainer(max_epochs=1, limit_val_batches=0).fit(learner, learner.view(domain, queries=2))
    return learner


def target(domain: Domain[Any], **options: Any) -> PairView:
    return PairView(domain, **({"source": False, "shots": 2, "queries": 2, "seed": 5} | options))


def adapted(learner: Learner, view: View, *args: Any, **kwargs: Any) -> tuple[Adaptation, Any]:
    """Return the adaptation of a learner after some steps, and its results on the query."""
    adaptation = Adaptation(learner, *args, **kwargs)
    run = quiet_trainer(max_steps=STEPS, max_epochs=-1)
    run.fit(adaptation, datamodule=view)
    return adaptation, run.test(adaptation, datamodule=view, verbose=False)[0]


@pytest.mark.parametrize("head", [None, "new"])
@pytest.mark.parametrize("strategy", ["full", "linear_probe", "scratch"])
def test_on_a_batch_of_the_whole_support_it_is_the_adaptation_of_an_episode(
    strategy: str, head: Literal["new"] | None
) -> None:
    domain = Tables(classes=3)
    learner = pretrained(domain)
    how = tlml.strategy(strategy, steps=STEPS)
    view = EpisodeView(domain, shots=2, queries=2, episodes=1, seed=5, adapt=how, head=head)
    short = quiet_trainer().test(learner, view, verbose=False)[0]
    before = learner.network.state_dict()["head.weight"].clone()
    _, long = adapted(learner, target(domain), tlml.strategy(strategy), head)
    assert long["test_loss"] == pytest.approx(short["test_loss"], rel=1e-5)
    assert not torch.equal(learner.network.state_dict()["head.weight"], before)


def test_the_learner_is_adapted_in_place_and_its_checkpoint_reads_back(tmp_path: Path) -> None:
    learner = pretrained(Letters())  # 6 source classes; an episode of the target has 5
    adaptation = Adaptation(learner, "full")
    run = quiet_trainer(max_steps=STEPS, max_epochs=-1)
    run.fit(adaptation, datamodule=target(Letters()))
    run.save_checkpoint(tmp_path / "adapted.ckpt", weights_only=False)
    loaded = tlml.load(tmp_path / "adapted.ckpt", expected="supervised")
    assert loaded.network.head.weight.shape == (5, 6)
    assert loaded.view_spaces.y.n == 5
    assert type(loaded.strategy) is type(learner.strategy)
    for name, value in learner.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name


def test_resume_equals_the_uninterrupted_adaptation(tmp_path: Path) -> None:
    domain = Tables(classes=3)
    source = pretrained(domain).state_dict()

    def run(path: str | None) -> dict[str, Tensor]:
        learner = pretrained(domain)
        learner.load_state_dict(source)
        keep = ModelCheckpoint(tmp_path, save_top_k=-1, filename="{epoch}")
        made = quiet_trainer(max_epochs=4, enable_checkpointing=True, callbacks=[keep])
        view = target(domain, batch_size=4)  # two steps in an epoch
        made.fit(Adaptation(learner, "full", "new"), datamodule=view, ckpt_path=path)
        return learner.state_dict()

    whole = run(None)
    later = run(str(tmp_path / "epoch=1.ckpt"))
    assert all(torch.equal(later[name], value) for name, value in whole.items())


def test_only_its_own_checkpoints_are_resumed_from(tmp_path: Path) -> None:
    domain = Tables(classes=3)
    learner = pretrained(domain)
    run = quiet_trainer(max_steps=1, max_epochs=-1)
    run.fit(Adaptation(learner, "full"), datamodule=target(domain))
    run.save_checkpoint(tmp_path / "full.ckpt", weights_only=False)
    content = torch.load(tmp_path / "full.ckpt", weights_only=True)
    del content["tlml_adaptation"]
    torch.save(content, tmp_path / "learner.ckpt")
    for file, whose in (("full", "by full"), ("learner", "of a learner, not adapted yet")):
        adaptation = Adaptation(pretrained(domain), "linear_probe")
        with pytest.raises(TlmlError) as error:
            quiet_trainer(max_steps=2).fit(
                adaptation, datamodule=target(domain), ckpt_path=tmp_path / f"{file}.ckpt"
            )
        assert str(error.value) == (
            f"resume: this is a checkpoint {whose}; an adaptation by linear_probe can't go on from "
            "it"
        )


def test_a_learner_that_was_never_trained_is_built_for_the_target() -> None:
    learner = tlml.learner("supervised", network_options={"hidden": [6]})
    adapted(learner, target(Tables()), "scratch")
    assert learner.network.head.weight.shape == (1, 6)


def test_the_learners_own_strategy_adapts_where_none_is_named() -> None:
    learner = pretrained(Tables(), strategy={"name": "linear_probe", "options": {"lr": 0.5}})
    body = learner.network.blocks.state_dict()["hidden1.linear.weight"].clone()
    adaptation, _ = adapted(learner, target(Tables()))
    assert adaptation.strategy is not learner.strategy
    assert adaptation.strategy.lr == 0.5
    assert torch.equal(learner.network.blocks.state_dict()["hidden1.linear.weight"], body)


class Aligned(Strategy):
    """Notes what its loss term sees."""

    def __init__(self, lr: float = 0.01) -> None:
        super().__init__(lr=lr)
        self.seen: list[Context] = []

    def terms(self, context: Context) -> Mapping[str, Tensor]:
        self.seen.append(context)
        return {"aligned": context.features_target.pow(2).mean()}


def test_terms_see_source_and_unlabelled_target_and_the_features_of_one_forward() -> None:
    learner = pretrained(Tables(train=20))
    view = target(Tables(train=20), source=True, unlabelled=True, batch_size=8)
    strategy = Aligned()
    adapted(learner, view, strategy)
    context = strategy.seen[-1]
    sizes = [len(part) for part in (context.source, context.target, context.features_target)]
    assert sizes == [8, 8, 8]
    assert context.features_source.shape == (8, 6)
    assert context.logits_target.shape == (8, 1)
    assert [c.progress for c in strategy.seen] == [step / STEPS for step in range(STEPS)]


def test_terms_alone_can_adapt_and_nothing_to_learn_from_is_refused() -> None:
    domain = Tables(train=20)
    view = target(domain, source=True, unlabelled=True, shots=0, batch_size=8)
    learner = pretrained(domain)
    before = learner.network.blocks.hidden1.linear.weight.detach().clone()
    adapted(learner, view, Aligned())
    assert not torch.equal(learner.network.blocks.hidden1.linear.weight, before)
    with pytest.raises(TlmlError) as error:
        adapted(pretrained(domain), target(domain, source=True, shots=0), "full")
    assert str(error.value) == (
        "shots: 0 labelled target examples, and Full learns from labels alone"
    )


def test_a_learner_on_stored_statistics_lets_batchnorm_follow_the_phases() -> None:
    for strategy, moves in (("full", True), ("linear_probe", False)):
        learner = pretrained(Tables(), network=Norms(2, 1))
        before = learner.network.body[1].running_mean.clone()
        adapted(learner, target(Tables(), shots=4), strategy)
        assert torch.equal(learner.network.body[1].running_mean, before) is not moves


def test_a_learner_on_batch_statistics_goes_on_so() -> None:
    learner = pretrained(Tables(), network=Norms(2, 1), batchnorm="batch")
    norm = learner.network.body[1]
    before = {name: value.clone() for name, value in norm.named_buffers()}
    _, result = adapted(learner, target(Tables(), shots=4), "linear_probe")
    assert all(torch.equal(value, before[name]) for name, value in norm.named_buffers())
    query = target(Tables(), shots=4).drawn().episode.query
    with torch.no_grad():
        hidden = learner.network.body[0](query.x)
        normal = (hidden - hidden.mean(0)) / (hidden.var(0, unbiased=False) + norm.eps).sqrt()
        scores = learner.network.head(normal * norm.weight + norm.bias)
    assert result["test_mse"] == pytest.approx(float((scores - query.y).pow(2).mean()), rel=1e-4)


def test_a_strategy_that_asks_for_stored_statistics_keeps_them_as_on_episodes() -> None:
    domain = Tables(classes=3)
    learner = pretrained(domain, network=Norms(2, 3))
    how = {"lr": 0.1, "batchnorm": "stored"}
    episode = EpisodeView(
        domain, shots=2, queries=2, episodes=1, seed=5, adapt=tlml.strategy("full", steps=6, **how)
    )
    short = quiet_trainer().test(learner, episode, verbose=False)[0]
    before = learner.network.body[1].running_mean.clone()
    _, long = adapted(learner, target(domain), tlml.strategy("full", **how))
    assert torch.equal(learner.network.body[1].running_mean, before)
    assert long["test_loss"] == pytest.approx(short["test_loss"], rel=1e-5)


class Scaled(nn.Module):
    """What `Attaching` puts in place of a head."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner, self.scale = inner, nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.scale * self.inner(x)
        return scores


class Attaching(Strategy):
    """Adds a parameter to the network, and trains just that."""

    def attach(self, network: nn.Module) -> None:
        network.head = Scaled(network.head)

    def phases(self, names: Sequence[str]) -> Sequence[Phase]:
        return (Phase(1.0, (Group("head.scale"),)),)


def test_what_a_strategy_adds_to_the_network_is_there_when_it_is_loaded(tmp_path: Path) -> None:
    learner = pretrained(Tables())
    run = quiet_trainer(max_steps=STEPS, max_epochs=-1)
    run.fit(Adaptation(learner, Attaching()), datamodule=target(Tables()))
    run.save_checkpoint(tmp_path / "scaled.ckpt", weights_only=False)
    assert learner.network.head.scale.item() != 1.0
    loaded = tlml.load(tmp_path / "scaled.ckpt", strategy=Attaching())
    assert torch.equal(loaded.network.head.scale, learner.network.head.scale)


def test_a_new_head_of_any_network_is_zero_and_of_the_targets_size() -> None:
    class Deep(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.classifier = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 6, bias=False))

        def forward(self, x: Tensor) -> Tensor:
            scores: Tensor = self.classifier(x)
            return scores

    spaces = target(Letters(), ways=3).target_spaces
    for network, name in ((Deep().double(), "classifier.2"), (nn.Linear(2, 6).double(), "")):
        learner = pretrained(Letters(), network=network)
        replace_head(learner, spaces)
        head = learner.network.get_submodule(name)
        assert head.weight.dtype == torch.float64
        assert (head.out_features, head.weight.abs().sum().item()) == (3, 0.0)
        assert (head.bias is None) == (name != "")


@pytest.mark.parametrize(
    ("domain", "ways", "labels", "classes"),
    [
        (Letters(), None, "episode", 5),
        (Letters(), 3, "episode", 3),
        (Tables(classes=4), None, "domain", 4),
        (Tables(classes=4), 2, "episode", 2),
    ],
)
def test_the_targets_labels_are_those_of_the_episode(
    domain: Domain[Any], ways: int | None, labels: str, classes: int
) -> None:
    for source in (False, True):
        spaces = target(domain, ways=ways, source=source).target_spaces
        assert (spaces.labels, int(spaces.y.n)) == (labels, classes)


def test_a_kept_head_of_another_size_is_refused() -> None:
    with pytest.raises(TlmlError) as error:
        adapted(pretrained(Letters()), target(Letters()), "full", "kept")
    assert str(error.value) == (
        "head: 'kept' does not fit: the learner was trained for Discrete(6), the target has "
        "Discrete(5); take head='new'"
    )


def test_inputs_of_another_shape_are_refused() -> None:
    with pytest.raises(TlmlError) as error:
        adapted(pretrained(Tables(classes=3)), target(Letters(shape=(3,))), "full")
    assert str(error.value) == (
        "the learner was trained on inputs Box(-inf, inf, (2,), float32); the target has "
        "Box(-inf, inf, (3,), float32)"
    )


def test_a_learner_without_network_and_a_wrong_head_are_refused() -> None:
    class Guess(Strategy):
        def estimate(self, support: Any, x: Tensor, space: Any) -> Tensor:
            return x

    with pytest.raises(
        TlmlError, match=r"^Estimator has no network to adapt; test it on an Episode"
    ):
        Adaptation(tlml.learner("estimator", strategy=Guess()))
    with pytest.raises(TlmlError, match=r"^head: 'old' is not one of kept, new$"):
        Adaptation(pretrained(Tables()), "full", "old")


def test_another_view_is_refused() -> None:
    with pytest.raises(TlmlError) as error:
        adapted(pretrained(Tables()), EpisodeView(Tables(), shots=2, queries=3), "full")
    assert str(error.value) == (
        "an adaptation needs a PairView, has EpisodeView; make one by "
        "PairView(domain, shots=5, source=False)"
    )


def test_a_diverging_adaptation_names_the_step_and_the_rate() -> None:
    how = tlml.strategy("full", lr=1e30, optimizer="sgd")
    with pytest.raises(TlmlError) as error:
        adapted(pretrained(Tables()), target(Tables()), how)
    assert str(error.value).startswith("adapting by Full diverged: the loss is ")
    assert str(error.value).endswith("in step 1; lower its lr (1e+30)")


class Granting(Tables):
    """Tasks with a part for validation."""

    def tasks(self, split: Split) -> Sequence[Any]:
        """Return tasks whose test part is for validation as well, with other examples."""
        return [Granted(task) for task in super().tasks(split)]


@dataclass(frozen=True)
class Granted:
    """A table with the first two of its training examples for validation."""

    table: Any

    @property
    def name(self) -> str:
        """Return the table's."""
        return str(self.table.name)

    def split(self, part: Part) -> Examples:
        """Return a part."""
        train = self.table.split("train")
        found = {"train": (slice(2, None), train), "val": (slice(0, 2), train)}
        rows, data = found.get(part, (slice(None), self.table.split(part)))
        return Examples(data.x[rows], data.y[rows])


@pytest.mark.parametrize(
    ("domain", "options", "measured"),
    [
        (Tables(classes=3), {}, set()),
        (Tables(classes=3), {"unlabelled": True}, {"val_entropy"}),
        (Tables(), {"unlabelled": True}, set()),
        (Granting(classes=3, train=18), {}, {"val_loss", "val_accuracy"}),
        (Tables(classes=3), {"source": True}, set()),
    ],
    ids=["labels", "inputs", "values", "granted", "source"],
)
def test_validation_sees_what_the_target_grants_and_never_the_query(
    domain: Any, options: dict[str, Any], measured: set[str]
) -> None:
    run, view = quiet_trainer(max_epochs=1), target(domain, **{"source": False, **options})
    run.fit(Adaptation(pretrained(domain), "full"), datamodule=view)
    assert set(run.callback_metrics) == {"train_loss", *measured}
    query = {tuple(x) for x in view.drawn().episode.query.x.tolist()}
    for pair in view.val_dataloader():
        assert query.isdisjoint(map(tuple, pair.target.x.tolist()))
        assert query.isdisjoint(map(tuple, pair.unlabelled.tolist()))
