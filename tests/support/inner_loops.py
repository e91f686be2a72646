"""A slow reference of the inner and outer loops: clones and `autograd.grad`, nothing of tlml's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Values = dict[str, Tensor]
TASKS = 3


def perceptron() -> nn.Module:
    """Return the module whose formula is `perceptron_scores`."""
    return nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 2))


def perceptron_scores(p: Values, x: Tensor) -> Tensor:
    """Map ``x [n, 2]`` to ``[n, 2]``."""
    x = torch.tanh(x @ p["0.weight"].T + p["0.bias"])
    x = torch.tanh(x @ p["2.weight"].T + p["2.bias"])
    return x @ p["4.weight"].T + p["4.bias"]


def normed() -> nn.Module:
    """Return the module whose formula is `normed_scores`."""
    return nn.Sequential(nn.Linear(2, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Linear(5, 2))


def normed_scores(p: Values, x: Tensor) -> Tensor:
    """Map ``x [n, 2]`` to ``[n, 2]``, normalised by their own statistics."""
    x = normal((x @ p["0.weight"].T + p["0.bias"])[:, :, None, None], p["1.weight"], p["1.bias"])
    return torch.tanh(x.flatten(1)) @ p["3.weight"].T + p["3.bias"]


def convnet() -> nn.Module:
    """Return the module whose formula is `convnet_scores`."""
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3), nn.Tanh(), nn.AvgPool2d(2),
        nn.Conv2d(3, 2, 3, padding=1, bias=False), nn.BatchNorm2d(2), nn.Softplus(),
        nn.Flatten(), nn.Linear(8, 3),
    )  # fmt: skip


def convnet_scores(p: Values, x: Tensor) -> Tensor:
    """Map images ``[n, 1, 4, 4]`` to ``[n, 3]``, normalised by their own statistics."""
    x = normal(F.conv2d(x, p["0.weight"], p["0.bias"], padding=1), p["1.weight"], p["1.bias"])
    x = F.avg_pool2d(torch.tanh(x), 2)
    x = normal(F.conv2d(x, p["4.weight"], padding=1), p["5.weight"], p["5.bias"])
    return F.softplus(x).flatten(1) @ p["8.weight"].T + p["8.bias"]


def normal(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Normalise ``x [n, C, h, w]`` by the formula of BatchNorm."""
    mean, var = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), unbiased=False, keepdim=True)
    return (x - mean) / (var + 1e-5).sqrt() * weight[:, None, None] + bias[:, None, None]


@dataclass(frozen=True)
class Problem:
    """A network as a module and as a formula, and three tasks for it."""

    make: Callable[[], nn.Module]
    scores: Callable[[Values, Tensor], Tensor]
    shape: tuple[int, ...]
    classes: int  # values are predicted where 0
    norms: tuple[str, ...] = ()
    head: tuple[str, ...] = ()

    def network(self) -> nn.Module:
        """Return the module in float64; no parameter is zero, which would hide mistakes."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(3)
            made = self.make().double()
            for parameter in made.parameters():
                nn.init.normal_(parameter, mean=0.2, std=0.5)
        return made

    def tasks(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return support x and y, query x and y, each ``[3, n, ...]``."""
        rng = torch.Generator().manual_seed(5)
        found = []
        for n in (6, 7):
            x = torch.randn(TASKS, n, *self.shape, generator=rng, dtype=torch.float64)
            if self.classes:
                y = torch.randint(self.classes, (TASKS, n), generator=rng)
            else:
                y = torch.sin(x + torch.rand(TASKS, 1, 2, generator=rng, dtype=torch.float64))
            found += [x, y]
        sx, sy, qx, qy = found
        return sx, sy, qx, qy

    def loss(self, params: Values, x: Tensor, y: Tensor) -> Tensor:
        """Return the loss of a batch."""
        found = self.scores(params, x)
        return F.cross_entropy(found, y) if self.classes else ((found - y) ** 2).mean()


NORMED = Problem(
    normed, normed_scores, (2,), 0, norms=("1.weight", "1.bias"), head=("3.weight", "3.bias")
)
PROBLEMS = {
    "perceptron": Problem(
        perceptron, perceptron_scores, (2,), 0, head=("4.weight", "4.bias")
    ),
    "convnet": Problem(
        convnet, convnet_scores, (1, 4, 4), 3,
        norms=("1.weight", "1.bias", "5.weight", "5.bias"), head=("8.weight", "8.bias"),
    ),
}  # fmt: skip


@dataclass
class Rule:
    """An inner loop as formulas.

    Args:
        step: The change of one parameter: (name, step, its slope, what is learned).
        moves: Which of the parameters move.
        enter: What a step begins with: (step, parameters, first parameters, what is learned).
        learned: What is learned beside the parameters.
    """

    step: Callable[[str, int, Tensor, Values], Tensor]
    moves: Callable[[str], bool] = lambda name: True
    enter: Callable[[int, Values, Values, Values], Values] = lambda k, p, first, learned: p
    learned: Values = field(default_factory=dict)


def outer_loss(
    problem: Problem,
    rule: Rule,
    params: Values,
    steps: int,
    *,
    first_order: bool = False,
    weights: Sequence[float] | None = None,
) -> Tensor:
    """Return the mean over tasks of the query loss after some inner steps.

    `weights` count the query losses after each step; only the last one's counts where None.
    """
    losses = []
    for sx, sy, qx, qy in zip(*problem.tasks(), strict=True):
        now, along = dict(params), []
        for step in range(steps):
            now = rule.enter(step, now, params, rule.learned)
            at = now
            if first_order:
                at = {name: value.detach().requires_grad_() for name, value in now.items()}
            names = [name for name in now if rule.moves(name)]
            loss = problem.loss(at, sx, sy)
            wanted = [at[name] for name in names]
            slopes = torch.autograd.grad(loss, wanted, create_graph=not first_order)
            now = dict(now)
            for name, slope in zip(names, slopes, strict=True):
                now[name] = now[name] - rule.step(name, step, slope, rule.learned)
            along.append(problem.loss(now, qx, qy))
        counts = weights or [0.0] * (steps - 1) + [1.0]
        losses.append(sum(c * loss for c, loss in zip(counts, along, strict=True)))
    return torch.stack(losses).mean()  # type: ignore[arg-type]


def differentiated(loss: Tensor, *groups: Values) -> Values:
    """Return the gradient of a loss by the tensors of some dicts; zeros where it has none."""
    tensors = {name: value for group in groups for name, value in group.items()}
    slopes = torch.autograd.grad(loss, list(tensors.values()), materialize_grads=True)
    return dict(zip(tensors, slopes, strict=True))


def trained_network(outputs: int = 1) -> nn.Module:
    torch.manual_seed(0)
    body = (nn.Linear(2, 4, bias=False), nn.BatchNorm1d(4), nn.Tanh())
    return nn.Sequential(*body, nn.Linear(4, outputs))
