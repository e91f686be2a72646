"""Parameters that share one memory and keep their names, and Adam on that memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, overload

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.adam import adam

from tlml import TlmlError


class FlatParameters:
    """Lets parameters share one tensor for their values, and one for their gradients.

    They stay what they were: parameters with names, shapes and gradients of their own, so that
    checkpoints, strategies' patterns and autograd know no difference. `load_state_dict` fills the
    shared memory. Copies, and what ``.to()`` or ``.double()`` move, leave it: make it where a fit
    starts, when the module is where it will be.

    Args:
        parameters: Of one type, on one device.

    Attributes:
        values: All values ``[P]``.
        gradients: All gradients ``[P]``.

    Raises:
        TlmlError: There are none, or they differ in type or device.
    """

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        self.parameters = list(parameters)
        kinds = {(p.dtype, p.device) for p in self.parameters}
        if len(kinds) != 1:
            raise TlmlError(f"flat parameters: must be of one type on one device, are {kinds}")
        self.sizes = [p.numel() for p in self.parameters]
        self._bounds = np.cumsum([0, *self.sizes]).tolist()
        with torch.no_grad():
            self.values = torch.cat([p.reshape(-1) for p in self.parameters])
        self.gradients = torch.zeros_like(self.values)
        self._slopes = list(self.views(self.gradients))
        for parameter, view in zip(self.parameters, self.views(self.values), strict=True):
            parameter.data = view
        self._addresses = [view.data_ptr() for view in self.views(self.values)]
        self.attach()

    def views(self, memory: Tensor) -> Iterator[Tensor]:
        """Yield the parts of a tensor ``[P]`` in the shapes of the parameters."""
        for place, parameter in enumerate(self.parameters):
            yield memory[self._bounds[place] : self._bounds[place + 1]].view_as(parameter)

    def intact(self) -> bool:
        """Say whether all parameters still lie in the shared memory."""
        return [p.data_ptr() for p in self.parameters] == self._addresses

    def attach(self) -> None:
        """Let gradients lie in the shared memory; what does not learn has none."""
        for parameter, slope in zip(self.parameters, self._slopes, strict=True):
            wanted = slope if parameter.requires_grad else None
            if parameter.grad is not wanted:  # to look is quicker than to write
                parameter.grad = wanted

    def gather(self) -> list[bool] | None:
        """Bring gradients that lie elsewhere into the shared memory.

        Returns:
            Which parameters have a gradient; None: all of them.
        """
        every = True
        for parameter, slope in zip(self.parameters, self._slopes, strict=True):
            given = parameter.grad
            if given is None:
                every = False
                slope.zero_()
            elif given is not slope and given.data_ptr() != slope.data_ptr():
                slope.copy_(given)
        return None if every else [p.grad is not None for p in self.parameters]


class FlatAdam(Optimizer):
    """Adam (Kingma & Ba 2015, arXiv 1412.6980) on flat parameters: as torch's, and faster.

    One pass over the memory that all share does the step of all. Gradients are clipped by their
    norm over all parameters inside the step. Where several processes train, their
    gradients are averaged first, all of them by one message: this is the only place where gradients
    that were written by hand are made the same in all of them.

    Its state is that of `torch.optim.Adam`, so that checkpoints fit both. A parameter without a
    gradient is passed over, as it is there.

    Args:
        flat: The parameters.
        groups: Groups of them as of `tlml.param_groups`, or with ``params`` alone; those in no
            group stay as they are.
        lr: Learning rate of groups that have none.
        betas: Decay of the means of gradients and of their squares.
        eps: What is added to the root.
        clip_norm: The largest norm of all gradients together; None clips nothing.

    Attributes:
        norm: Of the latest gradients, before they were clipped; None where nothing was.
    """

    def __init__(
        self, flat: FlatParameters, groups: Iterable[dict[str, Any]] | None = None,
        lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        clip_norm: float | None = None,
    ) -> None:  # fmt: skip
        self.flat, self.clip_norm = flat, clip_norm
        self.norm: float | None = None
        given = [{"params": flat.parameters}] if groups is None else [dict(g) for g in groups]
        super().__init__(given, {"lr": lr, "betas": betas, "eps": eps})
        self._places = {id(p): place for place, p in enumerate(flat.parameters)}
        self._known = [self._place(p) for group in self.param_groups for p in group["params"]]
        self.mean, self.square = torch.zeros_like(flat.values), torch.zeros_like(flat.values)
        self.steps = torch.zeros(len(flat.parameters))
        self._counts = self.steps.numpy()
        self._share()

    def zero_grad(self, set_to_none: bool = False) -> None:
        """Set the shared gradients to 0, and let parameters that learn have their part of them."""
        self.flat.gradients.zero_()
        self.flat.attach()

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Take a step."""
        loss = None if closure is None else closure()
        self.advance()
        return loss

    @property
    def hooked_on(self) -> bool:
        """Whether anything is to be told of steps."""
        return bool(self._optimizer_step_pre_hooks or self._optimizer_step_post_hooks)

    def advance(self) -> None:
        """Take a step that nobody is told of."""
        learning = self.flat.gather()
        average(self.flat.gradients)
        scale = self._clipped()
        rates = self._rates(learning)
        if isinstance(rates, float):
            self._go(scale, rates)
        else:
            self._counts += rates > 0
            self._go_apart(scale, rates)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the state of this, or of `torch.optim.Adam` over the same groups."""
        super().load_state_dict(state_dict)
        views = zip(self.flat.views(self.mean), self.flat.views(self.square), strict=True)
        for place, (mean, square) in enumerate(views):
            state = self.state.get(self.flat.parameters[place], {})
            for kept, name in ((mean, "exp_avg"), (square, "exp_avg_sq")):
                kept.copy_(state[name]) if name in state else kept.zero_()
            self.steps[place] = state.get("step", 0.0)
        self._share()

    def _share(self) -> None:
        """Let each parameter's state be a part of the shared memory."""
        views = zip(self.flat.views(self.mean), self.flat.views(self.square), strict=True)
        for place, (mean, square) in enumerate(views):
            parameter = self.flat.parameters[place]
            if place in self._known:
                own = {"step": self.steps[place], "exp_avg": mean, "exp_avg_sq": square}
                self.state[parameter] = own

    def _place(self, parameter: Tensor) -> int:
        if id(parameter) not in self._places:
            raise TlmlError(
                f"FlatAdam: a parameter {list(parameter.shape)} of a group is none of the flat ones"
            )
        return self._places[id(parameter)]

    def _clipped(self) -> float:
        """Return by what gradients are multiplied, as `torch.nn.utils.clip_grad_norm_` does."""
        if self.clip_norm is None:
            self.norm = None
            return 1.0
        if self.flat.values.is_cpu:
            slopes = self.flat.gradients.numpy()
            self.norm = math.sqrt(float(np.dot(slopes, slopes)))
        else:
            self.norm = float(self.flat.gradients.norm())
        return min(1.0, self.clip_norm / (self.norm + 1e-6))

    def _rates(self, learning: list[bool] | None) -> float | NDArray[np.float64]:
        """Return the learning rate, or one for each parameter where they differ; 0 freezes."""
        everyone = learning is None and len(self._known) == len(self.flat.parameters)
        if everyone and self.flat.values.is_cpu and self._in_step():
            rate = self.param_groups[0]["lr"]
            if all(group["lr"] == rate for group in self.param_groups[1:]):
                return float(rate)
        found, place = np.zeros(len(self.flat.parameters)), 0
        for group in self.param_groups:
            for _ in group["params"]:
                where = self._known[place]
                found[where] = group["lr"] if learning is None or learning[where] else 0.0
                place += 1
        return found

    def _in_step(self) -> bool:
        """Say whether all parameters have taken as many steps."""
        return bool((self._counts == self._counts[0]).all())

    def _go(self, scale: float, rate: float) -> None:
        """Step all elements alike (algorithm 1), by torch's own pass over the memory."""
        if scale != 1.0:
            self.flat.gradients.mul_(scale)
        (first, second), eps = self.param_groups[0]["betas"], self.param_groups[0]["eps"]
        adam(
            [self.flat.values], [self.flat.gradients], [self.mean], [self.square], [],
            [self.steps[0].clone()], fused=True, amsgrad=False, beta1=first, beta2=second, lr=rate,
            weight_decay=0.0, eps=eps, maximize=False,
        )  # fmt: skip
        self._counts += 1

    def _go_apart(self, scale: float, rates: NDArray[np.float64]) -> None:
        """Step each parameter by its own rate and count of steps, on any device."""
        (first, second), eps = self.param_groups[0]["betas"], self.param_groups[0]["eps"]
        values, slopes = self.flat.values, self.flat.gradients
        steps = np.maximum(self._counts.astype(np.float64), 1.0)
        moving = self._spread(rates > 0)
        slopes *= scale
        self.mean += (1 - first) * moving * (slopes - self.mean)
        self.square += (1 - second) * moving * (slopes * slopes - self.square)
        root = self.square.sqrt() * self._spread(1 / np.sqrt(1 - second**steps)) + eps
        values -= self._spread(rates / (1 - first**steps)) * self.mean / root

    def _spread(self, numbers: NDArray[Any]) -> Tensor:
        """Give each element ``[P]`` the number of its parameter."""
        return torch.from_numpy(np.repeat(numbers, self.flat.sizes)).to(self.flat.values)


def average(tensor: Tensor) -> None:
    """Average a tensor over all processes, in place."""
    if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
        dist.all_reduce(tensor)
        tensor /= dist.get_world_size()
