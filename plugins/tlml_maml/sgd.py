"""Plain gradient steps: the inner loop of MAML (Finn, Abbeel & Levine 2017, arXiv 1703.03400)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from tlml import Strategy, TlmlError, gradient
from tlml.data import Params
from tlml.errors import check_not_negative
from tlml.strategies import kept_of


class Sgd(Strategy):
    """θ′ = θ − α ∇L(θ), `steps` times, on the whole support (equation 1).

    Other inner loops are subclasses that say which parameters move (`names`), where to
    (`direction`), how far (`rate`), or what a step begins with (`enter`).

    Args:
        lr: Inner step size α.
        steps: Inner steps k.
        batchnorm: Statistics that BatchNorm uses on a target task: of its ``batch`` (transductive)
            or as ``stored`` in training; as the learner does where None.
        learn_lr: Learn α with the initialisation; `lr` is where it starts. Its sign is free.
        test_steps: Inner steps of a validation or test, that is of `eval` mode; as `steps` where
            None.

    Raises:
        TlmlError: An option is out of range.
    """

    batched: ClassVar[bool] = True

    def __init__(
        self,
        lr: float = 0.01,
        steps: int = 5,
        batchnorm: Literal["batch", "stored"] | None = None,
        *,
        learn_lr: bool = False,
        test_steps: int | None = None,
    ) -> None:
        super().__init__(lr=lr, steps=steps, batchnorm=batchnorm)
        if test_steps is not None:
            check_not_negative(test_steps=test_steps)
        self.learn_lr, self.test_steps = learn_lr, test_steps
        self._known: tuple[str, ...] = ()

    def attach(self, network: nn.Module) -> None:
        """Make what is learned of the inner loop, in the network's type and on its device."""
        self._known = tuple(name for name, _ in network.named_parameters())
        if self.learn_lr:
            check_learns(self)
            self.make_rates(network)

    def make_rates(self, network: nn.Module) -> None:
        """Make the learned rates; here one for all parameters."""
        self.alpha = nn.Parameter(next(network.parameters()).detach().new_tensor(self.lr))

    @property
    def rates(self) -> dict[str, Tensor]:
        """The learned rates by parameter name, as they are now; empty where none are learned."""
        return dict.fromkeys(self.names(self._known), self.alpha) if self.learn_lr else {}

    @property
    def count(self) -> int:
        """How many steps are taken now."""
        return self.max_steps if self.training or self.test_steps is None else self.test_steps

    def steps(
        self, loss: Callable[[Params, Any], Tensor], params: Params, support: Any
    ) -> Iterator[Params]:
        """Yield the parameters after each inner step."""
        names, first = self.names(tuple(params)), params
        self.check({**kept_of(loss), **params})
        for step in range(self.count):
            params = self.enter(step, params, first)
            slope = gradient(loss, params, support, names)
            ways = {name: self.direction(name, slope[name]) for name in names}
            moved = {name: _move(params[name], self.rate(name, step), ways[name]) for name in names}
            params = {**params, **moved}
            yield params

    def names(self, known: tuple[str, ...]) -> tuple[str, ...]:
        """Return which of the parameters move; all."""
        return known

    def rate(self, name: str, step: int) -> float | Tensor:
        """Return the rate of one parameter in a step that is counted from 0."""
        return self.alpha if self.learn_lr and self._known else self.lr

    def direction(self, name: str, slope: Tensor) -> Tensor:
        """Return where a step goes, given the gradient of one parameter."""
        return slope

    def enter(self, step: int, params: Params, first: Params) -> Params:
        """Return the parameters that a step begins with; `first` are those before any step."""
        return params

    def check(self, params: Params) -> None:
        """Raise where the parameters are not those that this was attached for."""


def _move(value: Tensor, rate: float | Tensor, way: Tensor) -> Tensor:
    if isinstance(rate, Tensor):
        return value - rate * way
    return torch.add(value, way, alpha=-rate)  # one pass over the memory, and one going back


def check_learns(strategy: Strategy) -> None:
    """Raise where an inner loop that learns something about its steps has none."""
    if strategy.max_steps < 1:
        raise TlmlError(
            f"steps: must be at least 1, is {strategy.max_steps}: {type(strategy).__name__} learns "
            "about its steps"
        )


def check_shapes(strategy: Strategy, shapes: Mapping[str, torch.Size], params: Params) -> None:
    """Raise where parameters have not the shapes that something was learned for, entry by entry.

    `params` may have a leading dimension of tasks; a test may bring a head of another size.
    """
    for name, shape in shapes.items():
        found = tuple(params[name].shape) if name in params else ()
        if found[len(found) - len(shape) :] != tuple(shape):
            raise TlmlError(
                f"{type(strategy).__name__}: what it learned about '{name}' is for the shape "
                f"{list(shape)}, the parameter has {list(found)}; test it on tasks with as many "
                "outputs as in training, or adapt by sgd"
            )
