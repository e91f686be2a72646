"""Objects that remember the options they were made with, and their form as plain data."""

from __future__ import annotations

import inspect
import os
from typing import Any, Self


class Recorded:
    """Remembers the arguments of its constructor, defaults included, in `options`."""

    options: dict[str, Any]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Remember the arguments before the constructor sees them."""
        made = super().__new__(cls)
        object.__setattr__(made, "options", _bound(cls, made, args, kwargs))
        return made


def _bound(cls: type, made: object, args: Any, kwargs: Any) -> dict[str, Any]:
    signature = inspect.signature(cls.__init__)  # type: ignore[misc]
    try:
        bound = signature.bind(made, *args, **kwargs)
    except TypeError:  # unpickling passes nothing; a wrong call is the constructor's own error
        return {}
    bound.apply_defaults()
    options: dict[str, Any] = {}
    for (name, value), parameter in zip(
        bound.arguments.items(), signature.parameters.values(), strict=True
    ):
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            options |= value
        elif parameter.kind is not inspect.Parameter.VAR_POSITIONAL:
            options[name] = value
    options.pop(next(iter(signature.parameters)), None)
    return options


def plain(value: Any) -> Any:
    """Return a value as plain data: numbers, text, lists and dicts; an object as name and options.

    What cannot be written down (a module given as an object) becomes ``"given:CLASS"``.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Recorded):
        return describe_object(value)
    if type(value).__module__ == "numpy":
        return value.tolist()
    return f"given:{type(value).__module__}.{type(value).__qualname__}"


def describe_object(value: Recorded) -> dict[str, Any]:
    """Return ``{"name": registered name or class path, "options": plain options}``."""
    from tlml.registry.registry import default_registry

    return {"name": default_registry().name_of(type(value)), "options": plain(value.options)}
