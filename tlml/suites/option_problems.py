"""Options that a suite gives, checked one by one against what a class takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tlml.errors import TlmlError
from tlml.registry.options import Options, check_options
from tlml.yaml_lines import Problem

if TYPE_CHECKING:
    from tlml.yaml_lines import Where

# Options that a suite decides itself, with the place where it does.
TAKEN = {
    "seed": "seeds",
    "spaces": "the view",
    "strategy": "strategy, beside options",
    "domain": "domains",
    "split": "the suite: fits see source and validation, tests the target",
    "adapt": "methods",
    "head": "methods",
}


def check_given(
    where: Where,
    whose: str,
    options: Options,
    given: Mapping[str, Any],
    elsewhere: Mapping[str, str] | None = None,
) -> Iterator[Problem]:
    """Check given options one by one, so that each error has its own line.

    Args:
        where: Where they stand.
        whose: What takes them.
        options: What it takes.
        given: The options.
        elsewhere: Options that are set in another place, with that place.
    """
    optional = Options(tuple(replace(o, default="") for o in options.known), options.more)
    for key, value in given.items():
        if elsewhere and key in elsewhere:
            message = f"'{key}' is not an option here, it is set by {elsewhere[key]}"
            yield Problem(where, message, (*where, key))
            continue
        try:
            check_options(whose, optional, {key: value})
        except TlmlError as error:
            yield Problem(where, str(error), (*where, key))


def missing(
    where: Where, whose: str, options: Options, given: Mapping[str, Any]
) -> Iterator[Problem]:
    """Check that what must be given is."""
    needed = Options(tuple(o for o in options.known if o.name not in given), more=True)
    try:
        check_options(whose, needed, {})
    except TlmlError as error:
        yield Problem(where, str(error))
