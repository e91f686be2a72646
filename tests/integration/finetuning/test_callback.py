from __future__ import annotations

import fnmatch
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from trainers import quiet_trainer

import tlml
from tlml import Adapt, Group, Phase, Strategy, TlmlError, param_groups
from tlml.finetuning.callback import PhaseCallback
from tlml.strategies.phases import until_step

STEPS = 4  # batches in an epoch of `data`


class Phases(Strategy):
    """Any phases."""

    def __init__(self, *phases: Phase, lr: float = 0.1) -> None:
        super().__init__(lr=lr)
        self.given = phases

    def phases(self, names: Sequence[str]) -> Sequence[Phase]:
        return self.given


class Foreign(LightningModule):
    """Somebody's module: a body with BatchNorm, a head, and an optimiser of its own."""

    def __init__(
        self, optimizer: Callable[[Foreign], Any] | None = None, *, norm: type = nn.BatchNorm1d
    ) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Linear(2, 4), norm(4), nn.Tanh())
        self.head = nn.Linear(4, 1)
        self.make = optimizer

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        x, y = batch
        return nn.functional.mse_loss(self.head(self.body(x)), y)

    validation_step = training_step

    def configure_optimizers(self) -> Any:
        if self.make is not None:
            return self.make(self)
        return torch.optim.SGD(self.parameters(), 0.1, momentum=0.9, weight_decay=0.1)


class Watch(Callback):
    """Notes what is seen just before each optimiser step and after each batch."""

    def __init__(self, note: Callable[[Trainer, LightningModule], Any]) -> None:
        self.note, self.notes = note, []

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        self.notes.append(self.note(trainer, pl_module))


def data(batch: int = 8) -> DataLoader[Any]:
    x = torch.randn(batch * STEPS, 2, generator=torch.Generator().manual_seed(1))
    return DataLoader(TensorDataset(x, x.sum(1, keepdim=True)), batch)


def fit(module: LightningModule, *callbacks: Callback, **options: Any) -> Trainer:
    path = options.pop("ckpt_path", None)
    validation = options.pop("validation", None)
    options |= {} if validation else {"limit_val_batches": 0}
    trainer = quiet_trainer(callbacks=list(callbacks), **{"max_epochs": 2} | options)
    trainer.fit(module, data(), validation or data(), ckpt_path=path)
    return trainer


def state(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def changed(before: dict[str, Tensor], module: nn.Module) -> set[str]:
    after = module.state_dict()
    return {name for name in before if not torch.equal(before[name], after[name])}


HEAD = {"head.weight", "head.bias"}
BODY = {"body.0.weight", "body.0.bias", "body.1.weight", "body.1.bias"}
STATISTICS = {"body.1.running_mean", "body.1.running_var", "body.1.num_batches_tracked"}
HALVES = (Phase(0.5, (Group("head.*"),)), Phase(1.0))
LP_FT = (Phase(3, (Group("head.*"),)), Phase(1.0))


@pytest.mark.parametrize("alone", [True, False])
def test_only_what_a_phase_names_moves_whatever_momentum_and_decay_do(
    alone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not alone:  # as under DDP, where all parameters require gradients throughout
        monkeypatch.setattr("tlml.finetuning.callback.SingleDeviceStrategy", int)
    module = Foreign()
    before = state(module)
    fit(module, Adapt("linear_probe"))
    assert changed(before, module) == HEAD


def test_layers_are_unfrozen_in_a_trainer_one_after_the_other() -> None:
    module = Foreign()
    seen = Watch(lambda trainer, module: changed(before, module))
    before = state(module)
    fit(module, Adapt({"name": "gradual_unfreeze", "options": {"unfrozen": 0.5}}), seen)
    assert seen.notes == [HEAD] * 4 + [HEAD | BODY | STATISTICS] * 4


def test_rates_by_depth_need_groups_of_their_own() -> None:
    with pytest.raises(TlmlError, match=r"its group 0 holds parameters with the rates .* make it"):
        fit(Foreign(), Adapt("discriminative_lr"))
    strategy = tlml.strategy("discriminative_lr", lr=0.1, factor=4.0)
    module = Foreign(lambda own: torch.optim.SGD(param_groups(own, strategy)))
    reference = Foreign(
        lambda own: torch.optim.SGD(
            [
                {"params": own.body.parameters(), "lr": 0.1 / 4},
                {"params": own.head.parameters(), "lr": 0.1},
            ]
        )
    )
    fit(module, Adapt(strategy))
    fit(reference)
    for name, value in reference.state_dict().items():
        torch.testing.assert_close(module.state_dict()[name], value)


def test_phases_follow_each_other_by_steps() -> None:
    module = Foreign()
    seen = Watch(lambda trainer, module: changed(before, module))
    before = state(module)
    fit(module, Adapt(Phases(*LP_FT)), seen)
    assert seen.notes[:3] == [HEAD] * 3
    assert seen.notes[3:] == [HEAD | BODY | STATISTICS] * 5


@pytest.mark.parametrize("options", [{"max_epochs": 2}, {"max_steps": 2 * STEPS, "max_epochs": 9}])
def test_a_share_is_one_of_the_whole_training(options: dict[str, int]) -> None:
    module = Foreign()
    seen = Watch(lambda trainer, module: changed(before, module) == HEAD)
    before = state(module)
    fit(module, Adapt(Phases(Phase(0.75, (Group("head.*"),)), Phase())), seen, **options)
    assert seen.notes == [True] * 6 + [False] * 2


def test_a_share_of_an_endless_training_is_refused() -> None:
    strategy = Phases(Phase(0.5, (Group("head.*"),)), Phase())
    with pytest.raises(TlmlError) as error:
        fit(Foreign(), Adapt(strategy), max_epochs=-1, max_time={"seconds": 1})
    assert str(error.value) == (
        "until=0.5: a share needs a total; set max_steps or max_epochs, or give the phase a "
        "number of steps"
    )


def test_one_phase_needs_no_total() -> None:
    module = Foreign()
    stop = Watch(lambda trainer, module: setattr(trainer, "should_stop", True))
    fit(module, Adapt("full"), stop, max_epochs=-1)
    assert stop.notes == [None]


def test_rates_scale_a_schedule_and_leave_it_as_it_was() -> None:
    phases = Phases(Phase(STEPS, (Group("head.*"), Group("*", lr=0.1))), Phase())

    def optimizer(module: Foreign) -> Any:
        made = torch.optim.SGD(param_groups(module, phases))
        schedule = torch.optim.lr_scheduler.LambdaLR(made, lambda epoch: 0.5**epoch)
        return [made], [schedule]

    used: list[list[float]] = []
    module = Foreign(optimizer)
    seen = Watch(lambda trainer, _: [group["lr"] for group in trainer.optimizers[0].param_groups])

    class Spy(Callback):
        def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
            trainer.optimizers[0].register_step_pre_hook(
                lambda optimizer, *_: used.append([group["lr"] for group in optimizer.param_groups])
            )

    fit(module, Adapt(phases), Spy(), seen, max_epochs=3)
    assert seen.notes == [[0.1 * 0.5 ** (step // STEPS)] * 2 for step in range(1, 3 * STEPS + 1)]
    body = [[pytest.approx(0.01), 0.1]] * STEPS
    assert used == body + [[0.05] * 2] * STEPS + [[0.025] * 2] * STEPS


def test_groups_are_made_once_and_hold_each_parameter_once() -> None:
    module = Foreign()
    strategy = Phases(*LP_FT, lr=0.3)
    groups = param_groups(module, strategy)
    assert [(group["name"], set(group["names"]), group["lr"]) for group in groups] == [
        ("frozen/*", BODY, 0.3),
        ("head.*/*", HEAD, 0.3),
    ]
    named = dict(module.named_parameters())
    # BatchNorm's ones are equal by value; each must be there all the same.
    assert [[named[name] for name in group["names"]] for group in groups] == [
        group["params"] for group in groups
    ]


def test_what_is_always_frozen_is_in_no_group_and_what_the_strategy_owns_in_one_of_its_own() -> (
    None
):
    strategy = Phases(Phase(1.0, (Group("head.weight"),)))
    strategy.rate = nn.Parameter(torch.ones(2))
    module = Foreign()
    module.strategy = strategy  # as a module may hold it
    groups = param_groups(module, strategy)
    assert [(group["name"], group["names"]) for group in groups] == [
        ("head.weight", ["head.weight"]),
        ("strategy", ["rate"]),
    ]


@given(st.lists(st.sampled_from(["*", "head.*", "body.*", "*.weight"]), min_size=1, max_size=4))
def test_a_parameter_that_learns_in_some_phase_is_in_exactly_one_group(patterns: list[str]) -> None:
    phases = [Phase(end, (Group(pattern),)) for end, pattern in enumerate(patterns)]
    names = [n for group in param_groups(Foreign(), Phases(*phases)) for n in group["names"]]
    learning = {n for n in HEAD | BODY for pattern in patterns if fnmatch.fnmatch(n, pattern)}
    assert sorted(names) == sorted(learning)


def resumed(folder: Path, make: Callable[[], tuple[Foreign, Adapt]]) -> tuple[Foreign, Foreign]:
    """Return a module trained at once, and one that goes on from its second epoch."""

    class Save(Callback):
        def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
            path = folder / f"{trainer.current_epoch}.ckpt"
            trainer.save_checkpoint(path, weights_only=False)

    whole, adapt = make()
    fit(whole, adapt, Save(), max_epochs=4)
    module, adapt = make()
    fit(module, adapt, max_epochs=4, ckpt_path=folder / "1.ckpt")
    return whole, module


def test_resume_equals_the_uninterrupted_run(tmp_path: Path) -> None:
    def make() -> tuple[Foreign, Adapt]:
        strategy = Phases(Phase(9, (Group("head.*"), Group("body.1.*", 0.5))), Phase())
        return (
            Foreign(lambda module: torch.optim.Adam(param_groups(module, strategy))),
            Adapt(strategy),
        )

    whole, module = resumed(tmp_path, make)
    assert changed(state(whole), module) == set()


SCHEDULERS: dict[str, Callable[[torch.optim.Optimizer], Any]] = {
    "lambda": lambda made: torch.optim.lr_scheduler.LambdaLR(made, lambda step: 0.9**step),
    "cosine": lambda made: torch.optim.lr_scheduler.CosineAnnealingLR(made, 4 * STEPS),
    "one cycle": lambda made: torch.optim.lr_scheduler.OneCycleLR(made, 0.2, 4 * STEPS + 1),
    "plateau": lambda made: torch.optim.lr_scheduler.ReduceLROnPlateau(made, "max", 0.5, 3),
}


class Scheduled(Foreign):
    """Its groups are those of phases, its rates a scheduler's; what it watches never improves."""

    def __init__(self, kind: str, strategy: Strategy) -> None:
        super().__init__()
        self.kind, self.strategy = kind, strategy

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        self.log("watched", 1.0)
        return super().training_step(batch, batch_idx)

    def configure_optimizers(self) -> Any:
        made = torch.optim.SGD(param_groups(self, self.strategy), momentum=0.9, weight_decay=0.1)
        scheduler = SCHEDULERS[self.kind](made)
        # By steps: what Lightning steps by epochs on a plateau it steps after it has saved.
        how = {"scheduler": scheduler, "monitor": "watched", "interval": "step"}
        return {"optimizer": made, "lr_scheduler": how}


class Rates(Callback):
    """Notes the rates that each step is taken by; it comes after what changes them."""

    def __init__(self) -> None:
        self.used: list[list[float]] = []

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        trainer.optimizers[0].register_step_pre_hook(
            lambda made, *_: self.used.append([group["lr"] for group in made.param_groups])
        )


def halves() -> Phases:
    """The head for six steps, then everything, the body at half the rate."""
    body = (Group("head.*"), Group("*", lr=0.5))
    return Phases(Phase(6, (Group("head.*"),)), Phase(1.0, body))


@pytest.mark.parametrize("kind", SCHEDULERS)
def test_schedulers_work_through_an_unfreezing_and_a_resumed_run(kind: str, tmp_path: Path) -> None:
    free, used, module = Rates(), Rates(), Scheduled(kind, halves())
    fit(Scheduled(kind, halves()), free, max_epochs=4)
    seen = Watch(lambda trainer, module: changed(before, module))
    before = state(module)
    fit(module, Adapt(module.strategy), used, seen, max_epochs=4)
    assert len({tuple(rates) for rates in free.used}) > 2
    assert seen.notes == [HEAD] * 6 + [HEAD | BODY | STATISTICS] * 10
    scales = [[1.0, 1.0]] * 6 + [[0.5, 1.0]] * 10
    expected = [
        [rate * scale for rate, scale in zip(*pair, strict=True)]
        for pair in zip(free.used, scales, strict=True)
    ]
    assert used.used == [pytest.approx(rates) for rates in expected]

    def make() -> tuple[Foreign, Adapt]:
        strategy = halves()
        return Scheduled(kind, strategy), Adapt(strategy)

    whole, later = resumed(tmp_path, make)
    assert changed(state(whole), later) == set()


def test_a_fresh_start_is_keyed_and_not_repeated_by_resuming(tmp_path: Path) -> None:
    def make() -> tuple[Foreign, Adapt]:
        return Foreign(), Adapt("scratch", seed=3)

    whole, module = resumed(tmp_path, make)
    assert changed(state(whole), module) == set()
    other = Foreign()
    fit(other, Adapt("scratch", seed=4), max_epochs=4)
    assert changed(state(whole), other) >= HEAD


def test_a_fresh_start_forgets_the_statistics_of_the_source() -> None:
    module = Foreign()
    module.body[1].running_mean.fill_(100.0)
    fit(module, Adapt("scratch"), max_steps=1)
    assert module.body[1].running_mean.abs().max() < 10


def test_a_fresh_start_trains_what_was_frozen_and_freezes_it_again() -> None:
    module = Foreign()
    module.body.requires_grad_(False)
    before = state(module)
    fit(module, Adapt("scratch"), max_steps=2)
    assert changed(before, module) >= BODY
    assert not any(p.requires_grad for p in module.body.parameters())
    assert all(p.requires_grad for p in module.head.parameters())


def test_gradients_are_asked_of_what_learns_only_and_of_all_afterwards() -> None:
    module = Foreign()
    module.head.bias.requires_grad_(False)  # the user's own wish
    before = state(module)
    seen = Watch(lambda _, module: {n for n, p in module.named_parameters() if p.requires_grad})
    fit(module, Adapt(Phases(*LP_FT)), seen)
    assert seen.notes == [{"head.weight"}] * 3 + [BODY | {"head.weight"}] * 5
    assert {n for n, p in module.named_parameters() if p.requires_grad} == BODY | {"head.weight"}
    assert "head.bias" not in changed(before, module)


def test_the_module_is_left_as_it_was_found_after_an_error() -> None:
    class Fails(Callback):
        def on_train_batch_end(self, *_: Any) -> None:
            raise KeyError("stop")

    module = Foreign()
    with pytest.raises(KeyError):
        fit(module, Adapt("linear_probe"), Fails())
    assert all(parameter.requires_grad for parameter in module.parameters())


@pytest.mark.parametrize(
    ("policy", "trains", "moves"),
    [("train", True, True), ("eval", False, False), ("adapt", False, True)],
)
def test_batchnorm_follows_its_group_also_after_validation(
    policy: Any, trains: bool, moves: bool
) -> None:
    module = Foreign()
    before = state(module)
    modes = Watch(lambda _, module: module.body[1].training)
    callback = Adapt(Phases(Phase(1.0, (Group("*", lr=1.0, bn=policy),))))
    fit(module, callback, modes, validation=data(), val_check_interval=1)
    assert modes.notes == [trains] * 2 * STEPS
    assert (changed(before, module) >= STATISTICS) == moves


def test_frozen_batchnorm_stays_unless_its_group_says_otherwise() -> None:
    module = Foreign()
    before = state(module)
    fit(module, Adapt(Phases(Phase(1.0, (Group("head.*"), Group("body.1.*", lr=0, bn="train"))))))
    assert changed(before, module) == HEAD | STATISTICS


def test_adapting_statistics_is_what_training_does_to_them() -> None:
    trained, adapted = Foreign(), Foreign()
    frozen = (Group("*", lr=0.0, bn="train"),)
    fit(trained, Adapt(Phases(Phase(1.0, frozen))))
    fit(adapted, Adapt(Phases(Phase(1.0, (Group("*", lr=0.0, bn="adapt"),)))), validation=data())
    for name in STATISTICS:
        assert torch.allclose(trained.state_dict()[name], adapted.state_dict()[name]), name


def test_statistics_without_momentum_are_averages() -> None:
    module = Foreign()
    module.body[1].momentum = None
    fit(module, Adapt(Phases(Phase(1.0, (Group("*", lr=0.0, bn="adapt"),)))), max_epochs=1)
    hidden = torch.cat([module.body[0](x) for x, _ in data()])
    assert torch.allclose(module.body[1].running_mean, hidden.mean(0), atol=1e-6)


def test_an_optimizer_that_mixes_rates_is_refused() -> None:
    strategy = Phases(Phase(1.0, (Group("head.*"), Group("*", lr=0.1))))
    with pytest.raises(TlmlError) as error:
        fit(Foreign(), Adapt(strategy))
    assert str(error.value) == (
        "optimizer: its group 0 holds parameters with the rates 0.1, 1.0 in phase 0; make it over "
        "tlml.param_groups(network, strategy)"
    )


def test_a_learning_parameter_without_optimizer_is_refused() -> None:
    module = Foreign(lambda module: torch.optim.SGD(module.head.parameters(), 0.1))
    with pytest.raises(TlmlError) as error:
        fit(module, Adapt("full"))
    assert str(error.value) == (
        "parameter 'body.0.weight' learns and is in no optimizer; make it over "
        "tlml.param_groups(network, strategy)"
    )


def test_a_pattern_without_parameters_is_refused() -> None:
    with pytest.raises(TlmlError, match=r"^pattern 'haed\.\*' matches no parameter"):
        fit(Foreign(), Adapt(Phases(Phase(1.0, (Group("haed.*"),)))))


def test_a_submodule_adapts_alone() -> None:
    class Outer(Foreign):
        def __init__(self) -> None:
            super().__init__(norm=nn.LayerNorm)
            self.after = nn.Linear(1, 1)

        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            x, y = batch
            return nn.functional.mse_loss(self.after(self.head(self.body(x))), y)

    module = Outer()
    before = state(module)
    fit(module, Adapt(Phases(Phase(1.0, (Group("0.*"),))), network="body"))
    assert changed(before, module) == {
        "body.0.weight", "body.0.bias", "after.weight", "after.bias", *HEAD
    }  # fmt: skip
    with pytest.raises(
        TlmlError, match=r"^network: Outer has no module 'trunk'; choose from after, body, "
    ):
        fit(Outer(), Adapt("full", network="trunk"))


def test_two_optimizers_stepped_by_hand_obey() -> None:
    class Manual(Foreign):
        automatic_optimization = False

        def training_step(self, batch: Any, batch_idx: int) -> None:
            for optimizer in self.optimizers():
                optimizer.zero_grad()
                self.manual_backward(super().training_step(batch, batch_idx))
                optimizer.step()

    def both(module: Foreign) -> list[torch.optim.Optimizer]:
        return [torch.optim.SGD(part.parameters(), 0.1) for part in (module.body, module.head)]

    module = Manual(both)
    before = state(module)
    fit(module, Adapt("linear_probe"))
    assert changed(before, module) == HEAD


@pytest.mark.parametrize("twice", [False, True])
def test_phases_count_batches_where_several_steps_are_taken_in_each(twice: bool) -> None:
    class Manual(Foreign):
        automatic_optimization = False

        def training_step(self, batch: Any, batch_idx: int) -> None:
            optimizers = self.optimizers()
            for optimizer in [optimizers] * 2 if twice else optimizers:
                optimizer.zero_grad()
                self.manual_backward(super().training_step(batch, batch_idx))
                optimizer.step()

    def both(module: Foreign) -> list[torch.optim.Optimizer]:
        return [torch.optim.SGD(part.parameters(), 0.1) for part in (module.body, module.head)]

    def one(module: Foreign) -> torch.optim.Optimizer:
        return torch.optim.SGD(module.parameters(), 0.1)

    seen = Watch(lambda _, module: module.body[0].weight.requires_grad)
    module = Manual(one if twice else both)
    fit(module, Adapt(Phases(*HALVES)), seen, max_epochs=2)
    assert seen.notes == [False] * STEPS + [True] * STEPS


def test_names_and_options_are_checked_at_once() -> None:
    assert isinstance(Adapt("full"), PhaseCallback)
    with pytest.raises(TlmlError, match=r"^no strategy is called 'ful'; did you mean full\?$"):
        Adapt("ful")
    with pytest.raises(TlmlError, match=r"^seed: must be at least 0, is -1$"):
        Adapt("full", seed=-1)


@given(step=st.integers(0, 30), ends=st.lists(st.integers(0, 20), min_size=1, max_size=4))
def test_the_phase_is_a_function_of_the_step(step: int, ends: list[int]) -> None:
    from tlml.finetuning.phase_switch import Phasing

    phases = [Phase(end, (Group("*", lr=float(n + 1)),)) for n, end in enumerate(ends)]
    network = nn.Linear(1, 1)
    rates = Phasing(network, Phases(*phases), lambda: None).at(step).rates
    expected = next(
        (n for n, p in enumerate(phases[:-1]) if step < until_step(p, None)), len(phases) - 1
    )
    assert set(rates.values()) == {float(expected + 1)}
