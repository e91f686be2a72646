"""Plugins: what one declares, read all or nothing."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pluggy

from tlml import hookspecs
from tlml.errors import TlmlError, did_you_mean
from tlml.spec import ALL_KINDS, Kind, Spec

HOOKS: dict[Kind, str] = {
    "domain": "tlml_domains",
    "learner": "tlml_learners",
    "strategy": "tlml_strategies",
    "protocol": "tlml_protocols",
}
# Modules that cost the light commands their speed when a plugin's import brings them in.
HEAVY = frozenset(
    {"gymnasium", "jsonargparse", "lightning", "matplotlib", "pandas", "peft", "pydantic"}
    | {"pytorch_lightning", "ray", "rich", "scipy", "skada", "sklearn", "timm", "torch"}
    | {"torchmetrics", "torchvision", "transformers", "wandb"}
)

Declared = tuple[tuple[Kind, Spec], ...]


@dataclass(frozen=True, slots=True)
class Plugin:
    """One plugin, in order or broken.

    Args:
        name: The name of its entry point.
        distribution: What was installed to bring it ("" where a script registered it).
        version: The version of that distribution.
        load_ms: How long its import and its hooks took, in milliseconds.
        heavy: Slow modules that its import brought in.
        error: Why nothing of it is used, in one line; "" if it is in order.
        declared: Its specs with their kinds; none where it is broken.
    """

    name: str
    distribution: str = ""
    version: str = ""
    load_ms: float = 0.0
    heavy: tuple[str, ...] = ()
    error: str = ""
    declared: Declared = ()

    def names(self, kind: Kind) -> list[str]:
        """Return the names of one kind that it brings."""
        return [spec.name for k, spec in self.declared if k == kind]


def load_plugin(
    name: str, load: Callable[[], object], distribution: str = "", version: str = ""
) -> tuple[Plugin, BaseException | None]:
    """Load the module of one plugin and read its hooks, all or nothing.

    Returns:
        The plugin, and the exception that broke it.
    """
    before, start = set(sys.modules), time.perf_counter()
    declared: Declared = ()
    failure: BaseException | None = None
    try:
        with aside():
            declared = _declared(load())
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a script that exits, a test that skips itself
        failure = error
    load_ms = round((time.perf_counter() - start) * 1000, 1)
    heavy = tuple(sorted(HEAVY & (set(sys.modules) - before)))
    text = one_line(failure) if failure else ""
    return Plugin(name, distribution, version, load_ms, heavy, text, declared), failure


@contextmanager
def aside() -> Iterator[None]:
    """Have what a stranger's module prints go to stderr: stdout is what a command gives."""
    with contextlib.redirect_stdout(sys.stderr):
        yield


def one_line(error: BaseException) -> str:
    """Return an exception's text in one line, with its type unless tlml raised it."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # a stranger's exception, too, may be broken
        text = "its text can't be told"
    return text if isinstance(error, TlmlError) else f"{type(error).__name__}: {text}"


def _declared(module: object) -> Declared:
    manager = _manager(module)
    declared: list[tuple[Kind, Spec]] = []
    for kind in ALL_KINDS:
        for spec in _answers(getattr(manager.hook, HOOKS[kind]), kind):
            if any(k == kind and other.name == spec.name for k, other in declared):
                raise TlmlError(f"it declares {kind} '{spec.name}' twice")
            declared.append((kind, spec))
    return tuple(declared)


def _manager(module: object) -> pluggy.PluginManager:
    # Each plugin has a manager of its own, so that its misspelt hook is its error alone.
    manager = pluggy.PluginManager("tlml")
    manager.add_hookspecs(hookspecs)
    manager.register(module)
    callers = manager.get_hookcallers(module) or []
    for caller in callers:
        if not caller.has_spec():
            raise TlmlError(
                f"no hook is called '{caller.name}'{did_you_mean(caller.name, HOOKS.values())}"
            )
    _check_marks(module, {caller.name for caller in callers})
    return manager


def _check_marks(module: object, marked: set[str]) -> None:
    for name in HOOKS.values():
        if name not in marked and callable(getattr(module, name, None)):
            raise TlmlError(f"{name} is not marked with @hookimpl (from tlml import hookimpl)")
    if not marked:
        raise TlmlError(f"it has no hooks; the hooks are {', '.join(HOOKS.values())}")


def _answers(caller: pluggy.HookCaller, kind: Kind) -> Iterable[Spec]:
    answers = caller()
    if len(answers) < len(caller.get_hookimpls()):  # pluggy drops None
        raise TlmlError(f"{caller.name} must return a list of Specs, returned None")
    for answer in answers:
        if not isinstance(answer, list | tuple):
            raise TlmlError(f"{caller.name} must return a list of Specs, returned {_type(answer)}")
        for spec in answer:
            if not isinstance(spec, Spec):
                raise TlmlError(f"{caller.name} must return a list of Specs, it has {_type(spec)}")
            spec.check_kind(kind)
            yield spec


def _type(value: object) -> str:
    return f"{type(value).__name__} {value!r}"[:60]
