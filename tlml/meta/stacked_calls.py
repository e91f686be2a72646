"""Anybody's forward pass for many tasks at once: its operations, on stacked parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tlml.data.tasks import Params
from tlml.meta.stacked_layers import layer_norm, linear
from tlml.networks.batchnorm import statistics
from tlml.networks.calls import call_with
from tlml.networks.modes import evaluating

Own = Mapping[int, Tensor]  # parameters of all tasks, by the identity of the network's own


class Unstackable(Exception):
    """The network does what is not known to run on stacked parameters."""


def stacked_call(network: nn.Module, params: Params, x: Tensor) -> Tensor:
    """Return what a network gives for `T` tasks at ``x [T, n, ...]``, with parameters of each.

    The network's own `forward` runs once, on a tensor that looks like one task's ``[n, ...]``; each
    operation on it is done for all tasks.

    Args:
        network: Whose own parameters stand for those of the tasks.
        params: By name, ``[T, *shape]``.

    Raises:
        Unstackable: It uses an operation that is not among `_OPERATIONS`.
    """
    own = {id(p): params[name] for name, p in network.named_parameters()}
    found = network(_Stacked.of(x, own))
    if not isinstance(found, _Stacked):
        raise Unstackable("the output does not depend on the input")
    return found.held


def can_stack_calls(network: nn.Module, x: Tensor) -> bool:
    """Return whether a network gives for two tasks together what it gives for each alone.

    Args:
        network: It is run in `eval` mode, and left as it was.
        x: Inputs of one task ``[n, ...]``.
    """
    params = {n: p.detach() for n, p in network.named_parameters()}
    both = [params, {n: 0.9 * p + 0.01 for n, p in params.items()}]
    try:
        with torch.no_grad(), evaluating(network), statistics(network, "stored"):
            together = {n: torch.stack([one[n] for one in both]) for n in params}
            found = stacked_call(network, together, torch.stack([x, x.flip(0)]))
            alone = [
                call_with(network, params, each)
                for params, each in zip(both, (x, x.flip(0)), strict=True)
            ]
        torch.testing.assert_close(found, torch.stack(alone), rtol=1e-3, atol=1e-4)
    except Exception:  # whatever a stranger's code raises where it meets no plain tensor
        return False
    return True


class _Stacked(Tensor):
    """One task's tensor to look at; in truth all tasks' ``[T, ...]``."""

    held: Tensor
    own: Own

    @staticmethod
    def of(held: Tensor, own: Own) -> _Stacked:
        looks = held.detach()[0]  # shape, type and device
        made: _Stacked = torch.Tensor._make_subclass(_Stacked, looks)
        made.held, made.own = held, own
        return made

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _LOOKS:
            with torch._C.DisableTorchFunctionSubclass():
                return func(*args, **kwargs)
        run = _OPERATIONS.get(func)
        if run is None:
            raise Unstackable(getattr(func, "__name__", str(func)))
        own = next(arg.own for arg in args if isinstance(arg, _Stacked))
        try:
            with torch._C.DisableTorchFunctionSubclass():
                return _Stacked.of(run(own, func, *args, **kwargs), own)
        except Exception as error:  # options that are not known here; the network alone may run
            raise Unstackable(str(error)) from error


def _of_tasks(own: Own, value: Any) -> Tensor:
    """Return ``[T, ...]`` of what stands for one task: an input, or a parameter."""
    held = value.held if isinstance(value, _Stacked) else own.get(id(value))
    if held is None:
        raise Unstackable("a tensor that is neither input nor parameter")
    return held


def _entrywise(own: Own, func: Any, x: Any, *args: Any, **kwargs: Any) -> Tensor:
    if any(isinstance(arg, Tensor) for arg in args):
        raise Unstackable(func.__name__)
    found: Tensor = func(x.held, *args, **kwargs)
    return found


def _arithmetic(own: Own, func: Any, a: Any, b: Any) -> Tensor:
    dims = max(side.dim() for side in (a, b) if isinstance(side, Tensor))

    def operand(value: Any) -> Any:
        """Broadcast as for one task, behind the dimension of tasks."""
        if not isinstance(value, Tensor):
            return value
        held = _of_tasks(own, value)
        return held.reshape(len(held), *(1,) * (dims - value.dim()), *held.shape[1:])

    found: Tensor = func(operand(a), operand(b))
    return found


def _linear(own: Own, func: Any, x: Any, weight: Any, bias: Any = None) -> Tensor:
    return linear(x.held, _of_tasks(own, weight), None if bias is None else _of_tasks(own, bias))


def _layer_norm(
    own: Own, func: Any, x: Any, shape: Any, weight: Any = None, bias: Any = None,
    eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    scale, shift = (None if each is None else _of_tasks(own, each) for each in (weight, bias))
    return layer_norm(x.held, tuple(shape), scale, shift, eps)


def _flatten(own: Own, func: Any, x: Any, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    shift = [dim + 1 if dim >= 0 else dim for dim in (start_dim, end_dim)]
    found: Tensor = x.held.flatten(*shift)
    return found


def _reshape(own: Own, func: Any, x: Any, *shape: Any) -> Tensor:
    sizes = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
    found: Tensor = x.held.reshape(len(x.held), *sizes)
    return found


_LOOKS = {
    Tensor.shape.__get__, Tensor.dtype.__get__, Tensor.device.__get__, Tensor.ndim.__get__,  # type: ignore[attr-defined]
    Tensor.size, Tensor.dim, Tensor.is_floating_point, Tensor.__len__,
}  # fmt: skip
_OPERATIONS: dict[Any, Callable[..., Tensor]] = {
    F.linear: _linear,
    F.layer_norm: _layer_norm,
    torch.flatten: _flatten,
    Tensor.flatten: _flatten,
    Tensor.view: _reshape,
    Tensor.reshape: _reshape,
    **dict.fromkeys(
        (
            F.relu, F.leaky_relu, F.elu, F.gelu, F.silu, F.softplus, F.dropout, F.tanh, F.sigmoid,
            torch.relu, torch.tanh, torch.sigmoid, torch.sin, torch.cos, torch.exp,
            Tensor.relu, Tensor.tanh, Tensor.sigmoid, Tensor.sin, Tensor.cos, Tensor.exp,
            Tensor.to, Tensor.float, Tensor.double, Tensor.square, Tensor.neg, Tensor.__neg__,
        ),
        _entrywise,
    ),
    **dict.fromkeys(
        (
            torch.add, torch.sub, torch.mul, torch.div, Tensor.add, Tensor.sub, Tensor.mul,
            Tensor.div, Tensor.__add__, Tensor.__radd__, Tensor.__sub__, Tensor.__rsub__,
            Tensor.__mul__, Tensor.__rmul__, Tensor.__truediv__, Tensor.__rtruediv__,
        ),
        _arithmetic,
    ),
}  # fmt: skip
