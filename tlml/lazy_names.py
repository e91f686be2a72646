"""Public names of a package, imported when they are used, so that the package stays light."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module

from tlml.errors import did_you_mean


def lazy_names(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a package (PEP 562).

    Args:
        homes: The names that each module has, by the module's path below the package.
    """
    home_of = {name: home for home, names in homes.items() for name in names.split()}

    def find(name: str) -> object:
        if name not in home_of:
            hint = "" if name.startswith("_") else did_you_mean(name, home_of)
            raise AttributeError(f"module '{package}' has no attribute '{name}'{hint}")
        return getattr(import_module(f"{package}.{home_of[name]}"), name)

    return find, lambda: sorted(home_of)
