"""What can be wrong with a cell before it runs: its data, or what one choice of options makes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from tlml.data.domains import ClassPool, Domain
from tlml.data.tasks import SPLITS, Split
from tlml.errors import DivergedError, OptionError, TlmlError
from tlml.learners.learner import Learner
from tlml.suites.cells import TARGET_LABELS, VALIDATION_TASKS
from tlml.suites.inside.ingredients import (
    check_trainer,
    make_domain,
    make_learner,
    make_training_view,
)
from tlml.views.base import View

# What says that parts don't go together: torch raises RuntimeErrors where shapes don't fit, and, as
# Python a MemoryError, where a network is too large to be made here.
REFUSALS = (TypeError, ValueError, RuntimeError, MemoryError)


class UnreadError(TlmlError):
    """The data of a domain is not here, or not as it should be."""


def splits_of(config: dict[str, Any]) -> list[Split]:
    """Return the splits of its domain that a cell uses."""
    view = {**config.get("view_defaults", {}), **config.get("view", {})}
    if config["kind"] == "adapt":
        used = {view.get("split", "target")}
        used |= {"validation"} if config.get("criterion") == VALIDATION_TASKS else set()
    else:
        used = {view.get("split", "source"), "validation"}
        sees_target = "episode" in view or config.get("criterion") == TARGET_LABELS
        used |= {"target"} if sees_target else set()
    return [split for split in SPLITS if split in used]


def check_domain(config: dict[str, Any]) -> None:
    """Make the domain of a cell and look at the data that the cell uses.

    Raises:
        UnreadError: That can't be done.
        OptionError: The value of an option is wrong.
    """
    try:
        domain = make_domain(config)
        for split in splits_of(config):
            _look_at(domain, split)
    except OptionError:
        raise
    except (TypeError, ValueError) as error:
        raise UnreadError(str(error)) from error
    except Exception as error:  # of a plugin that trusts its files
        raise UnreadError(f"{type(error).__name__}: {error}") from error


def check_each(choices: Iterable[Any], check: Callable[[Any], object]) -> None:
    """Check choices of options; one that is refused is one choice less.

    Raises:
        OptionError: A value of one of them is wrong.
        TlmlError: All are refused; it is the first refusal, of whatever class.
    """
    refusals: list[Exception | None] = []
    for choice in choices:
        try:
            check(choice)
            refusals.append(None)
        except OptionError:
            raise
        except REFUSALS as error:
            refusals.append(error)
    first = next(iter(refusals), None)
    if first is not None and None not in refusals:
        raise first


def check_fit(config: dict[str, Any]) -> tuple[Learner, View]:
    """Make what a fit with one choice of options is made of, and return learner and view.

    Raises:
        TlmlError: Something can't be made, or does not go together.
    """
    domain, learner = make_domain(config), make_learner(config)
    view = make_training_view(config, learner, domain)
    view.setup("fit")
    learner.check(view)
    check_trainer(config, learner, view)
    return learner, view


def fault_of_choice(
    error: Exception, config: dict[str, Any], check: Callable[[dict[str, Any]], object]
) -> bool:
    """Say whether a choice is to blame for an error: it diverged, or is refused whenever tried.

    All else may be of the moment, such as data that is away or a full disk.

    Args:
        error: What trying it raised.
        config: Of the cell, with the choice.
        check: Refuses a choice before it is tried.
    """
    if isinstance(error, DivergedError):
        return True
    if isinstance(error, OptionError):
        return False
    try:
        check_domain(config)
    except TlmlError:
        return False
    try:
        check(config)
    except OptionError:
        return False
    except REFUSALS:
        return True
    return False


def told(error: Exception) -> str:
    """Return what an error says in one line, or its kind where it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__


def _look_at(domain: Domain[Any], split: Split) -> None:
    if isinstance(domain, ClassPool):
        domain.samples(split)
    elif type(domain).tasks is not Domain.tasks:
        domain.tasks(split)
