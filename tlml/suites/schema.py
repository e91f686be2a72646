"""Suites: what is compared on what, written in one YAML file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    PrivateAttr,
)

from tlml.errors import shorten
from tlml.files import file_name_problem

# The learner of methods that start from no fit and name none.
UNTRAINED = "supervised"
ALL = "all"  # of the examples that there are; tlml.data.counts has it, and imports torch
MOST = 2**32 - 1  # as of seeds, which every library takes to there
MOST_SEEDS = 1000
# Before an option among those to tune of a fit: whose it is. A name without is the strategy's.
LEARNER, TRAINER, STRATEGY = "learner.", "trainer.", "strategy."
PRETRAINED = "pretrained"  # the option of learners that start from another's checkpoint: its path


def _listed(value: Any) -> Any:
    """Take a single number for a list of one."""
    return [value] if isinstance(value, int) and not isinstance(value, bool) else value


def _listed_shots(value: Any) -> Any:
    """Take a single number, share or word for a list of one."""
    return [value] if isinstance(value, float | str) else _listed(value)


def _shot(value: Any) -> Any:
    """Check a number of examples, a share of them, or ``all``."""
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 0:
            raise ValueError(f"must be at least 0, is {shorten(str(value))}")
        if value > MOST:
            raise ValueError(f"must be at most {MOST}, is {shorten(str(value))}")
    elif value != ALL and not (isinstance(value, float) and 0 < value < 1):
        raise ValueError(
            f"must be a whole number, a share such as 0.1, or all, is {shorten(repr(value))}"
        )
    return value


def _count_up(value: Any) -> Any:
    """Take a number n of seeds for the seeds 0 to n-1."""
    if isinstance(value, bool) or not isinstance(value, int):
        return value
    if value < 1:
        raise ValueError(f"must be greater than 0, is {value}")
    if value > MOST_SEEDS:
        raise ValueError(f"must be at most {MOST_SEEDS}, is {shorten(str(value))}")
    return list(range(value))


def _fill(value: Any) -> Any:
    """Take a key with nothing behind it for an empty mapping."""
    return {} if value is None else value


def _unique(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if not values:
        raise ValueError("must not be empty")
    seen: set[Any] = set()
    for value in values:
        if value in seen:
            raise ValueError(f"holds {value} twice")
        seen.add(value)
    return values


def _is_path(name: str) -> bool:
    """Say whether an option names a file or a folder."""
    return name.rpartition("_")[2] in ("path", "root", "folder", "file")


def _is_relative(path: str) -> bool:
    return not (os.path.isabs(path) or path.startswith("~"))


def _seen_from(folder: Path, path: str) -> str:
    return os.path.abspath(folder / path)


def _exchanged(data: dict[str, Any], paths: dict[str, str]) -> dict[str, Any]:
    """Return plain data with paths exchanged for others."""

    def exchange(name: str, value: Any) -> Any:
        if isinstance(value, dict):
            return _exchanged(value, paths)
        known = isinstance(value, str) and _is_path(name)
        return paths.get(value, value) if known else value

    return {name: exchange(name, value) for name, value in data.items()}


def _tunable(value: Any) -> Any:
    """Check a range ``[low, high, "log" | "linear"]`` or a choice ``{values: [...]}``."""
    # To Python a bool is an int.
    plain = None if isinstance(value, list) and any(isinstance(v, bool) for v in value) else value
    match plain:
        case {"values": [_, *_]} if len(value) == 1:
            return value
        case [int() | float() as low, int() | float() as high, "log" | "linear" as scale]:
            if not low < high:
                raise ValueError(f"low {low} is not below high {high}")
            if scale == "log" and low <= 0:
                raise ValueError(f"a log range must start above 0, starts at {low}")
            return value
    raise ValueError(
        f"must be [low, high, log], [low, high, linear] or {{values: [...]}}, is {shorten(value)}"
    )


Criterion = Literal[
    "source_risk", "weighted_source_risk", "entropy", "neighbourhood_density", "reverse", "stream",
    "validation tasks",
]  # fmt: skip
Options = Annotated[dict[str, JsonValue], BeforeValidator(_fill)]
Ranges = Annotated[
    dict[str, Annotated[JsonValue, AfterValidator(_tunable)]], BeforeValidator(_fill)
]
Count = Annotated[int, Field(strict=True, gt=0, le=MOST)]
# A whole number or a list of them, from 0, none twice.
Numbers = Annotated[
    tuple[Annotated[int, Field(strict=True, ge=0, le=MOST)], ...],
    BeforeValidator(_listed),
    AfterValidator(_unique),
]
Shots = Annotated[
    tuple[Annotated[int | float | str, BeforeValidator(_shot)], ...],
    BeforeValidator(_listed_shots),
    AfterValidator(_unique),
]
Seeds = Annotated[
    tuple[Annotated[int, Field(strict=True, ge=0, le=MOST)], ...],
    BeforeValidator(_count_up),
    AfterValidator(_unique),
]


def _files(named: Any) -> Any:
    """Check that labels can be names of files on every system."""
    if problem := file_name_problem([named] if isinstance(named, str) else named):
        raise ValueError(problem)
    return named


# Labels become names of files and, in tables, of rows.
LABEL = r"[A-Za-z0-9][A-Za-z0-9_.\-]*"
Label = Annotated[str, Field(pattern=f"^{LABEL}$", max_length=64)]
Name = Annotated[str, Field(min_length=1)]


class Part(BaseModel):
    """A part of a suite: what is not named is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SuiteDomain(Part):
    """A domain to compare on.

    Beside these keys it has those of protocols, at least one: ``shots``, ``stream`` or what a
    plugin brings. Plugins are known to whoever checks a suite, not here.

    Args:
        domain: The registered name, where the label is another.
        options: Options of the domain.
        view: Options of every view of it, where the view takes them.
        learner: Options of every learner on it, where the learner takes them.
        trainer: Options of the Trainer, over the suite's.
        episodes: Target episodes, instead of the suite's number.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    domain: Name | None = None
    options: Options = {}
    view: Options = {}
    learner: Options = {}
    trainer: Options = {}
    episodes: Count | None = None

    @property
    def given(self) -> dict[str, Any]:
        """What is said for protocols, as it was written."""
        return dict(self.model_extra or {})


class SuiteFit(Part):
    """A training on the source tasks, done once per domain and seed and shared by methods.

    Args:
        learner: The registered name of the learner.
        options: Its options, over the domain's.
        fit: Another fit, from whose checkpoint the learner starts, where it has an option
            ``pretrained`` for that.
        strategy: The strategy that takes part in training.
        strategy_options: Its options.
        view: Options of the view it trains on, over the domain's.
        labels: Train on the target's labels, too: as many as the methods get. Such a fit, as one
            whose view is `unlabelled`, is made for each target episode by itself.
        tune: Ranges of options to choose from without target labels: ``learner.NAME``,
            ``trainer.NAME``, and ``strategy.NAME``, or the name alone, of the strategy.
        criterion: By what to choose. ``validation tasks``: how well each method adapts there.
            ``stream``: what is retained of a stream of validation tasks. For fits that see the
            target, see `tlml.selection.criteria`. None: ``stream`` for learners on streams,
            ``weighted_source_risk`` where the fit sees the target, else ``validation tasks``.
        trainer: Options of the Trainer, over the suite's and the domain's.
    """

    learner: Name
    options: Options = {}
    fit: Name | None = None
    strategy: Name | None = None
    strategy_options: Options = {}
    view: Options = {}
    labels: Annotated[bool, Field(strict=True)] = False
    tune: Ranges = {}
    criterion: Criterion | None = None
    trainer: Options = {}


class SuiteMethod(Part):
    """One line of the comparison: a fit, and a way to carry it over to the target.

    Args:
        fit: The fit to start from; none: an untrained learner.
        learner: That learner, where there is no fit.
        strategy: How to adapt; none: the strategy that the fit was trained with.
        options: Options of the strategy, over the fit's where it is the fit's strategy.
        tune: Ranges of options to choose from on validation tasks.
        head: Keep the trained head or start a new one; none: as the view decides.
        shots: Compare it at these of the domains' shots only, as where it needs labels; none: all.
    """

    fit: Name | None = None
    learner: Name = UNTRAINED
    strategy: Name | None = None
    options: Options = {}
    tune: Ranges = {}
    head: Literal["kept", "new"] | None = None
    shots: Shots | None = None


class Suite(Part):
    """A comparison of methods on domains.

    Args:
        name: What tables and the default folder are called.
        domains: What to compare on, by label.
        methods: What to compare, by label; tables keep their order.
        fits: The trainings that methods start from, by label.
        seeds: Seeds of training, a list, or a number n for 0 to n-1.
        episodes: Target episodes for each domain and number of shots; the same for every seed.
        baseline: The method that the others are compared with.
        trainer: Options of the Trainer that makes the fits.
    """

    name: Annotated[Label, AfterValidator(_files)]
    domains: Annotated[dict[Label, SuiteDomain], Field(min_length=1), AfterValidator(_files)]
    methods: Annotated[dict[Label, SuiteMethod], Field(min_length=1)]
    fits: Annotated[dict[Label, SuiteFit], BeforeValidator(_fill)] = {}
    seeds: Seeds = (0, 1, 2)
    episodes: Count = 100
    baseline: str | None = None
    trainer: Options = {}
    _written: dict[str, str] = PrivateAttr(default_factory=dict)

    def located(self, folder: Path) -> Suite:
        """Return it with the paths of its domains as they are seen from a folder."""
        written = {_seen_from(folder, path): path for *_, path in self.paths()}
        seen = {path: there for there, path in written.items()}
        domains = {
            label: entry.model_copy(
                update={
                    part: _exchanged(getattr(entry, part), seen) for part in ("options", "view")
                }
            )
            for label, entry in self.domains.items()
        }
        found = self.model_copy(update={"domains": domains})
        found._written = written
        return found

    def started_from(self, name: str) -> list[str]:
        """Return the fits that a fit starts from, the nearest first; itself, too, in a ring."""
        found: list[str] = []
        start = self.fits[name].fit
        while start in self.fits and start not in found:
            found.append(start)
            start = self.fits[start].fit
        return found

    def paths(self) -> Iterator[tuple[str, str, str, str]]:
        """Yield the relative paths of domains: label, ``options`` or ``view``, option and path."""
        for label, entry in self.domains.items():
            for part, options in (("options", entry.options), ("view", entry.view)):
                for name, value in options.items():
                    if _is_path(name) and isinstance(value, str) and _is_relative(value):
                        yield label, part, name, value

    def as_written(self, config: dict[str, Any]) -> dict[str, Any]:
        """Return a configuration with paths as the suite writes them, wherever its file lies."""
        return _exchanged(config, self._written) if self._written else config

    @property
    def reference(self) -> str:
        """What differences are taken to: `baseline`, else ``scratch``, else the first method."""
        if self.baseline is not None:
            return self.baseline
        return "scratch" if "scratch" in self.methods else next(iter(self.methods))
