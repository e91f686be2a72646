"""Tensors that a module owns by name: parameters of another module, and what it keeps in mind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any

from torch import Tensor, nn

_DOT = "/"  # parameter names of torch may hold no dot; a state dict shows this instead


class NamedParameters(nn.Module):
    """A dict of parameters by dotted name; `nn.ParameterDict` refuses dots.

    Args:
        values: Their first values, by name; copied.
    """

    def __init__(self, values: Mapping[str, Tensor]) -> None:
        super().__init__()
        self._dotted = tuple(values)
        for name, value in values.items():
            self.register_parameter(name.replace(".", _DOT), nn.Parameter(value.detach().clone()))

    def __getitem__(self, name: str) -> Tensor:
        found: Tensor = getattr(self, name.replace(".", _DOT))
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._dotted

    def __len__(self) -> int:
        return len(self._dotted)

    def as_dict(self) -> dict[str, Tensor]:
        """Return the parameters by name, as they are now: a functional call may replace them."""
        return {name: self[name] for name in self._dotted}


class NamedBuffers(nn.Module, MutableMapping[str, Tensor]):
    """A dict of tensors whose sizes nobody knows before they are set; a state dict restores them.

    Names may have dots. The tensors move with the module and take no gradients.
    """

    def __init__(self) -> None:
        super().__init__()
        self._tensors: dict[str, Tensor] = {}

    def __getitem__(self, name: str) -> Tensor:
        return self._tensors[name]

    def __setitem__(self, name: str, value: Tensor) -> None:
        self._tensors[name] = value.detach()

    def __delitem__(self, name: str) -> None:
        del self._tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def __bool__(self) -> bool:
        return bool(self._tensors)

    __hash__ = nn.Module.__hash__

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        for name, value in self._tensors.items():
            destination[prefix + name.replace(".", _DOT)] = value

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Tensor], prefix: str, *args: Any
    ) -> None:
        own = {key: value for key, value in state_dict.items() if key.startswith(prefix)}
        self._tensors = {
            key.removeprefix(prefix).replace(_DOT, "."): value.clone() for key, value in own.items()
        }

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        self._tensors = {name: fn(value) for name, value in self._tensors.items()}
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
