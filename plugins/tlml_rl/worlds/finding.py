"""Environments by their gymnasium id, and what to install where one is missing."""

from __future__ import annotations

import importlib
import inspect
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gymnasium
from gymnasium.envs.registration import EnvSpec, load_env_creator

from tlml import TlmlError
from tlml.errors import did_you_mean, shorten

# Packages that register their environments when they are imported, by what the ids begin with.
_BRING = {"ALE/": "ale_py", "MiniGrid-": "minigrid", "BabyAI-": "minigrid"}
_INSTALL = "pip install tlml[rl]"
_OF_MAKE = "max_episode_steps"  # which every environment takes, by gymnasium.make
_NOT_PHYSICS = frozenset({"self", "render_mode"})


def find_spec(id: str | EnvSpec) -> EnvSpec:
    """Return what gymnasium knows of an id, ``"module:id"`` included.

    Raises:
        TlmlError: Nothing is registered under it, or the package that brings it is missing.
    """
    if isinstance(id, EnvSpec):
        return id
    if not isinstance(id, str) or not id:
        raise TlmlError(f"id: must be a gymnasium id, such as CartPole-v1; is {shorten(id)}")
    for start, module in _BRING.items():
        if id.startswith(start):
            need(module, id)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old versions, which the error tells
            return gymnasium.spec(id)
    except (gymnasium.error.Error, ModuleNotFoundError) as error:
        raise TlmlError(
            f"id: no environment is called '{shorten(id)}'{did_you_mean(id, gymnasium.registry)}"
        ) from error


def need(module: str, what: str) -> None:
    """Import a package of the extra ``rl``.

    Raises:
        TlmlError: It is not installed.
    """
    try:
        importlib.import_module(module)
    except ImportError as error:
        raise TlmlError(f"{what} needs {module}, which is not installed: {_INSTALL}") from error


def creator(spec: EnvSpec) -> Any:
    """Return the class, or the function, that makes environments of a spec."""
    entry = spec.entry_point
    with made_by_strangers(spec.id):
        return load_env_creator(entry) if isinstance(entry, str) else entry


@contextmanager
def made_by_strangers(what: str) -> Iterator[None]:
    """Say in one line what went wrong in an environment's own code, inside the block.

    Raises:
        TlmlError: Something did.
    """
    try:
        yield
    except TlmlError:
        raise
    except (ImportError, gymnasium.error.DependencyNotInstalled) as error:
        raise TlmlError(f"{what} can't be made: {_line(error)}: {_INSTALL}") from error
    except Exception as error:
        raise TlmlError(f"{what} can't be made: {type(error).__name__}: {_line(error)}") from error


def keywords(make: Any) -> frozenset[str]:
    """Return the keywords that a constructor takes, and those that it passes on to its parents."""
    classes = inspect.getmro(make) if inspect.isclass(make) else ()
    found = {_OF_MAKE}
    for function in [vars(c)["__init__"] for c in classes if "__init__" in vars(c)] or [make]:
        parameters = inspect.signature(function).parameters.values()
        found |= {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return frozenset(found - _NOT_PHYSICS)


def _line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return shorten(lines[0], 200) if lines else "it says nothing"
