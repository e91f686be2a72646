"""Is a strategy written so that what it has is called, and what it takes is used?"""

from __future__ import annotations

import ast
import difflib
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any

from tlml.strategies.strategy import Strategy
from tlml.testing.failure import require
from tlml.testing.subject import Subject

SEES = ("features", "logits", "labels")
_METHODS = [
    name
    for name, value in vars(Strategy).items()
    if inspect.isfunction(value) and not name.startswith("_")
]
_NEAR = 0.85  # as of `step` and `steps`


def check_form(subject: Subject) -> None:
    """Check the names of methods, what terms look at, and that options are used.

    Raises:
        CheckFailed: A method that nothing calls is called nearly as one that is; `sees` holds an
            unknown word; or an option is passed and never looked at.
    """
    cls = type(subject.make())
    own = [base for base in cls.__mro__ if base.__module__.partition(".")[0] not in _FOREIGN]
    _check_names(subject.label, cls, own)
    unknown = [word for word in cls.sees if word not in SEES]
    require(
        not unknown,
        f"{subject.label}: sees holds {unknown[:1]}, and terms see {', '.join(SEES)} only; mend it",
    )
    for base in own:
        for option in _ignored(base):
            require(
                False,
                f"{subject.label}: option '{option}' is never used: __init__() takes it and does "
                "nothing with it; keep it (self.{0} = {0}) or leave it out".format(option),
            )


_FOREIGN = ("tlml", "torch", "builtins", "abc", "typing")


def _check_names(label: str, cls: type[Strategy], own: list[type]) -> None:
    for name in _written(own):
        (near, *_) = difflib.get_close_matches(name, _METHODS, n=1, cutoff=_NEAR) or [""]
        there = inspect.getattr_static(cls, near, None) is not inspect.getattr_static(
            Strategy, near, None
        )
        called = any(f"self.{name}(" in _source(base) for base in own)
        require(
            not near or there or name in _METHODS or called,
            f"{label}: it has {name}(), which nothing calls; did you mean {near}()?",
        )


def _source(cls: type) -> str:
    try:
        return inspect.getsource(cls)
    except (OSError, TypeError):  # made in a session
        return ""


def _written(own: list[type]) -> Iterator[str]:
    for base in own:
        for name, value in vars(base).items():
            if inspect.isfunction(value) and not name.startswith("_"):
                yield name


def _ignored(cls: type) -> Iterator[str]:
    """Yield the parameters of a class's constructor that its body never looks at."""
    constructor: Any = vars(cls).get("__init__")
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(constructor)))
    except (OSError, TypeError, SyntaxError):  # made in a session: there is no source
        return
    function = tree.body[0]
    if not isinstance(function, ast.FunctionDef):
        return
    used = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
    arguments = function.args
    for argument in [*arguments.posonlyargs, *arguments.args[1:], *arguments.kwonlyargs]:
        if argument.arg not in used:
            yield argument.arg
