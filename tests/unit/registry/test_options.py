from __future__ import annotations

import dataclasses
import types
from typing import Any

import numpy as np
import pytest

from tlml.errors import TlmlError
from tlml.registry.options import FOREIGN, Option, Options, argument_help, check_options, options_of


class Water:
    """Water.

    Args:
        depth: How deep it is,
            in metres.
        salt: How much salt.
    """

    def __init__(self, depth: float, *, salt: float | None = None) -> None:
        self.depth, self.salt = depth, salt


class Sea(Water):
    """The sea."""

    def __init__(self, waves: int = 3, salt: float = 3.5, **options: Any) -> None:
        """Make a sea.

        Args:
            waves: How many.
            depth: Of the sea.
        """
        super().__init__(salt=salt, **options)


class Bay(Sea):
    """A bay, without a constructor."""


class Pool(Water):
    def __init__(self, tiles: int) -> None:
        super().__init__(2.0)


class Anything:
    def __init__(self, name: str, *others: int, **options: object) -> None: ...


class Nothing:
    pass


def test_options_are_those_of_the_constructor() -> None:
    assert options_of(Water) == Options(
        (
            Option("depth", "float", None, "How deep it is, in metres."),
            Option("salt", "float | None", "None", "How much salt."),
        )
    )
    assert options_of(Pool) == Options((Option("tiles", "int"),))
    assert options_of(Nothing) == Options(())


def test_options_passed_on_are_those_of_the_base_too() -> None:
    expected = Options(
        (
            Option("waves", "int", "3", "How many."),
            Option("salt", "float", "3.5", "How much salt."),
            Option("depth", "float", None, "Of the sea."),
        )
    )
    assert options_of(Sea) == expected
    assert options_of(Bay) == expected


def test_options_that_nobody_names_are_more() -> None:
    assert options_of(Anything) == Options((Option("name", "str"),), more=True)


def test_a_dataclass_has_its_fields_as_options() -> None:
    @dataclasses.dataclass
    class Lake(Nothing):
        depth: float
        fish: int = 3

    assert options_of(Lake).known == (Option("depth", "float"), Option("fish", "int", "3"))
    assert not options_of(Lake).more


def test_bases_of_frameworks_are_passed_over() -> None:
    framework = types.new_class("Module", (), {}, lambda body: body.update(__module__="torch.nn"))

    def __init__(self: object, *args: object, dtype: object = None, **more: object) -> None: ...

    framework.__init__ = __init__  # type: ignore[misc]
    assert "torch" in FOREIGN
    assert options_of(type("Mine", (framework,), {})) == Options(())


def test_types_that_are_no_text_are_written() -> None:
    class Late:
        pass

    def __init__(self: object, n: int = 1, m: int | None = None, free=2) -> None: ...

    __init__.__annotations__.update(n=int, m=int | None)
    Late.__init__ = __init__  # type: ignore[misc]
    found = [(option.name, option.type, option.default) for option in options_of(Late).known]
    assert found == [("n", "int", "1"), ("m", "int | None", "None"), ("free", "", "2")]


@pytest.mark.parametrize(
    ("docstring", "found"),
    [
        (None, {}),
        ("No section.", {}),
        (
            "One.\n\n    Args:\n        a: First.\n        b (int): Second:\n            more.\n",
            {"a": "First.", "b": "Second: more."},
        ),
        (
            "One.\n\nArgs:\n    a: First.\n\n    **b: Second.\n\nReturns:\n    c: Not one.\n",
            {"a": "First.", "b": "Second."},
        ),
        ("One.\n\nArgs:\n    a:\n        On the next line.\n", {"a": "On the next line."}),
        ("One.\n\nArgs:\n    no entry here\n", {}),
    ],
)
def test_help_is_read_from_the_docstring(docstring: str | None, found: dict[str, str]) -> None:
    assert argument_help(docstring) == found


KNOWN = Options(
    (
        Option("depth", "float", None, "How deep."),
        Option("waves", "int", "3"),
        Option("deep", "bool", "False"),
        Option("name", "str | None", "None"),
        Option("range", "Sequence[float]", "(0, 1)"),
        Option("free", "", "None"),
    )
)


@pytest.mark.parametrize(
    "given",
    [
        {"depth": 1.5},
        {"depth": 1, "waves": np.int64(3), "deep": True},
        {"depth": np.float32(1), "name": None},
        {"depth": float("nan"), "name": "x", "range": "left to the class", "free": object()},
    ],
)
def test_options_that_fit_pass(given: dict[str, Any]) -> None:
    check_options("domain sea", KNOWN, given)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({}, "option 'depth' is missing (float): How deep."),
        ({"wave": 1}, "no option is called 'wave'; did you mean waves?"),
        (
            {"zzz": 1},
            "no option is called 'zzz'; choose from deep, depth, free, name, range, waves",
        ),
        ({"depth": "1"}, "option 'depth' must be float, is '1' (str)"),
        ({"depth": True}, "option 'depth' must be float, is True (bool)"),
        ({"depth": None}, "option 'depth' must be float, is None (NoneType)"),
        ({"waves": 1.0}, "option 'waves' must be int, is 1.0 (float)"),
        ({"waves": True}, "option 'waves' must be int, is True (bool)"),
        ({"deep": 1}, "option 'deep' must be bool, is 1 (int)"),
        ({"name": 1}, "option 'name' must be str or None, is 1 (int)"),
    ],
)
def test_an_option_that_does_not_fit_is_named(given: dict[str, Any], error: str) -> None:
    with pytest.raises(TlmlError) as caught:
        check_options("domain sea", KNOWN, given)
    assert str(caught.value) == f"domain sea: {error}"


def test_unknown_options_pass_where_the_class_takes_more() -> None:
    check_options("domain sea", Options((), more=True), {"anything": 1})
