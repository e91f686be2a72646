"""Loss terms in anybody's training step: ``loss = loss + self.adapt(batch)``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from adapting import interrupted
from pytorch_lightning import LightningModule
from pytorch_lightning.utilities import CombinedLoader
from refusals import stops
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from trainers import fitting_trainer

import tlml
from tlml import Adapt, Batch, Context, Pair, Strategy, param_groups


def data(n: int = 24, seed: int = 1) -> DataLoader[Any]:
    x = torch.randn(n, 2, generator=torch.Generator().manual_seed(seed))
    return DataLoader(TensorDataset(x, x.sum(1, keepdim=True)), 8)


class Mine(LightningModule):
    """Somebody's module, whose training step asks for the terms."""

    def __init__(
        self, optimizer: Callable[[Mine], Any] | None = None, dropout: float = 0.0
    ) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.backbone = nn.Sequential(
                nn.Linear(2, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Dropout(dropout), nn.Linear(6, 4)
            )
            self.head = nn.Linear(4, 1)
        self.make, self.added = optimizer, list[float]()

    def task_loss(self, batch: Any) -> Tensor:
        x, y = batch
        return nn.functional.mse_loss(self.head(self.backbone(x)), y)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        loss = self.task_loss(batch)
        added = self.adapt(batch)
        self.added.append(float(added.detach()))
        return loss + added

    def configure_optimizers(self) -> Any:
        if self.make is not None:
            return self.make(self)
        return torch.optim.SGD(self.parameters(), 0.05, momentum=0.9)


class Both(Mine):
    """Its batches have source and target, in one pass or in two."""

    def __init__(self, passes: int = 1, **options: Any) -> None:
        super().__init__(**options)
        self.passes = passes

    def task_loss(self, batch: Any) -> Tensor:
        if isinstance(batch, Pair):
            parts = [batch.source.x, batch.target.x, batch.unlabelled]
            parts, y = [part for part in parts if len(part)], batch.source.y
        else:
            (x, y), target = batch["source"], batch["target"]
            parts = [x, target[0] if isinstance(target, list) else target]
        if self.passes == 1:
            features = self.backbone(torch.cat(parts))
        else:
            features = torch.cat([self.backbone(part) for part in parts])
        return nn.functional.mse_loss(self.head(features[: len(y)]), y)


class Spy(Strategy):
    """Notes what terms see."""

    def __init__(self, where: Any = "fit", sees: tuple[str, ...] = ("features",)) -> None:
        super().__init__()
        self.terms_in, self.sees = where, sees  # type: ignore[misc]
        self.seen: list[Context] = []

    def terms(self, context: Context) -> Mapping[str, Tensor]:
        self.seen.append(context)
        return {"spied": context.features_target.square().mean(), "more": torch.tensor(1.0)}


def fit(module: Mine, adapt: Any, loader: Any = None, **options: Any) -> Mine:
    callbacks = [adapt] if isinstance(adapt, Adapt) else [Adapt(**adapt)]
    fitting_trainer(**({"max_epochs": 1} | options), callbacks=callbacks).fit(
        module, data() if loader is None else loader
    )
    return module


@pytest.mark.parametrize("name", ["full", "gradual_unfreeze", "linear_probe"])
def test_a_strategy_without_terms_adds_nothing(name: str) -> None:
    module = fit(Mine(), {"strategy": name})
    assert module.added == [0.0] * 3
    assert not hasattr(module, "adapt")


def test_the_hook_and_the_callable_are_taken_off_also_after_an_error() -> None:
    class Fails(Mine):
        def task_loss(self, batch: Any) -> Tensor:
            raise KeyError("stop")

    module = Fails()
    with pytest.raises(KeyError, match="stop"):
        fit(module, {"strategy": "bss", "features": "backbone"})
    assert not hasattr(module, "adapt")
    assert not module.backbone._forward_hooks
    with stops("logits: Fails has no module 'haed'; did you mean head?"):
        fit(module, {"strategy": "bss", "features": "backbone", "logits": "haed"})
    assert not hasattr(module, "adapt")
    assert not module.backbone._forward_hooks
    with pytest.raises(AttributeError, match="'Mine' object has no attribute 'adapt'"):
        fitting_trainer(max_epochs=1).fit(Mine(), data())


def test_features_are_those_of_the_steps_own_forward_pass_and_of_no_other() -> None:
    class Validated(Mine):
        def validation_step(self, batch: Any, batch_idx: int) -> None:
            self.backbone(batch[0])

    calls: list[Tensor] = []
    module, strategy = Validated(), Spy("adaptation")
    module.backbone.register_forward_hook(lambda *_: calls.append(_[2]))
    options = {"limit_val_batches": 1, "val_check_interval": 1}
    run = fitting_trainer(max_epochs=1, callbacks=[Adapt(strategy, features="backbone")], **options)
    run.fit(module, data(), data())
    training = [each for each in calls if each.requires_grad]
    assert len(training) == len(strategy.seen) == 3
    for context, features in zip(strategy.seen, training, strict=True):
        assert torch.equal(context.features_target, features)
        assert len(context.features_source) == len(context.source) == 0
    assert [round(context.progress, 3) for context in strategy.seen] == [0.0, 0.333, 0.667]
    assert set(strategy.seen[0].params) == {n for n, _ in module.named_parameters()}
    assert module.added == pytest.approx([1 + float(t.detach().square().mean()) for t in training])


def test_features_of_any_shape_are_flattened() -> None:
    class Images(Mine):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = nn.Unflatten(1, (2, 1, 1))
            self.head = nn.Sequential(nn.Flatten(), nn.Linear(2, 1))

    strategy = Spy("adaptation")
    fit(Images(), Adapt(strategy, features="backbone"))
    assert strategy.seen[0].features_target.shape == (8, 2)


def pairs(unlabelled: bool) -> list[Pair]:
    def batch(n: int, seed: int) -> Batch:
        x = torch.randn(n, 2, generator=torch.Generator().manual_seed(seed))
        return Batch(x, x.sum(1, keepdim=True))

    free = batch(6, 3).x if unlabelled else torch.zeros(0, 2)
    return [Pair(batch(5, 1), batch(4, 2), free, torch.arange(5))] * 2


class Listed(DataLoader[Any]):
    """Batches as they are."""

    def __init__(self, batches: list[Any]) -> None:
        super().__init__(batches, batch_size=None)  # type: ignore[arg-type]


@pytest.mark.parametrize("passes", [1, 2])
@pytest.mark.parametrize("unlabelled", [False, True])
def test_a_pair_is_source_and_target_and_the_last_part_is_compared(
    passes: int, unlabelled: bool
) -> None:
    strategy = Spy()
    batch = pairs(unlabelled)[0]
    module = fit(
        Both(passes), Adapt(strategy, features="backbone"), Listed(pairs(unlabelled)), max_steps=1
    )
    (context,) = strategy.seen
    assert torch.equal(context.source, batch.source.x)
    assert torch.equal(context.target, batch.unlabelled if unlabelled else batch.target.x)
    assert context.features_source.shape == (5, 4)
    assert context.features_target.shape == (6 if unlabelled else 4, 4)
    assert len(module.added) == 1


def test_a_dict_is_what_a_combined_loader_gives() -> None:
    def loader() -> CombinedLoader:
        return CombinedLoader({"source": data(24, 1), "target": data(24, 2)}, "min_size")

    apart, near = (
        fit(
            Both(),
            Adapt(tlml.strategy("coral", weight=weight), features="backbone"), loader(),
            max_epochs=20,
        )
        for weight in (0.0, 30.0)
    )  # fmt: skip
    x = [next(iter(data(24, seed)))[0] for seed in (1, 2)]
    with torch.no_grad():
        found = [
            tlml.strategy("coral").penalty(*(m.eval().backbone(side) for side in x))
            for m in (apart, near)
        ]
    assert found[1] < found[0] / 2


class Classes(Mine):
    """Both sides go through its head, too."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.head = nn.Linear(4, 3)

    def task_loss(self, batch: Any) -> Tensor:
        source, target = batch["source"], batch["target"]
        x, y = source if isinstance(source, list) else (source, torch.zeros(5).long())
        logits = self.head(self.backbone(torch.cat([x, target])))
        return nn.functional.cross_entropy(logits[: len(y)], y)


def of_classes(labels: bool = True) -> Listed:
    x = torch.randn(11, 2, generator=torch.Generator().manual_seed(1))
    y = torch.tensor([0, 1, 2, 0, 1])
    return Listed([{"source": (x[:5], y) if labels else x[:5], "target": x[5:]}] * 4)


def test_logits_and_labels_are_those_of_the_step() -> None:
    strategy, outputs = Spy(sees=("features", "logits", "labels")), list[Tensor]()
    module = Classes()
    module.head.register_forward_hook(lambda *_: outputs.append(_[2]))
    fit(module, Adapt(strategy, features="backbone", logits="head"), of_classes(), max_steps=1)
    (context,), (logits,) = strategy.seen, outputs
    assert torch.equal(context.logits_source, logits[:5])
    assert torch.equal(context.logits_target, logits[5:])
    assert context.labels_source.tolist() == [0, 1, 2, 0, 1]
    assert len(module.head._forward_hooks) == 1  # the test's own


@pytest.mark.parametrize("name", ["mcc", "cdan", "jdot"])
def test_losses_on_logits_train_somebodys_module(name: str) -> None:
    sure, unsure = (tlml.strategy(name, weight=weight) for weight in (5.0, 0.0))
    confusion = []
    for strategy in (sure, unsure):
        make = lambda own, by=strategy: torch.optim.Adam(param_groups(own, by), 0.02)  # noqa: E731
        callback = Adapt(strategy, features="backbone", logits="head")
        module = fit(Classes(optimizer=make), callback, of_classes(), max_epochs=30)
        with torch.no_grad():
            logits = module.eval().head(module.backbone(of_classes().dataset[0]["target"]))
        confusion.append(float(tlml.strategy("mcc").penalty(logits)))
    assert confusion[0] != confusion[1]
    if name == "mcc":
        assert confusion[0] < confusion[1] - 0.1


def test_labels_that_a_batch_has_not_are_asked_for() -> None:
    with stops(
        "adapt: Jdot looks at the source's labels, and the batch has none; give the source as a "
        "tuple of inputs and labels"
    ):
        fit(Classes(), Adapt("jdot", features="backbone", logits="head"), of_classes(labels=False))


@pytest.mark.parametrize("name", ["l2_sp", "rkd", "bss"])
def test_a_resumed_run_keeps_to_the_start_of_the_first(name: str, tmp_path: Path) -> None:
    options = {"l2_sp": {"alpha": 3.0}, "rkd": {"distance": 3.0}, "bss": {"weight": 0.1}}[name]

    def callbacks() -> list[Any]:
        how = {"name": name, "options": options}
        return [Adapt(how, network="backbone", features="backbone")]

    whole, resumed = interrupted(tmp_path, Mine, data(), callbacks)
    assert all(torch.equal(value, resumed[key]) for key, value in whole.items())
    plain = fit(Mine(), {"strategy": "full"}, max_epochs=4).state_dict()
    assert not torch.equal(plain["backbone.0.weight"], whole["backbone.0.weight"])


@pytest.mark.parametrize("network", ["", "backbone"])
def test_the_teacher_is_the_submodule_at_the_start_in_evaluation_mode(network: str) -> None:
    teacher, module = Mine().backbone.eval(), Mine(dropout=0.3)
    strategy, seen = tlml.strategy("rkd"), list[Tensor]()
    penalty = strategy.penalty
    strategy.penalty = lambda one, other: (seen.append(one), penalty(one, other))[1]
    fit(module, Adapt(strategy, network=network, features="backbone"), max_epochs=2)
    with torch.no_grad():
        torch.testing.assert_close(seen[-1], teacher(list(data())[-1][0]))
    assert not torch.equal(module.backbone[1].running_mean, teacher[1].running_mean)


def test_the_teacher_leaves_layers_in_two_places_to_the_module() -> None:
    module, act = Mine(), nn.PReLU()
    module.backbone = nn.Sequential(nn.Linear(2, 4), act, nn.Linear(4, 4), act)
    before = dict(module.named_parameters())
    start = {name: value.detach().clone() for name, value in before.items()}
    fit(module, Adapt("rkd", features="backbone"), max_epochs=2)
    after = dict(module.named_parameters(remove_duplicate=False))
    assert all(after[name] is value for name, value in before.items())
    assert after["backbone.3.weight"] is act.weight
    assert not any(torch.equal(value, start[name]) for name, value in before.items())


def test_a_pull_to_the_start_holds_parameters_there() -> None:
    moved = []
    for alpha in (0.0, 10.0):
        module, start = (
            fit(Mine(), Adapt(tlml.strategy("l2_sp", alpha=alpha)), max_epochs=5),
            Mine(),
        )
        pairs = zip(module.parameters(), start.parameters(), strict=True)
        moved.append(sum(float((p - q).detach().square().sum()) for p, q in pairs))
    assert moved[1] < moved[0] / 4


def test_lora_learns_in_somebodys_module_and_merges() -> None:
    strategy = tlml.strategy("lora", rank=2)
    module, start = fit(Mine(), Adapt(strategy)), Mine()
    strategy.merge(module)
    before = start.state_dict()
    moved = {name for name, v in module.state_dict().items() if not torch.equal(v, before[name])}
    assert moved == {"backbone.0.weight", "backbone.4.weight", "head.weight", "head.bias"}


def test_what_is_asked_for_without_features_is_refused() -> None:
    with stops(
        "features: Coral looks at features; name the submodule that gives them, as in "
        "tlml.Adapt(..., features='backbone')"
    ):
        fit(Mine(), {"strategy": "coral"})
    with stops("features: Mine has no module 'bakbone'; did you mean backbone?"):
        fit(Mine(), {"strategy": "coral", "features": "bakbone"})
    for name in ("mcc", "jdot"):
        with stops(
            f"logits: {name.title()} looks at logits; name the submodule that gives them, as in "
            "tlml.Adapt(..., logits='head')"
        ):
            fit(Mine(), {"strategy": name, "features": "backbone"})
    with stops(
        "strategy: Spy looks at images, which tlml.Adapt does not know; take a learner, or tlml "
        "adapt"
    ):
        fit(Mine(), Adapt(Spy(sees=("images",))))


def test_terms_that_a_step_does_not_ask_for_are_refused() -> None:
    class Silent(Mine):
        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            return self.task_loss(batch)

    fit(Silent(), {"strategy": "full"})
    with stops(
        "L2Sp adds a loss, and training_step of Silent doesn't ask for it; write there: loss = "
        "loss + self.adapt(batch)"
    ):
        fit(Silent(), {"strategy": "l2_sp"})


def test_a_step_must_compute_the_features_first_and_all_of_them() -> None:
    class Early(Mine):
        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            return self.adapt(batch) + self.task_loss(batch)

    with stops("adapt: 'backbone' was not called in this training step; call self.adapt(batch)"):
        fit(Early(), {"strategy": "bss", "features": "backbone"})
    with stops(
        "adapt: Coral needs source and target; give it a tlml.Pair, or a dict with 'source' and "
        "'target', not list"
    ):
        fit(Mine(), {"strategy": "coral", "features": "backbone"})

    class Half(Both):
        def task_loss(self, batch: Pair) -> Tensor:
            return self.backbone(batch.source.x).sum()

    with stops(
        "adapt: 'backbone' gave 5 features in this training step, and the batch has 5 + 4 "
        "examples; pass the source and then the target through it"
    ):
        fit(Half(), {"strategy": "coral", "features": "backbone"}, Listed(pairs(False)))


def test_what_a_strategy_does_not_look_at_need_not_fit() -> None:
    how = {"strategy": "coral", "features": "backbone", "logits": "head"}
    assert len(fit(Both(), how, Listed(pairs(False))).added) == 2


def test_a_pair_without_a_side_is_named() -> None:
    (pair, _), none = pairs(False), torch.zeros(0, 2)
    alone = pair._replace(target=Batch(none, none[:, :1]))
    with stops(
        "adapt: Coral needs source and target; give it a tlml.Pair, or a dict with 'source' and "
        "'target', not a Pair without target examples"
    ):
        fit(Both(), {"strategy": "coral", "features": "backbone"}, Listed([alone]))


def test_logits_are_one_row_for_each_example() -> None:
    class Dense(Both):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Sequential(nn.Linear(4, 8), nn.Unflatten(1, (2, 4)))

        def task_loss(self, batch: Any) -> Tensor:
            return self.head(self.backbone(torch.cat([batch.source.x, batch.target.x]))).mean()

    with stops("logits: 'head' gives [9, 2, 4]; name a module that gives [n, outputs]"):
        fit(Dense(), {"strategy": "mcc", "logits": "head"}, Listed(pairs(False)))


def test_logits_of_both_sides_must_be_computed() -> None:
    with stops(
        "adapt: 'head' gave 5 logits in this training step, and the batch has 5 + 4 examples; pass "
        "the source and then the target through it"
    ):
        fit(
            Both(), {"strategy": "mcc", "features": "backbone", "logits": "head"},
            Listed(pairs(False)),
        )  # fmt: skip


def test_features_must_be_a_tensor() -> None:
    class Two(nn.Module):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return x, x

    module = Mine()
    module.backbone = Two()
    with stops("features: 'backbone' gives a tuple; name a module that gives a tensor [n, ...]"):
        fit(module, {"strategy": "bss", "features": "backbone"})


def test_an_attribute_of_the_modules_own_is_not_overwritten() -> None:
    class Own(Mine):
        def adapt(self, batch: Any) -> float:
            return 0.0

    with stops("Own has an attribute 'adapt' of its own, which is what tlml.Adapt puts there"):
        fit(Own(), {"strategy": "full"})


def test_two_callbacks_may_adapt_two_parts_and_one_may_add_a_loss() -> None:
    def both(other: str) -> list[Adapt]:
        return [Adapt("l2_sp", network="backbone"), Adapt(other, network="head")]

    module = Mine()
    fitting_trainer(max_epochs=1, callbacks=both("full")).fit(module, data())
    assert module.added[-1] > 0
    with stops("adapt: two tlml.Adapt callbacks add losses; one can"):
        fitting_trainer(max_epochs=1, callbacks=both("l2_sp")).fit(Mine(), data())


def test_what_a_strategy_with_terms_owns_must_be_optimised() -> None:
    class Owning(Spy):
        def __init__(self) -> None:
            super().__init__("adaptation")
            self.critic = nn.Linear(4, 1)

        def terms(self, context: Context) -> Mapping[str, Tensor]:
            return {"critic": self.critic(context.features_target).square().mean()}

    with stops("the strategy's 'critic.weight' learns and is in no optimizer; make it over"):
        fit(Mine(), Adapt(Owning(), features="backbone"))
    strategy = Owning()
    before = strategy.critic.weight.detach().clone()
    make = lambda module: torch.optim.SGD(param_groups(module, strategy))  # noqa: E731
    fit(Mine(make), Adapt(strategy, features="backbone"))
    assert not torch.equal(strategy.critic.weight, before)


def test_a_discriminator_learns_and_is_resumed_with_the_callback(tmp_path: Path) -> None:
    strategies: list[Strategy] = []

    def callbacks() -> list[Any]:
        strategies.append(tlml.strategy("dann"))
        return [Adapt(strategies[-1], features="backbone")]

    def made() -> Both:
        return Both(optimizer=lambda own: torch.optim.SGD(param_groups(own, strategies[-1])))

    whole, resumed = interrupted(tmp_path, made, Listed(pairs(True)), callbacks)
    assert all(torch.equal(value, resumed[key]) for key, value in whole.items())
    first, second = (dict(each.named_parameters()) for each in strategies)
    assert len(first) > 0
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_resuming_from_a_checkpoint_without_the_start_is_refused(tmp_path: Path) -> None:
    class Plain(Mine):
        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            return self.task_loss(batch)

    run = fitting_trainer(max_epochs=1)
    run.fit(Plain(), data())
    run.save_checkpoint(tmp_path / "source.ckpt", weights_only=False)
    again = fitting_trainer(max_epochs=2, callbacks=[Adapt("l2_sp")])
    with stops(
        "L2Sp: the weights at the start are not known; the checkpoint that training resumed"
    ):
        again.fit(Mine(), data(), ckpt_path=tmp_path / "source.ckpt", weights_only=True)
