"""Parameters that a module owns by the names of another module's, which may have dots."""

from __future__ import annotations

from collections.abc import Mapping

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
