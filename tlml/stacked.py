"""A network's forward pass for many tasks at once, each with parameters of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tlml.networks import Network
from tlml.networks.network import Flat
from tlml.normalisation import Policy
from tlml.task import Params

_ENTRYWISE = (
    nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid, nn.Softplus,
    nn.Identity, nn.Dropout,
)  # fmt: skip
_CHAINS = (nn.Sequential, Network)


def can_stack(network: nn.Module) -> bool:
    """Return whether `stacked_scores` knows every layer of a network, and nothing watches them."""
    names = dict(network.named_parameters())
    return all(
        type(module) in (*_LAYERS, *_ENTRYWISE, *_CHAINS, nn.ModuleDict)
        and not (module._forward_hooks or module._forward_pre_hooks)
        and all(prefix + name in names for name, _ in module.named_parameters(recurse=False))
        and (not isinstance(module, nn.Flatten) or (module.start_dim, module.end_dim) == (1, -1))
        for prefix, module in _with_prefixes(network)
    )


def stacked_scores(network: nn.Module, params: Params, x: Tensor, policy: Policy) -> Tensor:
    """Return the scores ``[T, n, ...]`` of `T` tasks at ``x [T, n, ...]``.

    One batched matrix product a layer serves all tasks, where `torch.func.vmap` would go through
    its own dispatch for each operation.

    Args:
        network: One that `can_stack` knows.
        params: By name, ``[T, *shape]``.
        x: Inputs.
        policy: The statistics of BatchNorm: of each task's ``batch``, or as ``stored``.
    """
    return _run(network, "", params, x, policy)


def _with_prefixes(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for name, module in network.named_modules(remove_duplicate=False):
        yield f"{name}." if name else "", module


def _run(module: nn.Module, prefix: str, params: Params, x: Tensor, policy: Policy) -> Tensor:
    if isinstance(module, Network):
        if not x.is_floating_point():
            x = x.to(next(iter(params.values())).dtype)
        x = _chain(module.blocks, f"{prefix}blocks.", params, x, policy)
        x = _run(module.head, f"{prefix}head.", params, _flat(x), policy)
        return x if module.output_shape is None else x.reshape(*x.shape[:2], *module.output_shape)
    if isinstance(module, nn.Sequential):
        return _chain(module, prefix, params, x, policy)
    if type(module) in _ENTRYWISE:
        entrywise: Tensor = module(x)
        return entrywise
    own = {name: params[prefix + name] for name, _ in module.named_parameters(recurse=False)}
    return _LAYERS[type(module)](module, own, x, policy)


def _chain(modules: nn.Module, prefix: str, params: Params, x: Tensor, policy: Policy) -> Tensor:
    for name, module in modules._modules.items():  # named_children() leaves out what comes twice
        assert module is not None
        x = _run(module, f"{prefix}{name}.", params, x, policy)
    return x


def _flat(x: Tensor) -> Tensor:
    return x.flatten(2) if x.dim() > 2 else x.unsqueeze(2)


def _linear(module: nn.Module, own: Params, x: Tensor, policy: Policy) -> Tensor:
    rows, weight = x.flatten(1, -2), own["weight"].transpose(1, 2)
    if "bias" in own:
        product = torch.baddbmm(own["bias"].unsqueeze(1), rows, weight)
    else:
        product = torch.bmm(rows, weight)
    return product if x.dim() == 3 else product.reshape(*x.shape[:-1], -1)


def _flatten(module: nn.Module, own: Params, x: Tensor, policy: Policy) -> Tensor:
    return _flat(x)


def _layernorm(module: nn.Module, own: Params, x: Tensor, policy: Policy) -> Tensor:
    assert isinstance(module, nn.LayerNorm)
    normal = F.layer_norm(x, module.normalized_shape, eps=module.eps)
    shape = (len(x), *(1,) * (x.dim() - 1 - len(module.normalized_shape)), *module.normalized_shape)
    if "weight" in own:
        normal = normal * own["weight"].reshape(shape)
    return normal + own["bias"].reshape(shape) if "bias" in own else normal


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


_LAYERS: dict[type[nn.Module], Callable[[nn.Module, Params, Tensor, Policy], Tensor]] = {
    nn.Linear: _linear,
    nn.Flatten: _flatten,
    Flat: _flatten,
    nn.LayerNorm: _layernorm,
    nn.BatchNorm1d: _batchnorm,
}
