"""Calls of a module with other parameters and buffers than its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn

from tlml.errors import TlmlError, did_you_mean


def call_with(module: nn.Module, tensors: Mapping[str, Tensor], *args: Any, **kwargs: Any) -> Any:
    """Call a module with other parameters and buffers, by name; then it has its own again.

    A tensor that several names reach, since its module is registered twice or since it is tied to
    another, is replaced in all its places by whichever of its names is given. Works under vmap,
    `torch.func.grad`, tracing, autograd, no_grad and inference mode.

    `torch.func.functional_call` swaps a place twice where a module has two paths, and puts the
    wrong tensor back: what was passed then is the module's own from there on.

    Args:
        tensors: By name; what is left out stays the module's own.

    Raises:
        TlmlError: A name is none of the module's, or one place is given two tensors.
    """
    given, modules = _places(module, tensors), list(module.modules())
    swapped = [*given.values(), *_tied(modules, given)]
    before = [table[key] for table, key, _, _ in swapped]
    try:
        for table, key, value, _ in swapped:
            table[key] = value
        return module(*args, **kwargs)
    finally:
        for (table, key, _, _), own in zip(swapped, before, strict=True):
            table[key] = own
        _refresh(modules)


def renamed(
    tensors: Mapping[str, Tensor], module: nn.Module, other: nn.Module
) -> dict[str, Tensor]:
    """Return those of some tensors that a second module holds too, by its names.

    Args:
        tensors: By their names in `module`.
        module: Such as a whole network.
        other: Such as a part of it, wherever it is registered.
    """
    own = {id(held): tensors[name] for name, held in _named(module) if name in tensors}
    return {name: own[id(held)] for name, held in _named(other) if id(held) in own}


class _Place(NamedTuple):
    """Where a module holds a tensor, and what is to be there during the call."""

    table: dict[str, Any]
    key: str
    value: Tensor
    name: str


_Slot = tuple[int, str]  # the identity of a module's table, and the key in it


def _places(module: nn.Module, tensors: Mapping[str, Tensor]) -> dict[_Slot, _Place]:
    owners: dict[str, nn.Module] = {"": module}
    found: dict[_Slot, _Place] = {}
    for name, value in tensors.items():
        path, _, key = name.rpartition(".")
        owner = owners.get(path)
        if owner is None:
            owner = owners[path] = _owner(module, path, name)
        table = owner._parameters if key in owner._parameters else owner._buffers
        if key not in table:
            raise _unknown(module, name)
        place = _Place(table, key, value, name)
        first = found.setdefault((id(table), key), place)
        if first.value is not value:
            raise TlmlError(
                f"{type(module).__name__}: '{first.name}' and '{name}' are one parameter, and two "
                "tensors are given for it; give one"
            )
    return found


def _tied(modules: list[nn.Module], given: Mapping[_Slot, _Place]) -> Iterator[_Place]:
    """Yield the places beside those given that hold the same tensors."""
    values = {id(table[key]): (value, name) for table, key, value, name in given.values()}
    values.pop(id(None), None)  # a buffer that is not there is tied to nothing
    for module in modules:
        for table in (module._parameters, module._buffers):
            for key, own in table.items():
                if id(own) in values and (id(table), key) not in given:
                    yield _Place(table, key, *values[id(own)])


def _refresh(modules: list[nn.Module]) -> None:
    """Let recurrent layers of torch forget what was passed, which they keep in a list too."""
    for module in modules:
        if isinstance(module, nn.RNNBase) and module._weights_have_changed():  # type: ignore[no-untyped-call]
            module._init_flat_weights()


def _owner(module: nn.Module, path: str, name: str) -> nn.Module:
    try:
        return module.get_submodule(path)
    except AttributeError:
        raise _unknown(module, name) from None


def _unknown(module: nn.Module, name: str) -> TlmlError:
    known = [name for name, _ in _named(module)]
    return TlmlError(
        f"{type(module).__name__} has no parameter or buffer '{name}'{did_you_mean(name, known)}"
    )


def _named(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from module.named_parameters()
    yield from module.named_buffers()
