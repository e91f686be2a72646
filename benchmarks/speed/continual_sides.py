"""Who is timed on streams: tlml's paths of La-MAML, the loop by hand, and the authors' code."""

from __future__ import annotations

import importlib
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Literal

import torch
from torch import Tensor, nn

import tlml
from benchmarks.speed.lamaml_by_hand import ByHand, convolutions, perceptron
from tlml import Batch, Step

BY_HAND, AUTHORS = "by hand", "authors"
BATCH, REPLAY, MEMORY, CLASSES = 10, 10, 200, 10
ALPHA, ALPHA_LR, CLIP = 0.05, 0.1, 2.0


@dataclass(frozen=True)
class Case:
    """One workload.

    Args:
        name: What tables and `--only` call it.
        images: Whether it is a small convolutional network, else the paper's perceptron.
        second: Whether inner steps are differentiated.
        loss_at: Where the meta-loss is taken.
        variants: Options of the learner by the name of a variant.
    """

    name: str
    images: bool
    second: bool
    loss_at: Literal["last", "mean"]
    variants: dict[str, dict[str, Any]]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of an input."""
        return (1, 28, 28) if self.images else (784,)

    def network(self) -> nn.Sequential:
        """Make the network, always with the same weights."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            if self.images:
                return nn.Sequential(
                    nn.Conv2d(1, 16, 3, stride=2, padding=1), nn.ReLU(),
                    nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU(),
                    nn.Flatten(), nn.Linear(1568, 64), nn.ReLU(), nn.Linear(64, 10),
                )  # fmt: skip
            return nn.Sequential(
                nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, 10)
            )

    def batches(self, number: int) -> list[Batch]:
        """Draw batches: noise with a fifth of the entries, as much as digits have ink."""
        rng = torch.Generator().manual_seed(1)
        found = []
        for _ in range(number):
            x = torch.rand(BATCH, *self.shape, generator=rng)
            x *= torch.rand(x.shape, generator=rng) < 0.2
            found.append(Batch(x, torch.randint(CLASSES, (BATCH,), generator=rng)))
        return found


def cases() -> Iterator[Case]:
    """Yield all workloads."""
    mlp: dict[str, dict[str, Any]] = {
        "auto": {}, "plain": {"path": "plain"}, "adjoint": {"path": "adjoint"},
        "compiled": {"path": "compiled"},
    }  # fmt: skip
    for loss_at in ("mean", "last"):
        for second in (False, True):
            yield Case(_name("perceptron", second, loss_at), False, second, loss_at, mlp)
    for loss_at in ("mean", "last"):
        ways = {"auto": {}, "plain": {"path": "plain"}, "compiled": {"path": "compiled"}}
        yield Case(_name("convolutions", True, loss_at), True, True, loss_at, ways)


def _name(network: str, second: bool, loss_at: str) -> str:
    order = "second" if second else "first"
    return f"{network}, {order} order, {'mean' if loss_at == 'mean' else 'paper'} loss"


@dataclass(frozen=True)
class Side:
    """A way to learn from batches.

    Args:
        observe: Look once at a batch, with replay from the side's own memory, and keep it.
        theta: The parameters.
        alpha: Their rates, in the same order.
        look: Look at a batch with given replay; None where a side draws it itself.
    """

    observe: Callable[[Batch], object]
    theta: Sequence[Tensor]
    alpha: Sequence[Tensor]
    look: Callable[[Batch, Batch], object] | None = None

    def values(self) -> Tensor:
        """Return all parameters and rates as one vector."""
        return torch.cat([value.detach().flatten() for value in (*self.theta, *self.alpha)])


def side(case: Case, name: str, authors: str | None = None) -> Side:
    """Return a side by name: a variant of the case, ``by hand``, or ``authors``."""
    if name == AUTHORS:
        assert authors is not None
        return _authors(case, authors)
    return _by_hand(case) if name == BY_HAND else _tlml(case, name)


def _tlml(case: Case, variant: str) -> Side:
    network = case.network()
    learner: Any = tlml.learner(
        "lamaml", network=network, order="second" if case.second else "first",
        loss_at=case.loss_at, glances=1, replay=REPLAY, memory_size=MEMORY, alpha_init=ALPHA,
        alpha_lr=ALPHA_LR, grad_clip_norm=CLIP, **case.variants[variant],
    )  # fmt: skip
    learner.meet(_spaces(case))
    task = torch.zeros(BATCH, dtype=torch.int64)
    rates = [learner.alpha[name] for name, _ in network.named_parameters()]
    return Side(lambda batch: learner.observe(Step(batch, task)), list(network.parameters()), rates)


def _spaces(case: Case) -> Any:
    from gymnasium.spaces import Box, Discrete

    from tlml.views import ViewSpaces

    return ViewSpaces(Box(0.0, 1.0, case.shape), Discrete(CLASSES))


def _by_hand(case: Case) -> Side:
    theta = [nn.Parameter(p.detach().clone()) for p in case.network().parameters()]
    slow = ByHand(
        convolutions if case.images else perceptron, theta, ALPHA, alpha_lr=ALPHA_LR,
        second=case.second, loss_at=case.loss_at, clip=CLIP, memories=MEMORY, replay=REPLAY,
    )  # fmt: skip

    def look(own: Batch, replay: Batch) -> float:
        both = [torch.cat(pair) for pair in zip(replay, own, strict=True)]
        return slow.look(*own, *both)

    return Side(lambda batch: slow.observe(*batch), theta, slow.alpha, look)


def _authors(case: Case, root: str) -> Side:
    """Return the authors' code, from a checkout."""
    kind = authors_net(root) if case.loss_at == "mean" else _at_the_end(authors_net(root))
    options = authors_options(alpha_init=ALPHA, opt_lr=ALPHA_LR, second_order=case.second)
    if case.images:
        factory = importlib.import_module("model.meta.modelfactory").ModelFactory
        factory.get_model = staticmethod(lambda **_: _IMAGES)
    net = kind(784, CLASSES, 20, options)
    with torch.no_grad():
        for to, value in zip(net.net.parameters(), case.network().parameters(), strict=True):
            to.copy_(value)
    # They replace their parameters' data; the parameters stay.
    return Side(
        lambda batch: net.observe(batch.x, batch.y, 0), list(net.net.parameters()),
        list(net.net.alpha_lr),
    )  # fmt: skip


# The network of images, as their factory of networks describes one.
_IMAGES = [
    ("conv2d", [16, 1, 3, 3, 2, 1], ""), ("relu", [True], ""),
    ("conv2d", [32, 16, 3, 3, 2, 1], ""), ("relu", [True], ""), ("flatten", [], ""),
    ("linear", [64, 1568], ""), ("relu", [True], ""), ("linear", [10, 64], ""), ("rep", [], ""),
]  # fmt: skip


def authors_options(**options: Any) -> SimpleNamespace:
    """Return the options of the authors' La-MAML: those given, the others for batches like ours."""
    common = {
        "n_layers": 2, "n_hiddens": 100, "arch": "linear", "dataset": "mnist_rotations",
        "xav_init": False, "opt_wt": 0.1, "glances": 1, "memories": MEMORY,
        "replay_batch_size": REPLAY, "cuda": False, "second_order": False, "learn_lr": True,
        "sync_update": False, "use_old_task_memory": False, "grad_clip_norm": CLIP,
    }  # fmt: skip
    return SimpleNamespace(**{**common, **options})


def _at_the_end(kind: Any) -> Any:
    """Return the authors' class with the meta-loss at the last parameters alone."""

    class AtTheEnd(kind):
        calls = 0

        def meta_loss(self, *given: Any) -> tuple[Any, Any]:
            self.calls += 1
            if self.calls % BATCH:
                return 0, None
            loss, scores = super().meta_loss(*given)
            return BATCH * loss, scores  # they divide by the number of losses

    return AtTheEnd


def authors_net(root: str | Path) -> Any:
    """Return the class of the authors' La-MAML.

    Raises:
        SystemExit: There is none.
    """
    if not (Path(root) / "model" / "lamaml.py").is_file():
        raise SystemExit(
            f"--authors: {root} holds no model/lamaml.py; give the folder of a checkout of "
            "https://github.com/montrealrobotics/La-MAML"
        )
    sys.modules.setdefault("ipdb", ModuleType("ipdb"))  # a debugger, imported and not used
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    return importlib.import_module("model.lamaml").Net


def seed(number: int) -> None:
    """Seed what all sides draw from."""
    torch.manual_seed(number)
    random.seed(number)
