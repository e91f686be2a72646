"""A network's forward pass for many tasks at once, each with parameters of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tlml.data.tasks import Params
from tlml.networks.batchnorm import Policy
from tlml.networks.network import Flat, Network


class Layer(NamedTuple):
    """One step of a forward pass: a module, and the full names of its own parameters."""

    run: Callable[[nn.Module, Params, Tensor, Policy], Tensor]
    module: nn.Module
    names: dict[str, str]


def stacked_layers(network: nn.Module) -> tuple[Layer, ...] | None:
    """Return the layers of a network in order; None where one is unknown, shared or watched."""
    try:
        layers = tuple(_layers(network, ""))
    except _Unknown:
        return None
    own = [layer.module._parameters[name] for layer in layers for name in layer.names]
    return layers if len({id(p) for p in own}) == len(own) else None


def stacked_scores(layers: Sequence[Layer], params: Params, x: Tensor, policy: Policy) -> Tensor:
    """Return the scores ``[T, n, ...]`` of `T` tasks at ``x [T, n, ...]``.

    One batched matrix product a layer serves all tasks, where `torch.func.vmap` would go through
    its own dispatch for each operation.

    Args:
        params: By name, ``[T, *shape]``.
        policy: The statistics of BatchNorm: of each task's ``batch``, or as ``stored``.
    """
    for run, module, names in layers:
        x = run(module, {own: params[name] for own, name in names.items()}, x, policy)
    return x


class _Unknown(Exception):
    pass


def _layers(module: nn.Module, prefix: str) -> Iterator[Layer]:
    if module._forward_hooks or module._forward_pre_hooks:
        raise _Unknown
    if type(module) is Network:
        yield Layer(_as_floats, module, {})
        yield from _chain(module.blocks, f"{prefix}blocks.")
        yield Layer(_flatten, module, {})
        yield from _layers(module.head, f"{prefix}head.")
        yield Layer(_reshape, module, {})
    elif type(module) is nn.Sequential:
        yield from _chain(module, prefix)
    elif (run := _run_of(module)) is None:
        raise _Unknown
    else:
        own = {name: prefix + name for name, p in module._parameters.items() if p is not None}
        yield Layer(run, module, own)


def _chain(modules: nn.Module, prefix: str) -> Iterator[Layer]:
    for name, module in modules._modules.items():  # named_children() leaves out what comes twice
        assert module is not None
        yield from _layers(module, f"{prefix}{name}.")


def _run_of(module: nn.Module) -> Callable[[nn.Module, Params, Tensor, Policy], Tensor] | None:
    if isinstance(module, nn.Flatten) and (module.start_dim, module.end_dim) != (1, -1):
        return None
    return _LAYERS.get(type(module))


def _entrywise(module: nn.Module, own: Params, x: Tensor, policy: Policy) -> Tensor:
    found: Tensor = module(x)
    return found


def _as_floats(module: nn.Module, own: Params, x: Tensor, policy: Policy) -> Tensor:
    return x if x.is_floating_point() else x.to(next(module.parameters()).dtype)


def _reshape(module: nn.Module, own: Params, x: Tensor, policy: Policy) -> Tensor:
    assert isinstance(module, Network)
    shape = module.output_shape
    return x if shape is None else x.reshape(*x.shape[:2], *shape)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return ``[T, ..., o]`` of ``x [T, ..., i]``, ``weight [T, o, i]`` and ``bias [T, o]``."""
    rows, shift = x.flatten(1, -2), None if bias is None else bias.unsqueeze(1)
    # A product with one column or row costs less by its entries, and fuses where it is compiled.
    if weight.shape[2] == 1:
        column = weight.transpose(1, 2)
        product = rows * column if shift is None else torch.addcmul(shift, rows, column)
    elif weight.shape[1] == 1:
        product = (rows * weight).sum(2, keepdim=True)
        product = product if shift is None else product + shift
    elif shift is None:
        product = torch.bmm(rows, weight.transpose(1, 2))
    else:
        product = torch.baddbmm(shift, rows, weight.transpose(1, 2))
    return product if x.dim() == 3 else product.reshape(*x.shape[:-1], -1)


def layer_norm(
    x: Tensor, shape: tuple[int, ...], weight: Tensor | None, bias: Tensor | None, eps: float
) -> Tensor:
    """Return ``x [T, n, ...]`` normalised over its last dimensions, by each task's parameters."""
    normal = F.layer_norm(x, shape, eps=eps)
    own = (len(x), *(1,) * (x.dim() - 1 - len(shape)), *shape)
    if weight is not None:
        normal = normal * weight.reshape(own)
    return normal if bias is None else normal + bias.reshape(own)


def _linear(module: nn.Module, own: Params, x: Tensor, policy: Policy) -> Tensor:
    return linear(x, own["weight"], own.get("bias"))


def _flatten(module: nn.Module, own: Params, x: Tensor, policy: Policy) -> Tensor:
    return x.flatten(2) if x.dim() > 2 else x.unsqueeze(2)


def _layernorm(module: nn.Module, own: Params, x: Tensor, policy: Policy) -> Tensor:
    assert isinstance(module, nn.LayerNorm)
    return layer_norm(x, module.normalized_shape, own.get("weight"), own.get("bias"), module.eps)


def _batchnorm(module: nn.Module, own: Params, x: Tensor, policy: Policy) -> Tensor:
    assert isinstance(module, nn.BatchNorm1d)
    tasks, features = x.shape[0], x.shape[2]
    weight, bias = (own[name].flatten() if name in own else None for name in ("weight", "bias"))
    mean, var = module.running_mean, module.running_var
    by_batch = policy == "batch" or mean is None or var is None
    normal = F.batch_norm(
        x.transpose(0, 1).flatten(1, 2),  # [n, T · features, ...]: a channel for each task
        None if mean is None or by_batch else mean.repeat(tasks),
        None if var is None or by_batch else var.repeat(tasks),
        weight,
        bias,
        training=by_batch,
        eps=module.eps,
    )
    return normal.reshape(len(normal), tasks, features, *x.shape[3:]).transpose(0, 1)


_ENTRYWISE = (
    nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid, nn.Softplus,
    nn.Identity, nn.Dropout,
)  # fmt: skip
_LAYERS: dict[type[nn.Module], Callable[[nn.Module, Params, Tensor, Policy], Tensor]] = {
    **dict.fromkeys(_ENTRYWISE, _entrywise),
    nn.Linear: _linear,
    nn.Flatten: _flatten,
    Flat: _flatten,
    nn.LayerNorm: _layernorm,
    nn.BatchNorm1d: _batchnorm,
}
