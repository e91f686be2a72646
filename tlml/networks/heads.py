"""The head of a network: where it is, what it is given, whether outputs come from it, new ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from tlml.errors import TlmlError, check_positive
from tlml.networks.batchnorm import statistics
from tlml.networks.modes import evaluating
from tlml.networks.network import Network

_HEADS = ("head", "fc", "classifier")
_RENAME = "name the layer that gives the outputs 'head'"


def head_name(network: nn.Module) -> str:
    """Return the prefix of the head's parameters; empty where the network is one nn.Linear.

    It is ``head`` of a `Network`, of other modules the attribute ``head``, ``fc`` or
    ``classifier`` that has parameters, else the last nn.Linear. `check_head` tells whether the
    outputs come from it.

    Raises:
        TlmlError: There is none of these.
    """
    if isinstance(network, Network):
        return "head"
    for name in _HEADS:
        module = getattr(network, name, None)
        if isinstance(module, nn.Module) and any(True for _ in module.parameters()):
            return name
    linear: list[str] = [
        name for name, module in network.named_modules() if isinstance(module, nn.Linear)
    ]
    if not linear:
        raise TlmlError(
            f"{type(network).__name__}: no head found; name its last layer 'head', "
            "or make that an nn.Linear"
        )
    return linear[-1]


@contextmanager
def head_inputs(network: nn.Module) -> Iterator[list[Tensor]]:
    """Collect what the head is given inside the block: the features of each forward pass.

    Raises:
        TlmlError: On leaving, where the head was never called.
    """
    seen: list[Tensor] = []
    name = head_name(network)
    head = network.get_submodule(name)
    with head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0])):
        yield seen
    if not seen:
        raise not_called(name)


def not_called(name: str) -> TlmlError:
    """Return the error for a head that takes no part in a forward pass."""
    return TlmlError(f"head: '{name}' is not called; {_RENAME}")


def check_head(network: nn.Module, x: Tensor) -> None:
    """Raise where a forward pass doesn't end in the head.

    Args:
        network: It is run once in evaluation mode, without gradient, and left as it was.
        x: Inputs ``[n, ...]``; at least 2.

    Raises:
        TlmlError: The head is not called, or another layer with parameters comes after it.
    """
    name = head_name(network)
    head = network.get_submodule(name)
    called: list[str] = []
    with ExitStack() as hooks, torch.no_grad(), evaluating(network), statistics(network, "batch"):
        for path, module in network.named_modules():
            if module is head or (_owns_parameters(module) and head not in set(module.modules())):
                hooks.enter_context(
                    module.register_forward_hook(lambda *_, path=path: called.append(path))
                )
        network(x)
    path = next(p for p, module in network.named_modules() if module is head)
    if path not in called:
        raise not_called(name)
    inside = {p for p, module in network.named_modules() if module in set(head.modules())}
    after = [p for p in called[len(called) - called[::-1].index(path) :] if p not in inside]
    if after:
        raise TlmlError(f"head: '{after[-1]}' comes after '{name}'; {_RENAME}")


def head_parameters(network: nn.Module) -> tuple[str, ...]:
    """Return the names of the head's parameters, as the network has them.

    Raises:
        TlmlError: The head has none, or one that is tied to another layer's.
    """
    name = head_name(network)
    head = network.get_submodule(name)
    own = {id(parameter) for parameter in head.parameters()}
    if not own:
        raise TlmlError(
            f"head: '{name}' ({type(head).__name__}) has no parameters; {_RENAME}, or take full"
        )
    _check_own(network, head)
    return tuple(name for name, parameter in network.named_parameters() if id(parameter) in own)


def head_patterns(network: nn.Module) -> tuple[str, ...]:
    """Return patterns that match the head's parameters and no others, such as ``("head.*",)``.

    Raises:
        TlmlError: As of `head_parameters`.
    """
    names, prefix = head_parameters(network), _prefix(head_name(network))
    under = tuple(name for name, _ in network.named_parameters() if name.startswith(prefix))
    return (f"{prefix}*",) if names == under else names


def head_for(
    network: nn.Module,
    outputs: int,
    *,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> dict[str, Tensor]:
    """Return zero parameters, by full name, that give the head another number of outputs.

    ``weight [outputs, in]`` and, where it has one, ``bias [outputs]`` of the nn.Linear that the
    head ends in, to be passed to `call_with`. Type and device are the head's where None.

    Raises:
        TlmlError: The head does not end in an nn.Linear with parameters of its own.
    """
    check_positive(outputs=outputs)
    linear = last_linear(network)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    shapes: dict[str, tuple[int, ...]] = {names[id(linear.weight)]: (outputs, linear.in_features)}
    if linear.bias is not None:
        shapes[names[id(linear.bias)]] = (outputs,)
    zeros = linear.weight.new_zeros
    return {name: zeros(shape, dtype=dtype, device=device) for name, shape in shapes.items()}


def last_linear(network: nn.Module) -> nn.Linear:
    """Return the nn.Linear that the head ends in.

    Raises:
        TlmlError: It ends in something else, in a parametrized layer, or in tied parameters.
    """
    name = head_name(network)
    head = network.get_submodule(name)
    holders = [module for module in head.modules() if _owns_parameters(module)]
    layers = [m for m in holders if not isinstance(m, parametrize.ParametrizationList)]
    last = layers[-1] if layers else head
    parametrized = parametrize.is_parametrized(last)
    if parametrized or not isinstance(last, nn.Linear):
        kind = "a parametrized layer" if parametrized else type(last).__name__
        raise TlmlError(
            f"{type(network).__name__}: the head '{name}' ends in {kind}; "
            "new outputs need an nn.Linear there"
        )
    _check_own(network, last)
    return last


def _check_own(network: nn.Module, head: nn.Module) -> None:
    """Raise where a parameter of the head is another layer's, too."""
    own = {id(parameter): name for name, parameter in head.named_parameters()}
    inside = set(head.modules())
    for path, module in network.named_modules():
        for key, parameter in module._parameters.items():
            if id(parameter) in own and module not in inside:
                name = own[id(parameter)]
                raise TlmlError(
                    f"head: its {name} is tied to '{_prefix(path)}{key}'; untie it "
                    f"(head.{name} = nn.Parameter(head.{name}.detach().clone())), or take full"
                )


def _owns_parameters(module: nn.Module) -> bool:
    return bool(parametrize.is_parametrized(module)) or any(
        parameter is not None for parameter in module._parameters.values()
    )


def _prefix(name: str) -> str:
    return f"{name}." if name else ""
