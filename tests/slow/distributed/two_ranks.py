"""What each process of `test_two_ranks` does: the same work on one rank or as one of two."""

from __future__ import annotations

import hashlib
import sys
import warnings
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import CSVLogger
from tiny import Dropping, Letters, Lines, Tables
from torch import Tensor, nn

import tlml
from tlml import EpisodeView, PairView, StreamView, TlmlError
from tlml.data import KeyedSampler
from tlml.testing.toys import LearnedRates


class Seen(pl.Callback):
    """Remembers which tasks this process was given."""

    def __init__(self) -> None:
        self.tasks: list[str] = []

    def on_train_batch_start(
        self, trainer: Any, pl_module: Any, batch: tlml.Episode, batch_idx: int
    ) -> None:
        for x in batch.support.x:
            self.tasks.append(hashlib.sha256(x.numpy().tobytes()).hexdigest()[:16])


def trainer_for(world: int, *callbacks: pl.Callback, **options: Any) -> pl.Trainer:
    return pl.Trainer(
        accelerator="cpu", devices=world, strategy="ddp" if world > 1 else "auto",
        callbacks=list(callbacks), enable_progress_bar=False, enable_model_summary=False,
        enable_checkpointing=False, **{"logger": False, "max_epochs": 2, **options},
    )  # fmt: skip


def state_of(learner: tlml.Learner) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in learner.state_dict().items()}


def convnet() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(),
            nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3),
        )  # fmt: skip


def maml(
    world: int, learner: tlml.Learner, domain: tlml.Domain[Any], folder: Path
) -> dict[str, Any]:
    """Fit and test; 4 tasks in a batch of all processes together."""
    options = {"shots": 2, "queries": 3, "episodes": 8, "tasks_per_batch": 4 // world}
    ways = 3 if isinstance(domain, Letters) else None
    view, seen = learner.view(domain, ways=ways, **options), Seen()
    logger = CSVLogger(folder / f"csv{world}", name=type(domain).__name__, version="")
    trainer = trainer_for(world, seen, logger=logger, log_every_n_steps=1)
    trainer.fit(learner, datamodule=view)
    logged = {name: float(value) for name, value in trainer.callback_metrics.items()}
    before_test = state_of(learner)
    tested = trainer_for(world).test(
        learner, datamodule=EpisodeView(domain, ways=ways, **options | {"episodes": 6}),
        verbose=False,
    )  # fmt: skip
    return {
        "state": before_test,
        "tasks": seen.tasks,
        "logged": logged,
        "tested": dict(tested[0]),
        "records": learner.records,
        "steps": trainer.global_step,
    }


def supervised(world: int) -> dict[str, Any]:
    """Fit and test pairs; 16 examples in a batch of all processes together."""
    learner = tlml.learner("supervised", network="mlp", network_options={"hidden": [6]})
    domain = Tables(classes=2, number=4, train=14, test=10)
    view = learner.view(domain, batch_size=16 // world, queries=5)
    trainer = trainer_for(world)
    trainer.fit(learner, datamodule=view)
    logged = {name: float(value) for name, value in trainer.callback_metrics.items()}
    odd = PairView(domain, batch_size=4, queries=5)  # 10 examples: three batches, or four
    tested = trainer_for(world).test(learner, datamodule=odd, verbose=False)
    return {"state": state_of(learner), "logged": logged, "tested": dict(tested[0])}


def aligned(world: int, strategy: str, **options: Any) -> dict[str, Any]:
    """Align source and unlabelled target; 8 examples of each in a batch of all processes."""
    net = nn.Sequential(
        nn.Linear(2, 6), nn.BatchNorm1d(6) if options else nn.Tanh(), nn.Linear(6, 2)
    )
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(1)
        for parameter in net.parameters():
            parameter.copy_(torch.randn(parameter.shape))
    learner = tlml.learner("supervised", network=net, strategy=strategy, **options)
    view = learner.view(
        Tables(classes=2, number=4, train=12), batch_size=8 // world, queries=4, unlabelled=True
    )
    trainer_for(world, limit_val_batches=0).fit(learner, datamodule=view)
    return {
        "state": {n: p.detach().clone() for n, p in learner.named_parameters()},
        "means": {n: b.clone() for n, b in learner.named_buffers() if n.endswith("running_mean")},
    }


def dropout(world: int) -> dict[str, Any]:
    """Fit a network whose steps are random."""
    masks: list[Tensor] = []
    net = Dropping(2, 2)
    for parameter in net.parameters():
        nn.init.constant_(parameter, 0.1)
    hook = lambda module, inputs, output: masks.append(output == 0) if module.training else None  # noqa: E731
    net.body[2].register_forward_hook(hook)
    learner = tlml.learner("supervised", network=net)
    view = learner.view(Tables(classes=2, number=4), batch_size=8, queries=2)
    trainer_for(world, max_epochs=1, limit_val_batches=0).fit(learner, datamodule=view)
    return {"state": state_of(learner), "masks": masks}


class Theirs(pl.LightningModule):
    """Somebody's module, which asks for the losses of what adapts it."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            self.backbone = nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 4))
            self.head = nn.Linear(4, 1)
        self.start = state_of(self)
        self.moved: list[bool] = []

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        x, y = batch
        loss = nn.functional.mse_loss(self.head(self.backbone(x)), y)
        return loss + self.adapt(batch)

    def train_dataloader(self) -> torch.utils.data.DataLoader[Any]:
        x = torch.randn(32, 2, generator=torch.Generator().manual_seed(1))
        x = x[self.trainer.global_rank :: self.trainer.world_size]
        data = torch.utils.data.TensorDataset(x, x.sum(1, keepdim=True))
        return torch.utils.data.DataLoader(data, 8 // self.trainer.world_size)

    def on_train_batch_end(self, *_: Any) -> None:
        self.moved.append(not torch.equal(self.backbone[0].weight, self.start["backbone.0.weight"]))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1, momentum=0.9, weight_decay=0.1)


def adapting(world: int, strategy: Any) -> dict[str, Any]:
    """Adapt somebody's module; 8 examples in a batch of all processes together."""
    module = Theirs()
    callback = tlml.Adapt(strategy, features="backbone")
    options = {"limit_val_batches": 0, "use_distributed_sampler": False}  # that one shuffles
    trainer_for(world, callback, **options).fit(module)
    return {"state": state_of(module), "moved": module.moved}


def penalised(world: int, name: str) -> dict[str, Any]:
    """Learn a stream with a penalty; 6 examples in a batch of all processes together."""
    learner = tlml.learner(name, network="mlp", network_options={"hidden": [5]}, lr=0.05)
    view = learner.view(Letters(), ways=2, batch_size=6 // world, samples=12)
    trainer = trainer_for(world, max_epochs=-1)
    trainer.fit(learner, datamodule=view)
    return {"state": state_of(learner), "rows": tlml.Retention.of(trainer).rows}


def refusals() -> list[str]:
    """Return the errors for what two processes can't divide."""
    found = []
    for make in (
        lambda: EpisodeView(Letters(), episodes=5).train_dataloader(),
        lambda: StreamView(Tables(test=2), batch_size=5).train_dataloader(),
        lambda: iter(KeyedSampler(4)),
    ):
        try:
            make()
        except TlmlError as error:
            found.append(str(error))
    return found


def acting(world: int, folder: Path, **options: Any) -> dict[str, Any]:
    """Let an agent learn in eight environments of all processes together."""

    class Steps(pl.Callback):
        """Notes the observations and the weights after each rollout."""

        def __init__(self) -> None:
            self.seen: list[Tensor] = []
            self.weights: list[Tensor] = []

        def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
            self.seen.append(torch.from_numpy(pl_module.environments.observations.copy()))
            weights = [p.detach().reshape(-1) for p in pl_module.parameters()]
            self.weights.append(torch.cat(weights).clone())

    agent: Any = tlml.learner(
        "ppo", max_env_steps=700, seed=2, network_options={"hidden": [8]}, epochs=3,
        normalise_observations=True, normalise_rewards=True, **options,
    )  # fmt: skip
    view = agent.view(tlml.domain("cartpole"), envs=8 // world, seed=3)
    steps = Steps()
    trainer = trainer_for(world, steps, max_epochs=-1, limit_val_batches=0)
    trainer.fit(agent, view)
    trainer.save_checkpoint(folder / f"agent{world}.ckpt")
    left = torch.load(folder / f"agent{world}.ckpt", weights_only=True)["tlml"]["environments"]
    return {
        "seen": steps.seen, "weights": steps.weights, "steps": int(agent.env_steps),
        "gradient steps": trainer.global_step, "left": left,
    }  # fmt: skip


def work(world: int, folder: Path) -> dict[str, Any]:
    """Do everything."""
    rates = LearnedRates(lr=0.05, steps=2)
    mlp = tlml.learner("maml", network="mlp", network_options={"hidden": [8]}, strategy=rates)
    first = tlml.learner(
        "maml", network=convnet(), strategy=tlml.strategy("sgd", lr=0.1, steps=1),
        first_order=True, vectorize="vmap",
    )  # fmt: skip
    second = tlml.learner(
        "maml", network=convnet(), strategy=tlml.strategy("sgd", lr=0.1, steps=2), memory="low"
    )
    return {
        "mlp": maml(world, mlp, Lines(), folder),
        "convnet, first order": maml(world, first, Letters(shape=(1, 6, 6)), folder / "first"),
        "convnet, second order": maml(world, second, Letters(shape=(1, 6, 6)), folder / "second"),
        "supervised": supervised(world),
        "mmd": aligned(world, "mmd"),
        "dann": aligned(world, "dann"),
        "cdan": aligned(world, "cdan"),
        "separate statistics": aligned(world, "coral", separate_batchnorm=True),
        "dropout": dropout(world),
        "unfreezing": adapting(world, {"name": "gradual_unfreeze", "options": {"unfrozen": 0.5}}),
        "pulled": adapting(world, {"name": "l2_sp", "options": {"alpha": 1.0}}),
        "distilled": adapting(world, "rkd"),
        **{name: penalised(world, name) for name in ("ewc", "si", "lwf")},
        "acting": acting(world, folder),
        "minibatches": acting(world, folder / "parts", batch_size=64),
        "refusals": refusals() if world > 1 else [],
    }


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    found = work(2, Path(sys.argv[1]))
    rank = torch.distributed.get_rank()
    torch.save(found, Path(sys.argv[1]) / f"rank{rank}.pt")
