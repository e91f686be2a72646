"""Says in a user's words what pydantic found wrong in a suite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel

from tlml.errors import did_you_mean, shorten
from tlml.yaml_lines import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic_core import ErrorDetails

    from tlml.yaml_lines import Where

_MESSAGES = {
    "dict_type": "must be a mapping, is {input}",
    "model_type": "must be a mapping, is {input}",
    "tuple_type": "must be a whole number or a list of them, is {input}",
    "int_type": "must be a whole number, is {input}",
    "greater_than": "must be greater than {gt}, is {input}",
    "greater_than_equal": "must be at least {ge}, is {input}",
    "less_than_equal": "must be at most {le}, is {input}",
    "string_type": "must be text, is {input}",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must not be empty",
    "literal_error": "must be {expected}, is {input}",
    "string_pattern_mismatch": "'{input}' is not a name; a name is made of letters, digits, "
    "'_', '-' and '.', and starts with a letter or a digit",
    "value_error": "{error}",
}

_PLAIN = ("greater_than", "greater_than_equal", "less_than_equal", "string_pattern_mismatch")


def readable(detail: ErrorDetails, model: type[BaseModel]) -> Problem:
    """Say what one error is, and where.

    Args:
        detail: One of `ValidationError.errors()`.
        model: What was validated; its fields are the keys that are suggested.
    """
    where = detail["loc"]
    if detail["type"] == "extra_forbidden":
        return Problem(where[:-1], unknown_key(str(where[-1]), _keys(model, where[:-1])), where)
    if detail["type"] == "missing":
        return Problem(where[:-1], f"the key '{where[-1]}' is missing")
    if where and where[-1] == "[key]":
        where = where[:-1]
    message = _MESSAGES.get(detail["type"])
    if message is None:
        return Problem(where, f"{detail['msg']}, is {shorten(repr(detail['input']))}")
    given = detail["input"]
    plain = detail["type"] in _PLAIN
    shown = shorten(str(given) if plain else repr(given))
    return Problem(where, message.format(input=shown, **detail.get("ctx", {})))


def unknown_key(key: str, known: Iterable[str]) -> str:
    """Say that a key is unknown, with a near name."""
    hint = did_you_mean(f"'{key}'", (f"'{name}'" for name in known))
    return f"unknown key '{shorten(key)}'{hint}"


def _keys(model: Any, where: Where) -> list[str]:
    for part in where:
        fields = getattr(model, "model_fields", None)
        # Anything that is not a model here is dict[label, model].
        model = fields[part].annotation if fields else get_args(model)[1]
    return list(model.model_fields)
