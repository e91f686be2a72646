"""What a protocol is: what a suite runs over, and what a record of it says."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from tlml.suites.description import Description
from tlml.suites.schema import Part

if TYPE_CHECKING:
    from tlml.suites.cells import FitCell
    from tlml.suites.inside.share import Report
    from tlml.suites.meeting import Meeting
    from tlml.suites.results import Record
    from tlml.suites.schema import Suite
    from tlml.suites.sources import Sources
    from tlml.yaml_lines import Problem


class Keys(Part):
    """The keys of a protocol in a domain of a suite; subclasses have a field for each."""


K = TypeVar("K", bound=Keys)


@dataclass(frozen=True, slots=True)
class Trial:
    """What is measured of a method with one seed in one run.

    Args:
        point: Where on the axis: ``{"shots": 5}``; a list of values where the run gives a record
            for each.
        seed: Of training and of fresh initialisations.
        fits: What it starts from.
        config: Everything that the run needs, plain data; begin with `Meeting.config`.
    """

    point: dict[str, Any]
    seed: int
    fits: Sequence[FitCell]
    config: dict[str, Any]


class Protocol(ABC, Generic[K]):
    """How methods meet a domain in a suite.

    A domain of a suite takes part by naming a key of it. Planning imports the module, so torch and
    the like belong into `check` and `run`.

    Attributes:
        name: As it is registered.
        word: What the domain's Spec must give, and what learners that train on its view need.
        keys: What stands in the domain of a suite.
        shown: Its axis, and how reports show its records.
        pace: Options of the Trainer that its view decides for fits on it; those of the suite and
            of the domain are not for them, and a fit may not name them.
        shared: Options of its view that its keys decide for all fits on it: what is measured.
        chooses_fits: Whether it chooses among fits that are tuned on validation tasks: its trials
            start from all of `Meeting.fit_choices`, and it runs the best. Methods with such a fit
            are left out where it does not.
    """

    name: ClassVar[str]
    word: ClassVar[str]
    keys: ClassVar[type[Keys]]
    shown: ClassVar[Description]
    pace: ClassVar[frozenset[str]] = frozenset()
    shared: ClassVar[frozenset[str]] = frozenset()
    chooses_fits: ClassVar[bool] = False

    def problems(self, suite: Suite, keys: Mapping[str, K], sources: Sources) -> Iterable[Problem]:
        """Say what is wrong with a suite beyond what `keys` checks.

        Args:
            suite: The whole suite.
            keys: The keys of its domains that name this protocol, by label.
            sources: Options of registered classes.
        """
        return ()

    def training(self, keys: K) -> dict[str, Any]:
        """Return options of the view for all learners that train on it."""
        return {}

    def refusal(self, meeting: Meeting) -> str:
        """Say why a method cannot be compared on a domain that gives the word; "" if it can."""
        return meeting.misfit()

    @abstractmethod
    def trials(self, meeting: Meeting, keys: K) -> Iterator[Trial]:
        """Plan what to run for a method on a domain, for each seed of the suite."""

    def check(self, config: dict[str, Any]) -> None:
        """Make what a run needs, so that wrong values show before the first run.

        Raises:
            TlmlError: Something cannot be made.
        """

    @abstractmethod
    def run(
        self, config: dict[str, Any], checkpoints: Sequence[Path], report: Report
    ) -> list[Record]:
        """Run a trial.

        Args:
            config: Of the trial.
            checkpoints: Of its fits, in their order; each has its ``result.json`` beside it.
            report: Takes the share that is done.

        Returns:
            A record for each value of the axis.
        """
